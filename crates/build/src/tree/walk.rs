//! Lists what is below a directory, leaving out what patterns say.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::ignore::Verdict;

use super::{Entry, Meta, Tree};

/// Directories in one another beyond which a tree is refused; it bounds stack and open files.
const DEPTH_MAX: usize = 1000;

/// Which entries below a starting point are wanted; patterns are relative to it.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// Only what these match.
    pub(super) include: Option<&'a IgnorePatterns>,
    /// The directories that lead to everything `include` can match; others need not be entered.
    pub(super) lead: Vec<OsString>,
    /// Not what these match.
    pub(super) exclude: Option<&'a IgnorePatterns>,
}

/// Lists `start` (without symbolic links) and what is below it: depth first, names in order of their bytes.
pub(super) fn walk(tree: &Tree, start: &Path, wanted: &Wanted<'_>) -> io::Result<Vec<Entry>> {
    let meta = tree.meta(start)?.ok_or(Errno::NOENT)?;
    let mut entries = vec![Entry { path: PathBuf::new(), meta, implied: false }];
    if meta.is_dir() {
        let directory = tree.open_at(start, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let ignore = tree.ignore.as_deref().and_then(|ignore| verdict_at(ignore, start));
        let mut walker = Walker { tree, start, wanted, entries };
        let above = Verdicts { ignore, include: None, exclude: None };
        walker.directory(directory, &PathBuf::new(), &above, 0)?;
        entries = walker.entries;
    }
    Ok(entries)
}

/// Whether the ignore file lets anything in the directory `start` through.
pub(super) fn any_visible(tree: &Tree, start: &Path) -> io::Result<bool> {
    let ignore = tree.ignore.as_deref();
    if ignore.is_some_and(|ignore| ignore.may_skip_dir(&start.to_string_lossy())) {
        return Ok(false);
    }
    Ok(walk(tree, start, &Wanted::default())?.len() > 1)
}

/// What the patterns say of a directory, for what is in it.
struct Verdicts {
    ignore: Option<Verdict>,
    include: Option<Verdict>,
    exclude: Option<Verdict>,
}

impl Verdicts {
    fn is_ignored(&self) -> bool {
        self.ignore.as_ref().is_some_and(|verdict| verdict.ignored)
    }

    /// Patterns of what to include "ignore" what they match.
    fn is_wanted(&self) -> bool {
        let matched = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| verdict.ignored);
        matched(&self.include).unwrap_or(true) && !matched(&self.exclude).unwrap_or(false)
    }
}

struct Walker<'a> {
    tree: &'a Tree,
    start: &'a Path,
    wanted: &'a Wanted<'a>,
    entries: Vec<Entry>,
}

impl Walker<'_> {
    /// Lists what is in `directory`; returns whether the ignore file lets any of it through.
    fn directory(
        &mut self,
        directory: OwnedFd,
        path: &Path,
        above: &Verdicts,
        depth: usize,
    ) -> io::Result<bool> {
        if depth > DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let mut any = false;
        for name in sorted_names(&directory)? {
            let meta = match rustix::fs::statat(&directory, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Meta::from(&stat),
                Err(Errno::NOENT) => continue, // it went away since the directory was read
                Err(error) => return Err(error.into()),
            };
            let path = path.join(&name);
            let verdicts = self.verdicts(&path, Some(above));
            any |= if meta.is_dir() {
                self.subdirectory(&directory, &name, path, meta, &verdicts, depth)?
            } else {
                self.leaf(path, meta, &verdicts)
            };
        }
        Ok(any)
    }

    fn leaf(&mut self, path: PathBuf, meta: Meta, verdicts: &Verdicts) -> bool {
        if verdicts.is_ignored() {
            return false;
        }
        if verdicts.is_wanted() {
            self.entries.push(Entry { path, meta, implied: false });
        }
        true
    }

    fn subdirectory(
        &mut self,
        parent: &OwnedFd,
        name: &OsStr,
        path: PathBuf,
        meta: Meta,
        verdicts: &Verdicts,
        depth: usize,
    ) -> io::Result<bool> {
        let ignored = verdicts.is_ignored();
        if (ignored && !self.may_except_below(&path)) || self.leads_nowhere(name, depth) {
            return Ok(!ignored);
        }
        let wanted = verdicts.is_wanted();
        let index = self.entries.len();
        self.entries.push(Entry { path: path.clone(), meta, implied: !wanted });
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        let any = self.directory(directory, &path, verdicts, depth + 1)?;
        let exists = !ignored || any;
        let has_children = self.entries.len() > index + 1;
        if !exists || (!wanted && !has_children) {
            self.entries.truncate(index);
        }
        Ok(exists)
    }

    fn verdicts(&self, path: &Path, above: Option<&Verdicts>) -> Verdicts {
        let relative = path.to_string_lossy();
        let check = |patterns: Option<&IgnorePatterns>, above: Option<&Verdict>| {
            patterns.map(|patterns| patterns.check(&relative, above))
        };
        Verdicts {
            ignore: self.ignore_verdict(path, above),
            include: check(self.wanted.include, above.and_then(|above| above.include.as_ref())),
            exclude: check(self.wanted.exclude, above.and_then(|above| above.exclude.as_ref())),
        }
    }

    /// The ignore file's patterns are relative to the root of the tree, not to where the walk starts.
    fn ignore_verdict(&self, path: &Path, above: Option<&Verdicts>) -> Option<Verdict> {
        let ignore = self.tree.ignore.as_deref()?;
        let above = above.and_then(|above| above.ignore.as_ref());
        Some(ignore.check(&self.start.join(path).to_string_lossy(), above))
    }

    fn may_except_below(&self, path: &Path) -> bool {
        let ignore = self.tree.ignore.as_deref();
        ignore.is_some_and(|ignore| ignore.may_except_below(&self.start.join(path).to_string_lossy()))
    }

    fn leads_nowhere(&self, name: &OsStr, depth: usize) -> bool {
        self.wanted.lead.get(depth).is_some_and(|lead| lead != name)
    }
}

/// What the ignore file says of the directory where a walk starts.
fn verdict_at(ignore: &IgnorePatterns, start: &Path) -> Option<Verdict> {
    let mut verdict = None;
    let mut path = PathBuf::new();
    for name in start.components() {
        path.push(name);
        verdict = Some(ignore.check(&path.to_string_lossy(), verdict.as_ref()));
    }
    verdict
}

/// The names in a directory in order of their bytes.
pub(super) fn sorted_names(directory: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}
