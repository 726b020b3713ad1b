//! The mock upstream over TLS, as a client sees it that trusts the certificate which the mock gives out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::Value;
use slowpath_load::upstream::{IdentityError, TlsIdentity, UpstreamHandle, UpstreamOptions, serve};

type Client = StreamOwned<ClientConnection, TcpStream>;

fn start(identity: &TlsIdentity) -> UpstreamHandle {
    let tls = Some(identity.clone());
    serve(UpstreamOptions { tls, ..UpstreamOptions::default() }).expect("there are free ports")
}

fn connect(
    upstream: &UpstreamHandle,
    trusted: &TlsIdentity,
    version: &'static SupportedProtocolVersion,
    name: &str,
) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.certificate_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", upstream.port())).unwrap())
}

fn counters(upstream: &UpstreamHandle, identity: &TlsIdentity) -> Value {
    let mut client = connect(upstream, identity, &TLS13, "localhost");
    client.write_all(b"GET /_mock HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()["counters"].take()
}

#[test]
fn clients_that_trust_the_certificate_are_served_over_both_versions() {
    let identity = TlsIdentity::self_signed(&["mock.test".to_owned()]).unwrap();
    let upstream = start(&identity);
    for (version, name) in [(&TLS12, "localhost"), (&TLS13, "127.0.0.1"), (&TLS13, "mock.test")] {
        let mut client = connect(&upstream, &identity, version, name);
        let body = r#"{"stream":true,"max_tokens":2}"#;
        for ending in ["keep-alive", "close"] {
            let length = body.len();
            let head = format!(
                "POST /v1/messages HTTP/1.1\r\nConnection: {ending}\r\nContent-Length: {length}\r\n\r\n"
            );
            client.write_all((head + body).as_bytes()).unwrap();
        }
        let mut answer = String::new();
        // It ends with a goodbye, without which this would be an error.
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.matches("event: message_stop").count(), 2, "{answer}");
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let seen = counters(&upstream, &identity);
    // The one that asks has shaken hands too.
    assert_eq!((&seen["tls_handshakes"], &seen["tls_failures"]), (&4.into(), &0.into()));
    assert_eq!((&seen["tcp_connections"], &seen["requests"]), (&3.into(), &6.into()));
}

#[test]
fn large_answers_pass_whole() {
    let identity = TlsIdentity::self_signed(&[]).unwrap();
    let upstream = start(&identity);
    let mut client = connect(&upstream, &identity, &TLS13, "localhost");
    let body = r#"{"input":["a","b","c","d"],"dimensions":8192}"#;
    let length = body.len();
    let head =
        format!("POST /v1/embeddings HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    client.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["data"][3]["embedding"].as_array().unwrap().len(), 8192);
}

#[test]
fn clients_that_do_not_trust_it_or_speak_no_tls_are_counted_as_failures() {
    let identity = TlsIdentity::self_signed(&[]).unwrap();
    let upstream = start(&identity);
    let other = TlsIdentity::self_signed(&[]).unwrap();
    let mut stranger = connect(&upstream, &other, &TLS12, "localhost");
    assert!(stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").is_err());
    // So that its alert is sent.
    let _ = stranger.conn.complete_io(&mut stranger.sock);

    let mut plain = TcpStream::connect(("127.0.0.1", upstream.port())).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).unwrap();
    // A TLS alert record.
    assert_eq!(alert.first(), Some(&21));

    let seen = counters(&upstream, &identity);
    assert_eq!((&seen["tls_handshakes"], &seen["tls_failures"]), (&1.into(), &2.into()), "{seen}");
}

#[test]
fn certificates_come_from_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let made = TlsIdentity::self_signed(&[]).unwrap();
    std::fs::write(path("other.pem"), made.certificate_pem()).unwrap();
    std::fs::write(path("cert.pem"), pem("CERTIFICATE", certificate.der())).unwrap();
    std::fs::write(path("key.pem"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();

    let identity = TlsIdentity::load(&path("cert.pem"), &path("key.pem")).unwrap();
    let upstream = start(&identity);
    assert_eq!(counters(&upstream, &identity)["tls_handshakes"], 1);

    let error = |cert: &str, key: &str| TlsIdentity::load(&path(cert), &path(key)).unwrap_err();
    assert!(matches!(error("none.pem", "key.pem"), IdentityError::Read { .. }));
    assert!(matches!(error("key.pem", "key.pem"), IdentityError::NotPem { wanted: "certificate", .. }));
    assert!(matches!(error("cert.pem", "cert.pem"), IdentityError::NotPem { wanted: "private key", .. }));
    assert!(matches!(error("other.pem", "key.pem"), IdentityError::Refused { .. }));
}

fn pem(label: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
