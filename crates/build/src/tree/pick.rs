//! Which files of a tree a source of `COPY` names.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wharf_dockerfile::ignore::{glob_match, has_wildcard};
use wharf_dockerfile::{IgnorePatterns, PatternError};

use super::walk::{Wanted, sorted_names, walk};
use super::{Entry, Kind, Tree};
use crate::plan::Parents;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    /// A path in the tree.
    pub(crate) path: &'a str,
    /// The path may be a glob.
    pub(crate) glob: bool,
    /// Set by `--parents`.
    pub(crate) parents: Option<&'a Parents>,
    /// Patterns of what to leave out, relative to what is found.
    pub(crate) excludes: &'a [String],
}

/// A file or directory that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pick {
    /// The name it was found under, which is not that of what a symbolic link leads to.
    pub(crate) name: OsString,
    /// Where it is in the tree, without symbolic links.
    pub(crate) path: PathBuf,
    /// It, and what is wanted of what is below it: depth first, names in order of their bytes.
    pub(crate) entries: Vec<Entry>,
}

impl Pick {
    /// The bytes of all its files.
    pub(crate) fn size(&self) -> u64 {
        let files = self.entries.iter().filter(|entry| entry.meta.kind == Kind::File);
        files.map(|entry| entry.meta.size).sum()
    }
}

/// Why nothing can be picked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PickError {
    /// Nothing is there. The sentence is BuildKit's.
    #[error("{path:?}: not found{}", hint(nearest))]
    NotFound {
        /// As it was asked for.
        path: String,
        /// The nearest name that is there.
        nearest: Option<String>,
    },
    /// A pattern cannot be read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The tree cannot be read.
    #[error("reading `{path}`")]
    Read {
        /// Where.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; there is {name:?}")).unwrap_or_default()
}

/// Finds what `query` names. A glob may match nothing; a path without wildcards must exist.
pub(crate) fn pick(tree: &Tree, query: &Query<'_>) -> Result<Vec<Pick>, PickError> {
    if let Some(required) = query.parents.and_then(|parents| parents.required.as_deref()) {
        locate(tree, required)?;
    }
    let include = match query.parents {
        Some(parents) => Some(IgnorePatterns::new([parents.pattern.trim_start_matches('/')])?),
        None => None,
    };
    let exclude = match query.excludes {
        [] => None,
        patterns => Some(IgnorePatterns::new(patterns)?),
    };
    let wanted = Wanted {
        include: include.as_ref(),
        lead: query.parents.map(|parents| lead(&parents.pattern)).unwrap_or_default(),
        exclude: exclude.as_ref(),
    };
    let mut picks = Vec::new();
    let is_glob = query.glob && has_wildcard(query.path);
    let found = if is_glob { matches(tree, query.path)? } else { vec![query.path.into()] };
    for found in found {
        let path = match locate(tree, &found.to_string_lossy()) {
            Ok(path) => path,
            Err(PickError::NotFound { .. }) if is_glob => continue,
            Err(error) => return Err(error),
        };
        let entries = walk(tree, &path, &wanted).map_err(read_error(&path))?;
        let name = found.file_name().unwrap_or_default().to_owned();
        picks.push(Pick { name, path, entries });
    }
    Ok(picks)
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> PickError {
    let path = path.to_string_lossy().into_owned();
    move |source| PickError::Read { path: format!("/{path}"), source }
}

/// Where `path` leads to, if something is there that may be seen.
fn locate(tree: &Tree, path: &str) -> Result<PathBuf, PickError> {
    let resolved = tree.resolve(Path::new(path)).map_err(read_error(Path::new(path)))?;
    let exists = tree.meta(&resolved).map_err(read_error(&resolved))?.is_some();
    if exists && tree.is_visible(&resolved).map_err(read_error(&resolved))? {
        return Ok(resolved);
    }
    let path = format!("/{}", path.trim_start_matches('/'));
    Err(PickError::NotFound { nearest: nearest(tree, &path), path })
}

/// The name in the same directory that is most like the one that is missing.
fn nearest(tree: &Tree, missing: &str) -> Option<String> {
    let (directory, name) = missing.rsplit_once('/')?;
    let resolved = tree.resolve(Path::new(directory)).ok()?;
    let opened = tree.open_at(&resolved, OFlags::RDONLY | OFlags::DIRECTORY).ok()?;
    let names = sorted_names(&opened).ok()?;
    names
        .iter()
        .filter_map(|candidate| candidate.to_str())
        .filter(|candidate| tree.is_visible(&resolved.join(candidate)).unwrap_or(false))
        .map(|candidate| (strsim::jaro_winkler(candidate, name), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("{directory}/{candidate}"))
}

/// The paths that `pattern` stands for, symbolic links in its last part not followed.
fn matches(tree: &Tree, pattern: &str) -> Result<Vec<PathBuf>, PickError> {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let first = parts.iter().position(|part| has_wildcard(part)).unwrap_or(parts.len());
    let base =
        tree.resolve(&parts[..first].iter().collect::<PathBuf>()).map_err(read_error(Path::new(pattern)))?;
    let mut found = vec![base];
    for part in &parts[first..] {
        let mut next = Vec::new();
        for directory in &found {
            for name in names_in(tree, directory)? {
                if glob_match(part, &name.to_string_lossy())? {
                    next.push(directory.join(name));
                }
            }
        }
        found = next;
    }
    Ok(found)
}

/// The names in a directory; none where it is no directory, or a link to one.
fn names_in(tree: &Tree, path: &Path) -> Result<Vec<OsString>, PickError> {
    match tree.meta(path).map_err(read_error(path))? {
        Some(meta) if meta.is_dir() => {
            let directory =
                tree.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(read_error(path))?;
            sorted_names(&directory).map_err(read_error(path))
        }
        _ => Ok(Vec::new()),
    }
}

/// The directories at the start of a pattern that have no wildcard.
fn lead(pattern: &str) -> Vec<OsString> {
    let parts = pattern.split('/').filter(|part| !part.is_empty());
    parts.take_while(|part| !has_wildcard(part)).map(|part| OsStr::new(part).to_owned()).collect()
}
