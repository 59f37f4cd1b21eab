//! Names for documents and images that are the same whenever the content is.

use sha2::{Digest as _, Sha256};

use crate::findings::Report;

/// A version 8 UUID (RFC 9562) made of what the document is about, so that the same image gives the same document.
pub(super) fn uuid(report: &Report, format: &str) -> String {
    let mut hash = Sha256::new().chain_update(format).chain_update(&report.subject.name);
    hash.update(report.subject.digest.as_deref().unwrap_or_default());
    for package in &report.inventory.packages {
        hash.update(&package.purl);
        hash.update(&package.path);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The package URL of an image: its last name, its digest, and where it lies if its name says it.
pub(super) fn image_purl(name: &str, digest: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    let last = repository.rsplit('/').next().unwrap_or(repository).to_lowercase();
    let plain: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect();
    let plain = if plain.is_empty() { "image" } else { &plain };
    format!("pkg:oci/{plain}@{}", digest.replace(':', "%3A"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_has_the_same_name() {
        let report = Report::default();
        assert_eq!(uuid(&report, "a"), uuid(&report, "a"));
        assert_ne!(uuid(&report, "a"), uuid(&report, "b"));
        assert_eq!(uuid(&report, "a").as_bytes()[14], b'8');
        assert_eq!(image_purl("host:5000/org/Model:1.2", "sha256:ab"), "pkg:oci/model@sha256%3Aab");
    }
}
