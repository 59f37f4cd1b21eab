//! Lists a directory for the builder: depth first, names in order of their bytes, which is the order the protocol
//! demands. A directory that is not wanted itself is listed once something below it is.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bollard_buildkit_proto::fsutil::types::Stat;

use super::filter::{Filter, Said};
use super::stat;

/// Directories in one another beyond which a tree is refused.
const DEPTH_MAX: usize = 1000;

/// Lists what is below `root`.
pub(super) fn walk(
    root: &Path,
    filter: &Filter,
    emit: &mut dyn FnMut(Stat) -> io::Result<()>,
) -> io::Result<()> {
    let mut walker = Walker { filter, emit, above: Vec::new(), links: HashMap::new() };
    walker.directory(root, "", &Said::default())
}

struct Walker<'a> {
    filter: &'a Filter,
    emit: &'a mut dyn FnMut(Stat) -> io::Result<()>,
    /// The directories that lead here; `None` once they are listed.
    above: Vec<Option<Stat>>,
    /// Files with several names, by device and inode, and the name under which they are listed.
    links: HashMap<(u64, u64), String>,
}

impl Walker<'_> {
    fn directory(&mut self, path: &Path, name: &str, said: &Said) -> io::Result<()> {
        if self.above.len() > DEPTH_MAX {
            return Err(io::Error::other(format!("`{}` lies too deep", path.display())));
        }
        let doing = |source: io::Error| {
            io::Error::new(source.kind(), format!("reading `{}`: {source}", path.display()))
        };
        let mut names = Vec::new();
        let entries = match fs::read_dir(path) {
            // What is not to be sent need not be readable.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied && !said.wanted && !name.is_empty() =>
            {
                return Ok(());
            }
            entries => entries.map_err(doing)?,
        };
        for entry in entries {
            names.push(entry.map_err(doing)?.file_name());
        }
        names.sort_unstable();
        for entry in names {
            let path = path.join(&entry);
            let entry = stat::text(entry.into_encoded_bytes(), &path)?;
            let name = if name.is_empty() { entry } else { format!("{name}/{entry}") };
            self.entry(&path, &name, said)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str, above: &Said) -> io::Result<()> {
        let said = self.filter.ask(name, above);
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()), // it went away
            metadata => metadata?,
        };
        if metadata.is_dir() {
            if !said.wanted && !self.filter.may_be_below(name, &said) {
                return Ok(());
            }
            self.above.push(Some(stat::describe(path, name, &metadata)?));
            if said.wanted {
                self.list_above()?;
            }
            self.directory(path, name, &said)?;
            self.above.pop();
            return Ok(());
        }
        // A socket is nothing that an image could hold.
        if !said.wanted || metadata.file_type().is_socket() {
            return Ok(());
        }
        self.list_above()?;
        let mut stat = stat::describe(path, name, &metadata)?;
        if metadata.is_file() && metadata.nlink() > 1 {
            let first = self.links.entry((metadata.dev(), metadata.ino())).or_insert_with(|| name.to_owned());
            if first != name {
                stat.linkname.clone_from(first);
                stat.size = 0;
            }
        }
        (self.emit)(stat)
    }

    fn list_above(&mut self) -> io::Result<()> {
        for directory in &mut self.above {
            if let Some(stat) = directory.take() {
                (self.emit)(stat)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listed(root: &Path, include: &[&str], exclude: &[&str]) -> Vec<Stat> {
        let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&owned(include), &owned(exclude)).unwrap();
        let mut found = Vec::new();
        walk(root, &filter, &mut |stat| {
            found.push(stat);
            Ok(())
        })
        .unwrap();
        found
    }

    fn names(root: &Path, include: &[&str], exclude: &[&str]) -> Vec<String> {
        listed(root, include, exclude).into_iter().map(|stat| stat.path).collect()
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/c")).unwrap();
        fs::create_dir_all(root.path().join("empty")).unwrap();
        for file in ["a/b/c/deep.txt", "a/top.txt", "a-side", "z.md"] {
            fs::write(root.path().join(file), file).unwrap();
        }
        root
    }

    #[test]
    fn directories_come_with_what_is_wanted_below_them() {
        let root = tree();
        let all = ["a", "a/b", "a/b/c", "a/b/c/deep.txt", "a/top.txt", "a-side", "empty", "z.md"];
        assert_eq!(names(root.path(), &[], &[]), all);
        assert_eq!(names(root.path(), &["a/b/c/deep.txt"], &[]), &all[..4]);
        assert_eq!(names(root.path(), &["**/*.txt"], &["a/b"]), ["a", "a/top.txt"]);
        assert_eq!(names(root.path(), &[], &["a", "!a/b/c/deep.txt"])[..4], all[..4]);
        assert_eq!(names(root.path(), &["missing"], &[]), [""; 0]);
        assert_eq!(names(root.path(), &["a"], &["*", "!z.md"]), [""; 0]);
    }

    #[test]
    fn links_stay_links() {
        let root = tree();
        fs::hard_link(root.path().join("a/top.txt"), root.path().join("again")).unwrap();
        symlink("a/top.txt", root.path().join("soft")).unwrap();
        let found = listed(root.path(), &[], &["empty"]);
        let find = |name: &str| found.iter().find(|stat| stat.path == name).unwrap().clone();
        assert_eq!((find("again").linkname.as_str(), find("again").size), ("a/top.txt", 0));
        assert_eq!(find("soft").linkname, "a/top.txt");
        assert_eq!(find("soft").mode & stat::KIND, stat::SYMLINK);
        // A second name whose first is not sent is a file of its own.
        let alone = listed(root.path(), &["again"], &[]);
        assert_eq!((alone[0].linkname.as_str(), alone[0].size), ("", 9));
    }

    #[test]
    fn metadata_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let root = tree();
        let file = root.path().join("z.md");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4750)).unwrap();
        let tagged = rustix::fs::setxattr(&file, "user.note", b"kept", rustix::fs::XattrFlags::empty());
        let stat = listed(root.path(), &["z.md"], &[]).remove(0);
        assert_eq!(stat.mode, 0o750 | stat::SETUID);
        assert_eq!((stat.uid, stat.gid), (0, 0));
        if tagged.is_ok() {
            assert_eq!(stat.xattrs["user.note"], b"kept");
        }
    }
}
