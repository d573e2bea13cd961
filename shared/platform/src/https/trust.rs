use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use webpki_roots::TLS_SERVER_ROOTS;

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// What Mozilla trusted when this was built, AWS's own roots among them.
    BuiltIn,
    /// What this PEM file holds, and nothing else.
    File(PathBuf),
    /// These roots, and nothing else.
    Roots(Vec<CertificateDer<'static>>),
}

/// There is nothing that could be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The file cannot be read.
    #[error("{path} cannot be read as certificates in PEM")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// No certificate is a root that can be used.
    #[error("there is no certificate to be trusted")]
    NoRoots,
    /// The cryptography that is built in does not go together.
    #[error("TLS cannot be set up")]
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
    // A machine's own store may hold some that are too odd to be parsed.
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
    fn the_roots_that_are_built_in_are_enough() {
        assert!(Trust::BuiltIn.config().is_ok());
    }

    #[test]
    fn nothing_is_trusted_for_want_of_a_file() {
        let missing = Trust::File("no/such/file.pem".into()).config();
        assert!(matches!(missing, Err(Untrusted::Unreadable { .. })));
        assert!(matches!(Trust::Roots(Vec::new()).config(), Err(Untrusted::NoRoots)));
    }
}
