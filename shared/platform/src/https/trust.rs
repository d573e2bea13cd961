use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use webpki_roots::TLS_SERVER_ROOTS;

/// The root certificates that a client trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Mozilla's roots at the time of the build, which include AWS's.
    BuiltIn,
    /// Only the certificates in this PEM file.
    File(PathBuf),
    /// Only these roots.
    Roots(Vec<CertificateDer<'static>>),
}

/// Why a client with the requested roots cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The file is missing or not in PEM format.
    #[error("cannot read PEM certificates from {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// None of the certificates is usable as a root.
    #[error("no usable root certificate")]
    NoRoots,
    /// The built-in cryptography supports no safe TLS version.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Trust {
    pub(crate) fn config(self) -> Result<ClientConfig, Untrusted> {
        let roots = match self {
            Self::BuiltIn => RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() },
            Self::File(path) => usable(read(&path)?),
            Self::Roots(roots) => usable(roots),
        };
        if roots.is_empty() {
            return Err(Untrusted::NoRoots);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Untrusted::Tls)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn usable(certificates: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A machine's own store may contain certificates that cannot be parsed.
    roots.add_parsable_certificates(certificates);
    roots
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Untrusted> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|source| Untrusted::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::{Trust, Untrusted};

    #[test]
    fn the_built_in_roots_are_usable() {
        assert!(Trust::BuiltIn.config().is_ok());
    }

    #[test]
    fn a_missing_file_or_no_roots_is_an_error() {
        let missing = Trust::File("no/such/file.pem".into()).config();
        assert!(matches!(missing, Err(Untrusted::Unreadable { .. })));
        assert!(matches!(Trust::Roots(Vec::new()).config(), Err(Untrusted::NoRoots)));
    }
}
