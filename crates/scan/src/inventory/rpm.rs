//! rpm's databases: the headers of the installed packages, in the three ways that rpm has kept them.

mod bdb;
mod header;
mod ndb;
mod sqlite;

use super::Found;
use crate::blob::Blob;

/// The longest header: that of a package with very many files.
const MAX_HEADER: usize = 64 << 20;
/// More packages than any installation has.
const MAX_PACKAGES: usize = 100_000;

/// What a database says.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    pub(crate) packages: Vec<Found>,
    /// The files of the packages, relative to the root.
    pub(crate) files: Vec<String>,
}

/// The installed packages, whatever the database's form; none if it is damaged where it matters.
pub(crate) fn parse(blob: &Blob) -> Installed {
    let headers = sqlite::headers(blob).or_else(|| ndb::headers(blob)).or_else(|| bdb::headers(blob));
    let mut installed = Installed::default();
    for bytes in headers.unwrap_or_default() {
        let Some(header) = header::Header::parse(&bytes) else { continue };
        // Keys that signatures are checked with are kept as if they were packages.
        let Some(found) = header.package().filter(|found| found.name != "gpg-pubkey") else { continue };
        installed.packages.push(found);
        installed.files.extend(header.files());
    }
    installed
}

fn u16_at(bytes: &[u8], at: usize, big: bool) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

fn u32_at(bytes: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Databases that rpm and Berkeley DB wrote: `tests/fixtures/rpm/make.sh`.
    fn names(file: &str) -> Vec<String> {
        let path = format!("{}/tests/fixtures/rpm/{file}", env!("CARGO_MANIFEST_DIR"));
        let installed = parse(&Blob::from(std::fs::read(path).unwrap()));
        assert!(installed.files.iter().any(|file| file == "usr/bin/first"), "{:?}", installed.files);
        let mut names: Vec<_> =
            installed.packages.iter().map(|found| format!("{} {}", found.name, found.version)).collect();
        names.sort();
        names
    }

    #[test]
    fn all_three_forms_say_the_same() {
        for file in ["rpmdb.sqlite", "Packages.db", "Packages"] {
            assert_eq!(names(file), ["first 2:1.5-3.el9", "second 0.1-1"], "{file}");
        }
    }

    proptest! {
        #[test]
        fn damage_is_no_panic(at in 0usize..20_000, byte in any::<u8>(), which in 0usize..3, cut in 0usize..60_000) {
            let file = ["rpmdb.sqlite", "Packages.db", "Packages"][which];
            let path = format!("{}/tests/fixtures/rpm/{file}", env!("CARGO_MANIFEST_DIR"));
            let mut bytes = std::fs::read(path).unwrap();
            bytes.truncate(cut);
            if let Some(b) = bytes.get_mut(at) { *b = byte; }
            parse(&Blob::from(bytes));
        }
    }
}
