//! rpm's databases: the headers of the installed packages, in the three ways that rpm has kept them.

mod bdb;
mod header;
mod ndb;
mod sqlite;

use super::Found;
use crate::blob::Blob;

/// What one of the forms says: the headers in it, and whether all of them could be read.
#[derive(Debug)]
struct Headers {
    all: Vec<Vec<u8>>,
    whole: bool,
}

/// The longest header: that of a package with very many files.
const MAX_HEADER: usize = 64 << 20;
/// More packages than any installation has.
const MAX_PACKAGES: usize = 100_000;

/// What a database says.
#[derive(Debug, Default)]
pub(crate) struct Installed {
    pub(crate) packages: Vec<Found>,
    /// The files of the packages, relative to the root; without those of packages that are not the distribution's own.
    pub(crate) files: Vec<String>,
    /// What is wrong with the database, if anything.
    pub(crate) damage: Option<String>,
}

/// The installed packages, whatever the database's form.
pub(crate) fn parse(blob: &Blob) -> Installed {
    let mut installed = Installed::default();
    let headers = sqlite::headers(blob).or_else(|| ndb::headers(blob)).or_else(|| bdb::headers(blob));
    let Some(headers) = headers else {
        installed.damage = Some("it is in none of the forms that rpm writes".to_owned());
        return installed;
    };
    let mut broken = 0;
    for bytes in headers.all {
        let header = header::Header::parse(&bytes);
        match header.as_ref().and_then(|header| Some((header, header.package()?))) {
            // Keys that signatures are checked with are kept as if they were packages.
            Some((_, found)) if found.name == "gpg-pubkey" => {}
            Some((header, found)) => {
                if !found.foreign {
                    installed.files.extend(header.files());
                }
                installed.packages.push(found);
            }
            None => broken += 1,
        }
    }
    installed.damage = match broken {
        0 => (!headers.whole).then(|| "a part of it is missing or is no database".to_owned()),
        _ => Some(format!("{broken} of its packages cannot be read")),
    };
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
        assert_eq!(installed.damage, None, "{file}");
        names.sort();
        names
    }

    #[test]
    fn what_is_cut_off_is_said() {
        for file in ["rpmdb.sqlite", "Packages.db", "Packages"] {
            let path = format!("{}/tests/fixtures/rpm/{file}", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path).unwrap();
            let has_all = |length: usize| {
                let installed = parse(&Blob::from(bytes[..length].to_vec()));
                installed.packages.len() == 2 || installed.damage.is_some()
            };
            assert!((0..bytes.len()).step_by(97).all(has_all), "{file}");
        }
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
