//! Certificates for loopback, made for each run. They have the shape of those of AWS's endpoints: a chain of RSA keys
//! whose root the client finds among all others that the system trusts.

use std::error::Error;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The acceptor for 127.0.0.1, and the root certificates that its clients must trust.
pub(crate) struct Certificates {
    /// The acceptor that terminates TLS.
    pub(crate) acceptor: TlsAcceptor,
    /// The throwaway root, as PEM.
    pub(crate) root: String,
    /// The throwaway root together with all roots that Mozilla trusts, as PEM, for a client that uses its machine's
    /// roots.
    pub(crate) machine: String,
}

impl Certificates {
    /// Makes a root, an intermediate authority, and a certificate for 127.0.0.1.
    pub(crate) fn make() -> Result<Self, Box<dyn Error>> {
        let root = CertifiedIssuer::self_signed(authority("Throwaway root"), key()?)?;
        let between = CertifiedIssuer::signed_by(authority("Throwaway authority"), key()?, &root)?;
        let key = key()?;
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &between)?;

        let chain = vec![leaf.der().clone(), between.der().clone()];
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        // DynamoDB and SQS offer only HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];

        let machine = TLS_SERVER_ROOT_CERTS.iter().chain([root.der()]).map(|root| pem(root)).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), root: pem(root.der()), machine })
    }
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok());
    let lines: Vec<&str> = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
