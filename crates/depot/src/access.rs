//! Who is let in.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use wharf_oci::Digest;
use wharf_oci::digest::sha256;

use crate::problem::{Code, Problem};

/// How callers prove that they may come in.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody may.
    #[default]
    Open,
    /// By account and password.
    Users(Users),
    /// By one token, sent as a bearer token or as the password of any account.
    Token(SecretString),
}

/// Accounts and the bcrypt hashes of their passwords, as in an `htpasswd` file.
#[derive(Debug, Clone, Default)]
pub struct Users {
    hashes: HashMap<String, String>,
    /// Header values that have proved right. Checking a password is slow on purpose, and every request carries
    /// one. Only digests are kept.
    proved: Arc<Mutex<HashSet<Digest>>>,
}

/// A password file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A line is not `account:hash` with a bcrypt hash.
    #[error("line {line} of the password file is not `account:bcrypt-hash` (make it with `htpasswd -B`)")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
    /// The hash cannot be made.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

impl Users {
    /// The accounts of an `htpasswd` file. Empty lines and those that begin with `#` are passed over.
    pub fn parse(text: &str) -> Result<Self, AccessError> {
        let mut hashes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((account, hash))
                    if !account.is_empty() && hash.starts_with("$2") && hash.len() == 60 =>
                {
                    hashes.insert(account.to_owned(), hash.to_owned());
                }
                _ => return Err(AccessError::Line { line: number + 1 }),
            }
        }
        Ok(Self { hashes, proved: Arc::default() })
    }

    /// A line for an `htpasswd` file that lets `account` in with `password`. `cost` is bcrypt's: 2^cost rounds,
    /// at least 4; files for real use have 10 or more.
    pub fn line(account: &str, password: &SecretString, cost: u32) -> Result<String, AccessError> {
        let hash = bcrypt::hash_with_result(password.expose_secret(), cost)
            .map_err(|error| AccessError::Hash(error.to_string()))?;
        // Go's bcrypt, which distribution uses, knows 2a and 2b but not 2y.
        Ok(format!("{account}:{}", hash.format_for_version(bcrypt::Version::TwoB)))
    }

    /// Whether the decoded `account:password` is right.
    fn accept(&self, pair: &str) -> bool {
        let proof = sha256(pair.as_bytes());
        let proved = || self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        if proved().contains(&proof) {
            return true;
        }
        let Some((account, password)) = pair.split_once(':') else { return false };
        let Some(hash) = self.hashes.get(account) else { return false };
        let right = bcrypt::verify(password, hash).unwrap_or(false);
        if right {
            proved().insert(proof);
        }
        right
    }
}

impl Access {
    /// Lets the request in, or says what it lacks. Slow with a password that has not been seen before.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, value) = header.split_once(' ').unwrap_or_default();
        let basic = || {
            let decoded = STANDARD.decode(value.trim()).ok()?;
            scheme.eq_ignore_ascii_case("basic").then_some(String::from_utf8(decoded).ok()).flatten()
        };
        let allowed = match self {
            Self::Open => true,
            Self::Users(users) => basic().is_some_and(|pair| users.accept(&pair)),
            Self::Token(token) => {
                let bearer = scheme.eq_ignore_ascii_case("bearer") && is_same(value.trim(), token);
                bearer
                    || basic().and_then(|pair| Some(is_same(pair.split_once(':')?.1, token))).unwrap_or(false)
            }
        };
        if allowed {
            return Ok(());
        }
        let challenge = HeaderValue::from_static("Basic realm=\"wharf\"");
        Err(Problem::new(Code::Unauthorized, "authentication required")
            .with_header(WWW_AUTHENTICATE, challenge))
    }
}

/// Compares by digest, so that the time taken tells nothing about how much is right.
fn is_same(given: &str, secret: &SecretString) -> bool {
    sha256(given.as_bytes()) == sha256(secret.expose_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        headers
    }

    fn basic(pair: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(pair)))
    }

    proptest! {
        #[test]
        fn no_password_file_and_no_header_is_too_odd(file in "(ann:|\\$2b\\$04\\$|\n|#|[a-z./0-9]|\\PC){0,70}", header in "[ -~]{0,40}") {
            let _ = Users::parse(&file);
            let _ = Access::Token("t0ken".into()).check(&headers(&header));
            let _ = Access::Users(Users::parse("").unwrap()).check(&headers(&header));
        }
    }

    #[test]
    fn users_come_in_with_their_password_only() {
        let line = Users::line("ann", &"secret".into(), 4).unwrap();
        let access = Access::Users(Users::parse(&format!("# people\n\n{line}\n")).unwrap());
        for _ in 0..2 {
            assert!(access.check(&basic("ann:secret")).is_ok());
            assert!(access.check(&basic("ann:wrong")).is_err());
        }
        for wrong in
            [basic("bob:secret"), basic("ann"), headers("Basic !"), headers("Bearer x"), HeaderMap::new()]
        {
            assert!(access.check(&wrong).is_err());
        }
    }

    #[test]
    fn a_token_is_taken_in_both_ways() {
        let access = Access::Token("t0ken".into());
        assert!(access.check(&headers("Bearer t0ken")).is_ok());
        assert!(access.check(&basic("anybody:t0ken")).is_ok());
        assert!(access.check(&headers("Bearer other")).is_err());
    }

    #[test]
    fn a_password_file_is_read_strictly() {
        for (text, line) in [("ann:secret", 1), ("\nann:$apr1$x", 2), (":$2b$", 1)] {
            assert!(
                matches!(Users::parse(text), Err(AccessError::Line { line: found }) if found == line),
                "{text}"
            );
        }
        assert!(!format!("{:?}", Access::Token("t0ken".into())).contains("t0ken"));
    }
}
