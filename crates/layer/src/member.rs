//! What an entry of an archive means, once its names are made clean.

use std::path::{Component, Path, PathBuf};

use crate::{
    Entry, Error, Kind,
    whiteout::{self, Meaning},
};

/// Whether names that start with `.wh.` are whiteouts, as in layers, or files, as in other archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whiteouts {
    Interpreted,
    Literal,
}

/// `entry` with names relative to the root and whiteouts recognised. `None` for what means nothing: the
/// root directory, which every tree has, and what AUFS left behind.
pub(crate) fn interpret(mut entry: Entry, whiteouts: Whiteouts) -> Result<Option<Entry>, Error> {
    entry.path = clean(&entry.path).ok_or_else(|| Error::Malformed {
        entry: Some(entry.path.clone()),
        reason: "its name leaves the root",
    })?;
    if let Kind::HardLink { target } = &mut entry.kind {
        *target = clean(target).ok_or_else(|| Error::Malformed {
            entry: Some(entry.path.clone()),
            reason: "its target leaves the root",
        })?;
    }
    if whiteouts == Whiteouts::Interpreted {
        match whiteout::meaning(&entry.path) {
            Meaning::Ordinary => {}
            Meaning::Ignored => return Ok(None),
            Meaning::Marker(kind, path) => return Ok(Some(Entry { path, kind, metadata: entry.metadata })),
            Meaning::Invalid => {
                return Err(Error::Malformed {
                    entry: Some(entry.path),
                    reason: "it removes nothing that has a name",
                });
            }
        }
    }
    Ok((!entry.path.as_os_str().is_empty()).then_some(entry))
}

/// `path` without `.`, `..` and surplus slashes, relative to the root; `None` if it leaves the root.
pub(crate) fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => return None,
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_relative_to_the_root() {
        for (name, expected) in [
            ("a/b", Some("a/b")),
            ("/a//b/", Some("a/b")),
            ("./a/./b", Some("a/b")),
            ("a/../b", Some("b")),
            ("./", Some("")),
            ("a/../../b", None),
            ("..", None),
            ("/..", None),
        ] {
            assert_eq!(clean(Path::new(name)), expected.map(PathBuf::from), "{name}");
        }
    }

    #[test]
    fn only_layers_have_whiteouts() {
        let marker = || Entry::file("a/.wh.b", 0);
        assert_eq!(interpret(marker(), Whiteouts::Literal).unwrap(), Some(marker()));
        let whiteout = interpret(marker(), Whiteouts::Interpreted).unwrap().unwrap();
        assert_eq!((whiteout.path, whiteout.kind), (PathBuf::from("a/b"), Kind::Whiteout));
    }

    #[test]
    fn the_root_and_leftovers_mean_nothing_and_the_impossible_is_refused() {
        let read = |entry| interpret(entry, Whiteouts::Interpreted);
        assert_eq!(read(Entry::directory("./")).unwrap(), None);
        assert_eq!(read(Entry::file(".wh..wh.plnk", 0)).unwrap(), None);
        assert!(read(Entry::file("a/.wh...", 0)).is_err());
        assert!(read(Entry::file("../a", 0)).is_err());
        assert!(read(Entry::hard_link("a", "../b")).is_err());
    }
}
