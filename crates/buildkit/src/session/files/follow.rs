//! Paths that a build names, through the symbolic links on the way (fsutil, `followlinks.go`): the links and what they
//! lead to both have to travel.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use wharf_dockerfile::ignore::{glob_match, has_wildcard};

/// The paths below `root` that `paths` need, as patterns, sorted. The root alone stands for everything.
pub(super) fn targets(root: &Path, paths: &[String]) -> io::Result<Vec<String>> {
    let mut resolver = Resolver { root, resolved: BTreeSet::new() };
    for path in paths {
        resolver.add(path)?;
    }
    Ok(without_nested(resolver.resolved))
}

struct Resolver<'a> {
    root: &'a Path,
    resolved: BTreeSet<String>,
}

impl Resolver<'_> {
    fn add(&mut self, path: &str) -> io::Result<()> {
        let mut names: Vec<String> = Vec::new();
        let mut rest = path.split('/').filter(|name| !name.is_empty() && *name != ".").peekable();
        if rest.peek().is_none() {
            self.resolved.insert(".".into());
        }
        while let Some(name) = rest.next() {
            match name {
                // Above the root there is nothing, as in a root file system.
                ".." => drop(names.pop()),
                name => names.push(name.to_owned()),
            }
            let here = joined(&names);
            let links = self.links(&names)?;
            let is_last = rest.peek().is_none();
            if links.is_empty() && !is_last {
                continue;
            }
            // What was followed before is not followed again, however the links run.
            if !self.resolved.insert(here) || links.is_empty() {
                return Ok(());
            }
            let rest: Vec<&str> = rest.collect();
            for link in links {
                self.add(&format!("{link}/{}", rest.join("/")))?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// Where the path leads, if its last name is a link, or, with a wildcard in it, where those that match do.
    fn links(&self, names: &[String]) -> io::Result<Vec<String>> {
        let Some((last, above)) = names.split_last() else { return Ok(Vec::new()) };
        if !has_wildcard(last) {
            return Ok(self.link(above, last)?.into_iter().collect());
        }
        let entries = match fs::read_dir(self.root.join(joined(above))) {
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if glob_match(last, name).unwrap_or(false) {
                found.extend(self.link(above, name)?);
            }
        }
        Ok(found)
    }

    fn link(&self, above: &[String], name: &str) -> io::Result<Option<String>> {
        let target = match fs::read_link(self.root.join(joined(above)).join(name)) {
            // It is no link, or it is not there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput || is_absent(&error) => {
                return Ok(None);
            }
            target => target?,
        };
        let target = target.to_string_lossy();
        Ok(Some(match target.starts_with('/') {
            true => target.into_owned(),
            false => format!("{}/{target}", joined(above)),
        }))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A path below the root; the root itself is `.`.
fn joined(names: &[String]) -> String {
    if names.is_empty() { ".".into() } else { names.join("/") }
}

/// What is below another path of the set goes without saying.
fn without_nested(paths: BTreeSet<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for path in paths {
        let nested = kept.last().is_some_and(|last| path.starts_with(&format!("{last}/")));
        if !nested {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn targets_of(root: &Path, paths: &[&str]) -> Vec<String> {
        targets(root, &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn links_and_what_they_lead_to_are_wanted() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("real/deep")).unwrap();
        fs::write(root.path().join("real/deep/file"), "x").unwrap();
        symlink("real/deep", root.path().join("short")).unwrap();
        symlink("/real/deep/file", root.path().join("absolute")).unwrap();
        symlink("loop-b", root.path().join("loop-a")).unwrap();
        symlink("loop-a", root.path().join("loop-b")).unwrap();
        symlink("../../../etc/passwd", root.path().join("outside")).unwrap();
        assert_eq!(targets_of(root.path(), &["short/file"]), ["real/deep/file", "short"]);
        assert_eq!(targets_of(root.path(), &["/absolute"]), ["absolute", "real/deep/file"]);
        assert_eq!(targets_of(root.path(), &["loop-a"]), ["loop-a", "loop-b"]);
        assert_eq!(targets_of(root.path(), &["outside"]), ["etc/passwd", "outside"]);
        assert_eq!(targets_of(root.path(), &["sh*"]), ["real/deep", "sh*"]);
        assert_eq!(targets_of(root.path(), &["real", "real/deep"]), ["real"]);
        assert_eq!(targets_of(root.path(), &["missing/x", "no*"]), ["missing/x", "no*"]);
        assert_eq!(targets_of(root.path(), &["."]), ["."]);
    }
}
