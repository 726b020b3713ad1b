//! The state that `h2` keeps of a connection: from the preface on, until it ends. Knows no requests of a load.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};

use super::link_io::LinkIo;
use super::request::Http2Request;

/// What a server may send ahead on a stream, and on the connection: enough that a network's delay does not slow it down.
const WINDOW_BYTES: (u32, u32) = (1 << 20, 16 << 20);

/// Memory that frames of few bytes may take before they are read: those of one turn.
const SMALL_FRAME_BYTES: usize = 64 << 20;

type Handshake = Pin<Box<dyn Future<Output = Result<Parts, h2::Error>>>>;
type Parts = (SendRequest<Bytes>, Connection<LinkIo, Bytes>);

/// A connection of HTTP/2.
pub(super) enum Session {
    /// Sends the preface.
    Beginning(Handshake),
    Running {
        sender: SendRequest<Bytes>,
        connection: Box<Connection<LinkIo, Bytes>>,
    },
}

impl Session {
    pub(super) fn new(io: LinkIo) -> Self {
        let (stream_bytes, connection_bytes) = WINDOW_BYTES;
        let mut builder = Builder::new();
        builder
            .initial_window_size(stream_bytes)
            .initial_connection_window_size(connection_bytes)
            .data_frame_budget(SMALL_FRAME_BYTES)
            // Until the server has said how many it allows: more could be refused.
            .initial_max_send_streams(1)
            .enable_push(false);
        Self::Beginning(Box::pin(async move { builder.handshake(io).await }))
    }

    /// Sends and receives frames; ready when the connection has ended, in good order or not.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            match self {
                Self::Beginning(handshake) => match handshake.as_mut().poll(context) {
                    Poll::Ready(Ok((sender, connection))) => {
                        *self = Self::Running { sender, connection: Box::new(connection) };
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                },
                Self::Running { connection, .. } => return Pin::new(connection.as_mut()).poll(context),
            }
        }
    }

    /// Returns how many streams the server allows at once.
    pub(super) fn max_streams(&self) -> usize {
        match self {
            Self::Beginning(_) => 0,
            Self::Running { sender, .. } => sender.current_max_send_streams(),
        }
    }

    /// Sends a request; ready when it is on its way, or the connection takes no more.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        request: &Http2Request,
    ) -> Poll<Result<ResponseFuture, h2::Error>> {
        let Self::Running { sender, .. } = self else { return Poll::Pending };
        match sender.poll_ready(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let is_all = request.body.is_empty();
        let (response, mut body) = sender.send_request(request.head.clone(), is_all)?;
        if !is_all {
            body.send_data(request.body.clone(), true)?;
        }
        Poll::Ready(Ok(response))
    }
}
