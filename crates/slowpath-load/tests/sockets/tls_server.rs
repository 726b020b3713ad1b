//! A TLS server for the tests, with a certificate of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::server::Server;

/// One side's certificate, signed by itself, as files.
pub(crate) struct Identity {
    directory: tempfile::TempDir,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let identity = Self {
            directory: tempfile::tempdir().unwrap(),
            certificate: made.cert.der().clone(),
            key: made.signing_key.serialize_der(),
        };
        identity.write("cert.pem", "CERTIFICATE", &identity.certificate);
        identity.write("key.pem", "PRIVATE KEY", &identity.key);
        identity
    }

    fn write(&self, file: &str, label: &str, der: &[u8]) {
        let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
        std::fs::write(self.path().join(file), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn cert_file(&self) -> PathBuf {
        self.path().join("cert.pem")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path().join("key.pem")
    }

    /// Returns a server's configuration; with `client`, only that one may connect.
    pub(crate) fn server_config(&self, client: Option<&Self>, alpn: &[&str]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let mut roots = RootCertStore::empty();
                roots.add(client.certificate.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let mut config = builder.with_single_cert(vec![self.certificate.clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Answers every request, which ends with an empty line, with the result of `answer`; one that ends with `close` in its
/// head is the last of its connection.
pub(crate) fn serve(
    config: Arc<ServerConfig>,
    answer: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Server {
    Server::new(move |socket, _| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(n_bytes @ 1..) = stream.read(&mut buffer) {
            received.extend_from_slice(&buffer[..n_bytes]);
            while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                received.drain(..end + 4);
                let answer = answer();
                if stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
                    return;
                }
                if answer.windows(17).any(|window| window == b"Connection: close") {
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                    return;
                }
            }
        }
    })
}

/// Ends the connection without the end mark of TLS.
pub(crate) fn cut(socket: &TcpStream) {
    let _ = socket.shutdown(Shutdown::Both);
}
