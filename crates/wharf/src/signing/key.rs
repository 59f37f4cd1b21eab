//! Keys: PEM in, signatures out. The arithmetic is `ring`'s.

use std::path::Path;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use secrecy::{ExposeSecret, SecretString};

use super::encrypted;
use crate::exit::{Failure, OrFail};
use crate::output;

/// What a `SubjectPublicKeyInfo` begins with (RFC 5480 for P-256, RFC 8410 for Ed25519); the point follows.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    point: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    Ed25519,
}

impl PublicKey {
    /// The key in a PEM file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the public key {}", path.display()))
            .or_usage()?;
        Self::parse(&text)
            .with_context(|| format!("{} is no public key that wharf knows", path.display()))
            .or_usage()
            .map_err(|failure| {
                failure.hint("PEM of an ECDSA P-256 or Ed25519 key, as cosign and openssl write it")
            })
    }

    /// The key in PEM.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (label, der) = pem(text)?;
        if label != "PUBLIC KEY" {
            return Err(anyhow!("it holds a `{label}`"));
        }
        let of = |algorithm, prefix: &[u8], length: usize| {
            let point = der.strip_prefix(prefix).filter(|point| point.len() == length)?;
            Some(Self { algorithm, point: point.to_vec() })
        };
        of(Algorithm::P256, &P256_PREFIX, 65)
            .or_else(|| of(Algorithm::Ed25519, &ED25519_PREFIX, 32))
            .ok_or_else(|| anyhow!("it is neither ECDSA P-256 nor Ed25519"))
    }

    /// The key in PEM.
    pub(crate) fn to_pem(&self) -> String {
        let prefix: &[u8] = match self.algorithm {
            Algorithm::P256 => &P256_PREFIX,
            Algorithm::Ed25519 => &ED25519_PREFIX,
        };
        to_pem("PUBLIC KEY", &[prefix, &self.point].concat())
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature).is_ok()
    }
}

/// A key that signs. It is never printed.
pub(crate) enum PrivateKey {
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl PrivateKey {
    /// The key in a PEM file, or in the environment with `env://NAME`.
    pub(crate) fn read(path: &str) -> Result<Self, Failure> {
        let text = match path.strip_prefix("env://") {
            Some(name) => std::env::var(name).with_context(|| format!("the variable {name} holds no key")),
            None => std::fs::read_to_string(path).with_context(|| format!("reading the private key {path}")),
        };
        let hint =
            "a PKCS#8 key in PEM: `wharf sign --generate-key release` makes one, and so does openssl genpkey";
        let text = text.or_usage()?;
        let opened = match sealed(&text) {
            Some(content) => encrypted::open(&content, password(path)?.expose_secret().as_bytes())
                .and_then(|der| Self::from_pkcs8(&der)),
            None => Self::parse(&text),
        };
        opened
            .with_context(|| format!("{path} is no private key that wharf can use"))
            .or_usage()
            .map_err(|failure| failure.hint(hint))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let (label, der) = pem(text)?;
        if label == "ENCRYPTED PRIVATE KEY" {
            return Err(anyhow!(
                "it is encrypted as PKCS#8, which wharf does not open (`openssl pkey` does)"
            ));
        }
        if label != "PRIVATE KEY" {
            return Err(anyhow!("it holds a `{label}`, not a PKCS#8 `PRIVATE KEY`"));
        }
        Self::from_pkcs8(&der)
    }

    fn from_pkcs8(der: &[u8]) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            return Ok(Self::P256(Box::new(pair)));
        }
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map(|pair| Self::Ed25519(Box::new(pair)))
            .map_err(|_| anyhow!("it is neither ECDSA P-256 nor Ed25519"))
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        match self {
            Self::P256(pair) => {
                PublicKey { algorithm: Algorithm::P256, point: pair.public_key().as_ref().to_vec() }
            }
            Self::Ed25519(pair) => {
                PublicKey { algorithm: Algorithm::Ed25519, point: pair.public_key().as_ref().to_vec() }
            }
        }
    }

    /// A signature over `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::P256(pair) => match pair.sign(&SystemRandom::new(), message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(_) => Err(Failure::from(anyhow!("the system gives no random numbers to sign with"))),
            },
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// The content of a key that is under a password.
fn sealed(text: &str) -> Option<Vec<u8>> {
    let (label, content) = pem(text).ok()?;
    encrypted::is_sealed(&label).then_some(content)
}

/// The password of the key at `path`: from the variable that cosign reads, else from whoever is at the terminal.
fn password(path: &str) -> Result<SecretString, Failure> {
    if let Ok(password) = std::env::var("COSIGN_PASSWORD") {
        return Ok(password.into());
    }
    if !output::ask::is_possible() {
        return Err(Failure::usage(format!(
            "{path} is under a password, and there is no terminal to ask on"
        ))
        .hint("set COSIGN_PASSWORD"));
    }
    output::ask::secret(&format!("Password of {path}: "))
}

/// A new key pair in PEM: private, public.
pub(crate) fn generate() -> Result<(String, String), Failure> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .map_err(|_| Failure::from(anyhow!("the system gives no random numbers for a key")))?;
    let private = to_pem("PRIVATE KEY", document.as_ref());
    let public = PrivateKey::parse(&private)?.public().to_pem();
    Ok((private, public))
}

/// The label and the content of the first PEM block (RFC 7468).
fn pem(text: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let none = || anyhow!("there is no PEM in it");
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(none)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(none)?;
    let (body, _) = rest.split_once("-----END ").ok_or_else(none)?;
    // An openssl EC key may be preceded by its parameters.
    if label == "EC PARAMETERS" {
        return pem(rest.split_once("-----END EC PARAMETERS-----").ok_or_else(none)?.1);
    }
    let digits: String = body.split_whitespace().collect();
    let der = BASE64.decode(digits).map_err(|_| anyhow!("its PEM is not base64"))?;
    Ok((label.to_owned(), der))
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let digits = BASE64.encode(der);
    let lines: Vec<&str> =
        digits.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_key_signed_its_public_half_knows_and_no_other_does() {
        let (private, public) = generate().unwrap();
        let key = PrivateKey::parse(&private).unwrap();
        let signature = key.sign(b"message").unwrap();
        let public = PublicKey::parse(&public).unwrap();
        assert_eq!(PublicKey::parse(&public.to_pem()).unwrap(), public);
        assert!(public.verify(b"message", &signature));
        assert!(!public.verify(b"another", &signature));
        let other = PublicKey::parse(&generate().unwrap().1).unwrap();
        assert!(!other.verify(b"message", &signature));
    }

    #[test]
    fn an_encrypted_key_and_nonsense_say_what_they_are() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (text, word) in [(encrypted, "openssl"), ("nothing", "no PEM")] {
            let Err(error) = PrivateKey::parse(text) else { unreachable!("{text} is no key") };
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,120}") {
            let _ = PublicKey::parse(&text);
            let _ = PrivateKey::parse(&format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"));
        }
    }
}
