//! Signatures and attestations in cosign's layout, with keys: what is written here `cosign verify --key` reads, and
//! the other way round.
//!
//! A signature is over a small JSON document that names the digest (the "simple signing" payload); both hang on
//! the tag `sha256-<hex>.sig` beside the image. An attestation is an in-toto statement in a DSSE envelope under
//! `sha256-<hex>.att`. Keys are ECDSA P-256 or Ed25519 in PEM, open or under a
//! password as cosign makes them.

mod attach;
mod cosign;
mod dsse;
mod encrypted;
mod key;
mod provenance;

pub(crate) use cosign::{Signature, sign, signatures};
pub(crate) use dsse::{attest, attestations};
pub(crate) use key::{PrivateKey, PublicKey, generate};
pub(crate) use provenance::{PREDICATE as PROVENANCE, statement as provenance};

use wharf_oci::Digest;

/// The key that the environment names, where it names one: `wharf sign` takes the same.
pub(crate) fn key_of_environment() -> Result<Option<PrivateKey>, crate::exit::Failure> {
    crate::settings::host::variable("WHARF_SIGN_KEY").map(|place| PrivateKey::read(&place)).transpose()
}

/// The tag of an image's signatures.
pub(crate) fn signature_tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm(), digest.digest())
}

/// The tag of an image's attestations.
pub(crate) fn attestation_tag(digest: &Digest) -> String {
    format!("{}-{}.att", digest.algorithm(), digest.digest())
}
