//! The names by which a layer removes things (image-spec layer.md, "Whiteouts").

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::Kind;

const PREFIX: &[u8] = b".wh.";
/// The name of the marker that makes its directory hide the lower ones.
pub(crate) const OPAQUE: &str = ".wh..wh..opq";
/// Names that AUFS kept for itself; `OPAQUE` is the only one with a meaning in layers.
const RESERVED: &[u8] = b".wh..wh.";

/// The name in the archive that stands for the removal of `path`.
pub(crate) fn removal(path: &Path) -> PathBuf {
    let mut name = OsString::from(OsStr::from_bytes(PREFIX));
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// What a name in an archive means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A thing of its own.
    Ordinary,
    /// [`Kind::Whiteout`] or [`Kind::Opaque`], of this path.
    Marker(Kind, PathBuf),
    /// Nothing: left behind by AUFS.
    Ignored,
    /// A removal of nothing that could be named.
    Invalid,
}

/// Reads the last part of `path`, which is clean.
pub(crate) fn meaning(path: &Path) -> Meaning {
    let name = path.file_name().unwrap_or_default();
    if name == OPAQUE {
        return Meaning::Marker(Kind::Opaque, path.parent().unwrap_or(Path::new("")).to_owned());
    }
    if name.as_bytes().starts_with(RESERVED) {
        return Meaning::Ignored;
    }
    match name.as_bytes().strip_prefix(PREFIX) {
        None => Meaning::Ordinary,
        Some(b"" | b"." | b"..") => Meaning::Invalid,
        Some(victim) => Meaning::Marker(Kind::Whiteout, path.with_file_name(OsStr::from_bytes(victim))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_come_back_as_what_they_remove() {
        for path in ["a", "a/b", "a/b.c/d", "a/.hidden"] {
            let marker = removal(Path::new(path));
            assert_eq!(meaning(&marker), Meaning::Marker(Kind::Whiteout, PathBuf::from(path)));
        }
        assert_eq!(removal(Path::new("a/b")), Path::new("a/.wh.b"));
    }

    #[test]
    fn markers_are_told_from_files() {
        let opaque = |path: &str| Meaning::Marker(Kind::Opaque, PathBuf::from(path));
        assert_eq!(meaning(Path::new("a/.wh..wh..opq")), opaque("a"));
        assert_eq!(meaning(Path::new(".wh..wh..opq")), opaque(""));
        assert_eq!(meaning(Path::new("a/.wh..wh.plnk")), Meaning::Ignored);
        assert_eq!(meaning(Path::new(".wh./a")), Meaning::Ordinary);
        for name in [".wh.", ".wh..", "a/.wh..."] {
            assert_eq!(meaning(Path::new(name)), Meaning::Invalid);
        }
    }
}
