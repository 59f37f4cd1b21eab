//! Whom TLS connections trust: what the system trusts, and what the settings add.
//!
//! A system trusts some 150 authorities, spread over as many files. Reading them takes longer than all else that a
//! command does whose registry is on this machine and plain HTTP, so they are read when the first certificate is to
//! be verified.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Verifies servers as rustls does, with authorities that it reads when they are needed.
#[derive(Debug)]
pub(super) struct LateRoots {
    /// What the settings add to the system's.
    added: RootCertStore,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Arc<WebPkiServerVerifier>, Error>>,
}

impl LateRoots {
    pub(super) fn new(added: RootCertStore, provider: Arc<CryptoProvider>) -> Self {
        Self { added, provider, verifier: OnceLock::new() }
    }

    fn verifier(&self) -> Result<&WebPkiServerVerifier, Error> {
        let read = || {
            let mut roots = self.added.clone();
            // A system without certificates, or with a bad one among them, still reaches what the rest vouch for.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                // It has no authorities at all, so nobody known has signed anything.
                .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))
        };
        match self.verifier.get_or_init(read) {
            Ok(verifier) => Ok(verifier),
            Err(error) => Err(error.clone()),
        }
    }
}

impl ServerCertVerifier for LateRoots {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Said in the first message of every handshake; it depends on no authority.
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
