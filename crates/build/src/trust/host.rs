//! What this host trusts, and which of it no distribution ships.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::BUNDLES;
use super::pem::{Body, bodies};

/// Where distributions keep what they ship, one certificate a file.
const SHIPPED: &str = "usr/share/ca-certificates";
/// Where whoever runs a host puts authorities of their own.
const ANCHORS: [&str; 4] = [
    "usr/local/share/ca-certificates",
    "etc/pki/ca-trust/source/anchors",
    "etc/ca-certificates/trust-source/anchors",
    "usr/share/pki/trust/anchors",
];
/// Directories in one another that are looked into.
const DEPTH: usize = 4;

/// The certificates of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostTrust {
    /// All it trusts, in the order of its bundle.
    pub(super) all: Vec<Body>,
    /// Those that are its own; `None` where that cannot be told.
    pub(super) own: Option<BTreeSet<Body>>,
}

impl HostTrust {
    /// Reads the bundle below `root`, which is `/` except in tests. Without a bundle nothing is trusted.
    pub(crate) fn read(root: &Path) -> Self {
        let bundle = BUNDLES.iter().find_map(|path| fs::read(root.join(path)).ok()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let blocks = super::pem::blocks(&bundle).into_iter().map(|block| block.body);
        let all: Vec<Body> = blocks.filter(|body| seen.insert(body.clone())).collect();
        let own = own(root, &seen);
        Self { all, own }
    }

    /// Whether this host is known to trust nothing but what distributions ship.
    pub(crate) fn is_plain(&self) -> bool {
        self.all.is_empty() || self.own.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// The certificates that an image which knows `image` lacks and that only the host can give it.
    pub(super) fn missing(&self, image: &BTreeSet<Body>) -> Vec<&Body> {
        let is_own = |body: &&Body| self.own.as_ref().is_none_or(|own| own.contains(*body));
        self.all.iter().filter(is_own).filter(|body| !image.contains(*body)).collect()
    }
}

fn own(root: &Path, trusted: &BTreeSet<Body>) -> Option<BTreeSet<Body>> {
    let mut anchors = BTreeSet::new();
    ANCHORS.iter().for_each(|path| gather(&root.join(path), DEPTH, &mut anchors));
    let anchors: BTreeSet<Body> = anchors.intersection(trusted).cloned().collect();
    if !anchors.is_empty() {
        return Some(anchors);
    }
    let mut shipped = BTreeSet::new();
    gather(&root.join(SHIPPED), DEPTH, &mut shipped);
    (!shipped.is_empty()).then(|| trusted.difference(&shipped).cloned().collect())
}

/// All certificates in the files below a directory; what cannot be read adds none.
fn gather(directory: &Path, depth: usize, found: &mut BTreeSet<Body>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            gather(&path, depth - 1, found);
        } else if path.is_file() {
            found.extend(bodies(&fs::read(&path).unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pem::write;
    use super::*;

    fn certificates(letters: &str) -> Vec<u8> {
        let mut text = Vec::new();
        letters.bytes().for_each(|letter| write(&[letter; 8], &mut text));
        text
    }

    fn host(files: &[(&str, &str)]) -> HostTrust {
        let temp = tempfile::tempdir().unwrap();
        for (path, letters) in files {
            let path = temp.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, certificates(letters)).unwrap();
        }
        HostTrust::read(temp.path())
    }

    fn missing(host: &HostTrust, image: &str) -> String {
        host.missing(&bodies(&certificates(image))).iter().map(|body| char::from(body[0])).collect()
    }

    #[test]
    fn only_what_no_distribution_ships_is_missing_from_an_image() {
        let bundle = "etc/ssl/certs/ca-certificates.crt";
        let plain = host(&[(bundle, "ABC"), ("usr/share/ca-certificates/mozilla/all.crt", "ABCD")]);
        assert_eq!(missing(&plain, "A"), "", "an image may be older than the host");
        let appended = host(&[(bundle, "ABCX"), ("usr/share/ca-certificates/mozilla/all.crt", "ABC")]);
        assert_eq!(missing(&appended, ""), "X");
        assert_eq!(missing(&appended, "AX"), "");
        let anchored = host(&[(bundle, "ABX"), ("usr/local/share/ca-certificates/x.crt", "XY")]);
        assert_eq!(missing(&anchored, "A"), "X", "an anchor counts once it is trusted");
        let unknown = host(&[("etc/ssl/cert.pem", "ABX")]);
        assert_eq!(missing(&unknown, "AB"), "X");
        assert_eq!(missing(&host(&[]), ""), "");
    }
}
