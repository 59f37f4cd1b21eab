//! Private keys under a password, as `cosign generate-key-pair` writes them.
//!
//! The PEM block holds a JSON document that names a key derivation (scrypt, RFC 7914) with its parameters and a cipher
//! (NaCl's secretbox: XSalsa20 and Poly1305) with its nonce. What is sealed is the key in PKCS#8. A wrong password
//! and a damaged file look the same, for the seal is all there is to check.

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};
use serde::Deserialize;

/// The labels of such blocks, new and old.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// What scrypt may take for a key that somebody hands to us: cosign's own needs are 64 MiB at most.
const MEMORY_MAX: u64 = 256 << 20;

#[derive(Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Cost,
    salt: String,
}

/// The cost of the derivation, by RFC 7914's names.
#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Whether a PEM block of this label is one.
pub(super) fn is_sealed(label: &str) -> bool {
    LABELS.contains(&label)
}

/// The PKCS#8 document in the content of such a block.
pub(super) fn open(content: &[u8], password: &[u8]) -> anyhow::Result<Vec<u8>> {
    let sealed: Sealed = serde_json::from_slice(content).context("it is no sealed key of cosign's form")?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        bail!("it is sealed with {} and {}, which wharf does not know", sealed.kdf.name, sealed.cipher.name);
    }
    let key = derive(&sealed.kdf, password)?;
    let nonce: [u8; 24] =
        bytes(&sealed.cipher.nonce)?.try_into().map_err(|_| anyhow!("its nonce is not of 24 bytes"))?;
    let cipher = XSalsa20Poly1305::new(&key.into());
    cipher
        .decrypt(&nonce.into(), bytes(&sealed.ciphertext)?.as_slice())
        .map_err(|_| anyhow!("the password does not open it"))
}

fn derive(kdf: &Kdf, password: &[u8]) -> anyhow::Result<[u8; 32]> {
    let Cost { n, r, p } = kdf.params;
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if !n.is_power_of_two() || memory > MEMORY_MAX || p > 16 {
        bail!("its cost (N={n}, r={r}, p={p}) is out of all proportion");
    }
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| anyhow!("its cost is none for scrypt"))?;
    let mut key = [0; 32];
    scrypt::scrypt(password, &bytes(&kdf.salt)?, &params, &mut key)
        .map_err(|_| anyhow!("no key can be derived for it"))?;
    Ok(key)
}

fn bytes(digits: &str) -> anyhow::Result<Vec<u8>> {
    BASE64.decode(digits).context("a field of it is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made with Python's `hashlib.scrypt` and PyNaCl over a key of `openssl genpkey`.
    const KEY: &str = include_str!("../../tests/data/cosign.key.json");

    #[test]
    fn the_password_opens_it_and_another_does_not() {
        let opened = open(KEY.as_bytes(), b"correct horse").unwrap();
        assert_eq!(opened[0], 0x30, "a DER sequence");
        let error = open(KEY.as_bytes(), b"wrong").unwrap_err();
        assert_eq!(error.to_string(), "the password does not open it");
    }

    #[test]
    fn a_cost_that_would_fill_the_memory_is_refused() {
        let greedy = KEY.replace("\"N\": 32768", "\"N\": 1073741824");
        assert_ne!(greedy, KEY);
        assert!(open(greedy.as_bytes(), b"x").unwrap_err().to_string().contains("proportion"));
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(text in "\\PC{0,80}", n in 0u64..20, r in 0u32..3, field in "[A-Za-z0-9+/=]{0,40}") {
            let _ = open(text.as_bytes(), b"x");
            let document = format!(
                r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":1}},"salt":"{field}"}},"cipher":{{"name":"nacl/secretbox","nonce":"{field}"}},"ciphertext":"{field}"}}"#
            );
            let _ = open(document.as_bytes(), b"x");
        }
    }
}
