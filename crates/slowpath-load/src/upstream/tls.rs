//! The mock's certificate: made on the spot and signed by itself, or read from files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate chain and its private key, ready to serve TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct TlsIdentity {
    pub(super) config: Arc<ServerConfig>,
    certificate_pem: String,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file holds no PEM of the right kind.
    #[error("`{}` holds no {wanted} in PEM form", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Key and certificate do not belong together, or the algorithm is not supported.
    #[error("the certificate and its key cannot be used")]
    Refused {
        /// The TLS library's answer.
        source: rustls::Error,
    },
    /// No certificate could be made for these names.
    #[error("cannot make a certificate for {names}")]
    Make {
        /// The names asked for.
        names: String,
        /// The certificate library's answer.
        source: rcgen::Error,
    },
}

impl TlsIdentity {
    /// Makes a key and a certificate that it signs itself, valid for `localhost`, the loopback addresses, and `names`.
    ///
    /// # Errors
    /// [`IdentityError::Make`] if a name is neither a host name nor an address.
    pub fn self_signed(names: &[String]) -> Result<Self, IdentityError> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        all.extend(names.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
        let failed = |source| IdentityError::Make { names: all.join(", "), source };
        let mut parameters = rcgen::CertificateParams::new(all.clone()).map_err(failed)?;
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "slowpath mock");
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::new(vec![certificate.der().clone()], key.into())
    }

    /// Reads a certificate chain, the server's own first, and its private key from PEM files.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| cannot_load(certificates, "certificate", error))?;
        if chain.is_empty() {
            return Err(IdentityError::NotPem { path: certificates.to_owned(), wanted: "certificate" });
        }
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|error| cannot_load(key, "private key", error))?;
        Self::new(chain, key)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, IdentityError> {
        let certificate_pem = chain.iter().map(|certificate| to_pem(certificate)).collect();
        // Named, because a program with two providers has no default.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|source| IdentityError::Refused { source })?;
        // Clients that know HTTP/2 are told that it is not spoken here.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate_pem })
    }

    /// Returns the certificates as PEM, for clients that are to trust them.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }
}

impl fmt::Debug for TlsIdentity {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

fn cannot_load(path: &Path, wanted: &'static str, error: pem::Error) -> IdentityError {
    match error {
        pem::Error::Io(source) => IdentityError::Read { path: path.to_owned(), source },
        _ => IdentityError::NotPem { path: path.to_owned(), wanted },
    }
}

/// Returns the certificate in the form of RFC 7468.
fn to_pem(certificate: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let identity = TlsIdentity::self_signed(&["mock.test".to_owned()]).unwrap();
        let read = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap();
        assert_eq!(to_pem(&read), identity.certificate_pem());
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let error = TlsIdentity::self_signed(&["ü".to_owned()]).unwrap_err();
        assert!(error.to_string().contains('ü'), "{error}");
    }
}
