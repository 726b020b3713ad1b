//! An HTTP/2 server for the tests, made of the `h2` crate: each request is answered by a function.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Http2Server {
    pub(crate) address: SocketAddr,
    n_connections: Arc<AtomicUsize>,
}

/// What a test decides about a server.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// Speak TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Streams that a client may have at once.
    pub(crate) max_streams: Option<u32>,
    /// Requests after which a connection takes no more and closes.
    pub(crate) n_requests_per_connection: Option<usize>,
}

impl Http2Server {
    /// Listens on a free port; `answer` gets each request.
    pub(crate) fn new<F>(
        behaviour: Behaviour,
        answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let n_connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_connections);
        let answer = Arc::new(answer);
        // The thread ends with the test process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((socket, _)) = listener.accept().await {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let _ = socket.set_nodelay(true);
                    let (behaviour, answer) = (behaviour.clone(), Arc::clone(&answer));
                    tokio::spawn(async move {
                        match &behaviour.tls {
                            None => serve(socket, &behaviour, &*answer).await,
                            Some(config) => {
                                let acceptor = TlsAcceptor::from(Arc::clone(config));
                                if let Ok(stream) = acceptor.accept(socket).await {
                                    serve(stream, &behaviour, &*answer).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self { address, n_connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }
}

async fn serve<F>(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: &Behaviour,
    answer: &(impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Sync),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = Builder::new();
    if let Some(max_streams) = behaviour.max_streams {
        builder.max_concurrent_streams(max_streams);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let mut n_requests = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
        n_requests += 1;
        if behaviour.n_requests_per_connection == Some(n_requests) {
            connection.graceful_shutdown();
        }
    }
}

/// Answers with this head and body.
pub(crate) fn answer(mut respond: SendResponse<Bytes>, status: u16, content_type: &str, body: &'static str) {
    let head = Response::builder().status(status).header("content-type", content_type).body(()).unwrap();
    if let Ok(mut stream) = respond.send_response(head, body.is_empty())
        && !body.is_empty()
    {
        let _ = stream.send_data(Bytes::from_static(body.as_bytes()), true);
    }
}

/// Reads the whole body of a request.
pub(crate) async fn read_body(request: Request<RecvStream>) -> Vec<u8> {
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
    }
    bytes
}
