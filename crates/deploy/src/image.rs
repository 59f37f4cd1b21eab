//! Which references are meant, and what they become.

use std::ops::Range;

use wharf_oci::{Digest, Reference, is_valid_tag};

/// The image that configs are to name.
#[derive(Debug, Clone)]
pub struct Target {
    /// The repositories whose references are meant: the release's, and what configs call the same image.
    pub names: Vec<Reference>,
    /// The tag that is written, for people.
    pub tag: String,
    /// What it is.
    pub digest: Digest,
    /// The environment: marked lines say which they are for.
    pub env: String,
    /// Dotted paths of images in Helm values, beside those that are found by their repository.
    pub paths: Vec<String>,
}

impl Target {
    /// What stands after a repository's name.
    pub(crate) fn suffix(&self) -> String {
        format!(":{}@{}", self.tag, self.digest)
    }

    /// What stands for a tag where a digest has no place of its own.
    pub(crate) fn tag_and_digest(&self) -> String {
        format!("{}@{}", self.tag, self.digest)
    }

    /// Whether a repository's name is meant.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        name.parse::<Reference>().is_ok_and(|name| {
            name.tag().is_none()
                && name.digest().is_none()
                && self.names.iter().any(|n| n.name() == name.name())
        })
    }

    /// The reference with the new tag and digest, its name as it was written; `None` where another image is meant.
    pub(crate) fn renew(&self, text: &str) -> Option<String> {
        let reference: Reference = text.parse().ok()?;
        if !self.names.iter().any(|name| name.name() == reference.name()) {
            return None;
        }
        Some(format!("{}{}", name_of(text), self.suffix()))
    }
}

/// The part of a reference before its tag and digest, as it is written.
fn name_of(text: &str) -> &str {
    let before_digest = text.split_once('@').map_or(text, |(name, _)| name);
    match before_digest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && is_valid_tag(tag) => name,
        _ => before_digest,
    }
}

/// References to the target in running text: maximal runs of the characters that references are made of.
pub(crate) fn references_in(text: &str, target: &Target) -> Vec<(Range<usize>, String)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let mut found = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (is_part(c), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                let word = text[from..at].trim_end_matches(['.', ':']);
                // A name alone may be anything; with a tag or a digest it is an image.
                let pinned = name_of(word).len() < word.len();
                if let Some(new) = target.renew(word).filter(|_| pinned) {
                    found.push((from..from + word.len(), new));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wharf_oci::digest;

    pub(crate) fn target() -> Target {
        Target {
            names: vec!["ghcr.io/org/churn".parse().unwrap(), "org/churn".parse().unwrap()],
            tag: "1.4.2".into(),
            digest: digest::sha256(b"release"),
            env: "prod".into(),
            paths: Vec::new(),
        }
    }

    #[test]
    fn the_name_stays_as_it_was_written() {
        let target = target();
        let suffix = target.suffix();
        for (text, name) in [
            ("ghcr.io/org/churn:1.0", "ghcr.io/org/churn"),
            ("docker.io/org/churn", "docker.io/org/churn"),
            (
                "org/churn@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "org/churn",
            ),
        ] {
            assert_eq!(target.renew(text), Some(format!("{name}{suffix}")), "{text}");
        }
        for other in ["org/churn2:1", "quay.io/org/churn:1", "not a reference", "{{ .image }}"] {
            assert_eq!(target.renew(other), None, "{other}");
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        let mut target = target();
        target.names = vec!["localhost:5000/a/b".parse().unwrap()];
        assert_eq!(
            target.renew("localhost:5000/a/b"),
            Some(format!("localhost:5000/a/b{}", target.suffix()))
        );
        assert_eq!(
            target.renew("localhost:5000/a/b:1"),
            Some(format!("localhost:5000/a/b{}", target.suffix()))
        );
    }
}
