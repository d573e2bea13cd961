//! Certificates for loopback, made anew for each run, and of the shape that AWS's endpoints have: a chain of RSA keys, the
//! root of which the client finds among all the others that a system trusts.

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

/// What answers for 127.0.0.1, and what has to be trusted for it.
pub(crate) struct Certificates {
    /// Ends TLS.
    pub(crate) acceptor: TlsAcceptor,
    /// The throwaway root, as PEM.
    pub(crate) root: String,
    /// The same among all that Mozilla trusts, as PEM: what a client reads that trusts what its machine trusts.
    pub(crate) machine: String,
}

impl Certificates {
    /// A root, an authority below it, and a certificate for 127.0.0.1.
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
        // As DynamoDB and SQS.
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
