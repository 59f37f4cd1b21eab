//! Image references as docker reads them: `[registry/]repository[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's `reference` package: the part before the first
//! slash is a registry when it holds a dot or a colon, or is `localhost`; without one the registry is
//! `docker.io`, whose one-word repositories live under `library/`.

use std::fmt;
use std::str::FromStr;

use oci_spec::image::Digest;

/// The registry of a reference that names none.
const HUB: &str = "docker.io";
/// The namespace of the hub's official images.
const OFFICIAL: &str = "library/";
/// The longest repository name, registry included, that registries accept.
const NAME_MAX: usize = 255;

/// A valid image reference. Equality compares the full form: `python` equals `docker.io/library/python`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a reference is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: String,
}

impl Reference {
    /// The registry's host and port, `docker.io` where none was given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository inside the registry, with `library/` for official images.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The tag, or `latest` where neither tag nor digest was given, as docker assumes.
    pub fn tag_or_latest(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The same repository under `tag`, without a digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_valid_tag(tag) {
            return Err(bad(
                tag,
                "a tag is 1 to 128 letters, digits, `_`, `.` and `-`, and starts with none of `.` `-`",
            ));
        }
        Ok(Self { tag: Some(tag.into()), digest: None, ..self.clone() })
    }

    /// The same repository at `digest`; the tag stays as a label for people.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Registry and repository in full, `docker.io/library/python`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Registry and repository as people write them, `python`.
    pub fn familiar_name(&self) -> String {
        if self.registry != HUB {
            return self.name();
        }
        self.repository
            .strip_prefix(OFFICIAL)
            .filter(|rest| !rest.contains('/'))
            .unwrap_or(&self.repository)
            .into()
    }

    /// Everything in full: `docker.io/library/python:3.11-slim`.
    pub fn canonical(&self) -> String {
        self.suffixed(self.name())
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_ref());
        }
        name
    }
}

/// The familiar form, as people write it: `python:3.11-slim`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.familiar_name()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest =
                    digest.parse::<Digest>().map_err(|e| bad(text, &format!("the digest is wrong: {e}")))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_valid_tag(tag)) {
            return Err(bad(text, &format!("`{tag}` is not a tag")));
        }
        let (registry, path) = split_registry(name);
        if path.is_empty() {
            return Err(bad(text, "it names no repository"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(bad(text, "a repository name must be lower case"));
        }
        if !is_valid_registry(registry) {
            return Err(bad(text, &format!("`{registry}` is not a registry host")));
        }
        if let Some(part) = path.split('/').find(|part| !is_valid_component(part)) {
            return Err(bad(text, &format!("`{part}` is not a part of a repository name")));
        }
        if digest.is_none() && tag.is_none() && is_image_id(name) {
            return Err(bad(text, "64 hexadecimal digits are an image ID, not a name"));
        }
        let repository = if registry == HUB && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        if registry.len() + 1 + repository.len() > NAME_MAX {
            return Err(bad(text, "the name is longer than 255 characters"));
        }
        Ok(Self { registry: registry.into(), repository, tag: tag.map(Into::into), digest })
    }
}

/// Splits `registry/path`, giving the hub's name where no registry is written.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io" | "registry-1.docker.io", path)) => (HUB, path),
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" || has_upper(host) => {
            (host, path)
        }
        _ => (HUB, name),
    }
}

/// An upper-case first part cannot be a repository, so docker reads it as a host.
fn has_upper(host: &str) -> bool {
    host.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_image_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether `tag` is a tag under the distribution grammar: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
pub fn is_valid_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = tag.as_bytes();
    (1..=128).contains(&bytes.len())
        && word(bytes[0])
        && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-')
}

/// `host[:port]`, where the host is a domain name or a bracketed IPv6 address.
fn is_valid_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    };
    if port.is_some_and(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    !host.is_empty() && host.split('.').all(label)
}

/// Lower-case words joined by `.`, `_`, `__` or any number of dashes.
fn is_valid_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !word(*first) || !word(*last) {
        return false;
    }
    bytes.split(|&b| word(b)).all(|separator| match separator {
        b"" | b"." | b"_" | b"__" => true,
        other => other.iter().all(|&b| b == b'-'),
    })
}

fn bad(text: &str, reason: &str) -> ReferenceError {
    ReferenceError { text: text.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hub_is_implied_and_hidden_again() {
        for (given, canonical, familiar) in [
            ("python:3.11-slim", "docker.io/library/python:3.11-slim", "python:3.11-slim"),
            ("myorg/model", "docker.io/myorg/model", "myorg/model"),
            ("index.docker.io/library/alpine", "docker.io/library/alpine", "alpine"),
            ("docker.io/alpine", "docker.io/library/alpine", "alpine"),
            ("localhost/a", "localhost/a", "localhost/a"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("gcr.io/p/a__b/c-d---e.f", "gcr.io/p/a__b/c-d---e.f", "gcr.io/p/a__b/c-d---e.f"),
            ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
        ] {
            let reference: Reference = given.parse().unwrap();
            assert_eq!(reference.canonical(), canonical, "{given}");
            assert_eq!(reference.to_string(), familiar, "{given}");
        }
    }

    #[test]
    fn what_is_no_reference_says_why() {
        let digest = "sha256:".to_owned() + &"a".repeat(64);
        for (given, word) in [
            ("", "names no repository"),
            ("myorg/Model", "lower case"),
            ("a/b:-x", "not a tag"),
            ("a//b", "not a part"),
            ("a/b..c", "not a part"),
            ("a@sha256:12", "digest is wrong"),
            (&"a".repeat(64), "image ID"),
            (&"a/".repeat(130), "not a part"),
            (&format!("{}/x", "a".repeat(300)), "longer than 255"),
            ("exa mple.com/x", "not a registry host"),
        ] {
            let error = given.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(word), "{given}: {error}");
        }
        assert!(format!("a@{digest}").parse::<Reference>().is_ok());
    }

    #[test]
    fn latest_is_assumed_only_where_nothing_else_is_said() {
        let tag = |text: &str| text.parse::<Reference>().unwrap().tag_or_latest().map(str::to_owned);
        assert_eq!(tag("a"), Some("latest".into()));
        assert_eq!(tag("a:1"), Some("1".into()));
        assert_eq!(tag(&format!("a@sha256:{}", "b".repeat(64))), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_parses_prints_to_itself(text in "\\PC{0,80}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference.clone());
                prop_assert_eq!(reference.canonical().parse::<Reference>().unwrap(), reference);
            }
        }

        #[test]
        fn every_grammatical_name_parses(
            host in "([a-z]{1,5}\\.[a-z]{2,3}(:[0-9]{2,4})?/)?",
            path in "[a-z0-9]{1,5}([._-][a-z0-9]{1,4})?(/[a-z0-9]{1,6}){0,2}",
            tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,10})?",
        ) {
            let text = [host, path, tag].concat();
            prop_assert!(text.parse::<Reference>().is_ok(), "{}", text);
        }
    }
}
