//! The client's side of TLS as a plan has it: whom to trust, who to be, what to speak. Moves no bytes.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier,
};

use crate::error::LoadError;
use crate::plan::{LoadPlan, Tls};
use crate::url::Url;

/// The protocol that is offered by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// Returns the configuration of all TLS connections of a plan with `https:` URLs.
///
/// # Errors
/// For a certificate or key that cannot be used, or a system without certificates to trust.
pub(crate) fn client_config(plan: &LoadPlan) -> Result<Arc<ClientConfig>, LoadError> {
    let protocol = if plan.transport.http2 { Protocol::Http2 } else { Protocol::Http1 };
    build(&plan.transport.tls, protocol)
}

/// Returns a configuration that accepts any certificate and speaks HTTP/1.1.
pub(crate) fn trusting_config() -> Result<Arc<ClientConfig>, LoadError> {
    build(&Tls { insecure: true, ..Tls::default() }, Protocol::Http1)
}

fn build(tls: &Tls, protocol: Protocol) -> Result<Arc<ClientConfig>, LoadError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = builder(provider);
    let builder = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny { algorithms }))
    } else {
        builder.with_root_certificates(roots(tls.ca.as_deref())?)
    };
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let bad = |problem| bad_pem("certificate", cert, problem);
            builder
                .with_client_auth_cert(certificates(cert)?, private_key(key)?)
                .map_err(|error| bad(format!("it does not go with the key: {error}")))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.alpn().to_vec()];
    Ok(Arc::new(config))
}

fn builder(provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
}

/// Returns the name that is sent as SNI and that the certificate must be for.
///
/// # Errors
/// [`LoadError::BadPlan`] if it is neither a host name nor an IP address.
pub(crate) fn server_name(tls: &Tls, url: &Url) -> Result<ServerName<'static>, LoadError> {
    let name = tls.server_name.as_ref().unwrap_or(&url.host);
    ServerName::try_from(name.clone()).map_err(|_| LoadError::BadPlan {
        field: "server_name",
        value: name.clone(),
        problem: "a certificate is for a host name or an IP address",
    })
}

/// Returns the certificates of the file, or those that the system trusts.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, LoadError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| bad_pem("certificate authority", path, error.to_string()))?;
        }
    } else {
        // A system has certificates that are out of use; the rest still serve.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(LoadError::NothingToTrust);
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let text = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad_pem("certificate", path, error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad_pem("certificate", path, "there is none in it".to_owned()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| bad_pem("private key", path, error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::UnreadableFile { path: path.to_owned(), source })
}

fn bad_pem(what: &'static str, path: &Path, problem: String) -> LoadError {
    LoadError::BadPem { what, path: path.to_owned(), problem }
}

/// Takes whatever certificate a server shows, but still checks that the server has its key.
#[derive(Debug)]
struct AcceptAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn names_the_file_that_cannot_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.pem");
        let error = |tls: &Tls| build(tls, Protocol::Http1).unwrap_err();
        let ca = || Tls { ca: Some(path.clone()), ..Tls::default() };
        assert!(matches!(error(&ca()), LoadError::UnreadableFile { .. }));
        std::fs::write(&path, "no certificate").unwrap();
        let message = error(&ca()).to_string();
        assert!(message.contains("x.pem") && message.contains("there is none"), "{message}");

        let key = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        std::fs::write(&path, pem("CERTIFICATE", key.cert.der())).unwrap();
        build(&ca(), Protocol::Http2).unwrap();
        let client = |key: &Path| Tls {
            cert: Some(path.clone()),
            key: Some(key.to_owned()),
            insecure: true,
            ..Tls::default()
        };
        let message = error(&client(&path)).to_string();
        assert!(message.contains("private key"), "{message}");
        let key_path = directory.path().join("key.pem");
        std::fs::write(&key_path, pem("PRIVATE KEY", &key.signing_key.serialize_der())).unwrap();
        build(&client(&key_path), Protocol::Http1).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_der();
        std::fs::write(&key_path, pem("PRIVATE KEY", &other)).unwrap();
        let message = error(&client(&key_path)).to_string();
        assert!(message.contains("does not go with the key"), "{message}");
    }

    #[test]
    fn the_name_to_check_is_the_urls_unless_another_is_given() {
        fn check(url: &str, server_name: Option<&str>, expected: Option<&str>) {
            let tls = Tls { server_name: server_name.map(str::to_owned), ..Tls::default() };
            let name = super::server_name(&tls, &Url::parse(url).unwrap());
            assert_eq!(name.ok().map(|name| name.to_str().into_owned()).as_deref(), expected, "{url}");
        }
        check("https://h.example:1/", None, Some("h.example"));
        check("https://127.0.0.1/", None, Some("127.0.0.1"));
        check("https://[::1]/", None, Some("::1"));
        check("https://127.0.0.1/", Some("h.example"), Some("h.example"));
        check("https://h/", Some("no name"), None);
    }
}
