//! What a build context holds, as far as rules speak of it: bytes by path, whether an ignore file keeps some of it out, and
//! what the project says it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::ignore::glob_match;

/// With more files than these, the rest is not counted.
const MAX_FILES: usize = 200_000;
/// Documents that name what a Python project depends on; longer ones are nobody's hand.
const DEPENDENCIES: [&str; 6] =
    ["pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "environment.yaml"];
const MAX_DOCUMENT: u64 = 1 << 20;

/// The files that a build is sent.
#[derive(Debug, Clone, Default)]
pub struct BuildContext {
    has_ignore_file: bool,
    /// By path, with `/` between names.
    files: Vec<(String, u64)>,
    /// Words of the documents that name dependencies; `None` where there is no such document.
    dependencies: Option<BTreeSet<String>>,
}

impl BuildContext {
    /// Reads a directory without following links. What cannot be read is passed over: the build says so, and louder.
    pub fn read(directory: &Path, dockerfile: &Path) -> Self {
        let own = dockerfile.file_name().map(|name| format!("{}.dockerignore", name.to_string_lossy()));
        let own = own.map(|name| dockerfile.with_file_name(name)).filter(|path| path.is_file());
        let ignore_file = own.or_else(|| Some(directory.join(".dockerignore")).filter(|path| path.is_file()));
        let patterns = ignore_file.as_ref().and_then(|path| fs::read(path).ok());
        let patterns = patterns.and_then(|text| IgnorePatterns::parse(&text).ok()).unwrap_or_default();
        let mut context = Self { has_ignore_file: ignore_file.is_some(), ..Self::default() };
        context.walk(directory, &patterns);
        context
    }

    fn walk(&mut self, root: &Path, patterns: &IgnorePatterns) {
        let mut open = vec![(root.to_owned(), String::new(), None)];
        while let Some((directory, prefix, above)) = open.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
                let verdict = patterns.check(&path, above.as_ref());
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && (!verdict.ignored || patterns.has_exceptions()) {
                    open.push((entry.path(), path, Some(verdict)));
                } else if kind.is_file() && !verdict.ignored {
                    let size = entry.metadata().map_or(0, |metadata| metadata.len());
                    if size <= MAX_DOCUMENT && names_dependencies(&name) {
                        self.read_dependencies(&entry.path());
                    }
                    self.files.push((path, size));
                }
                if self.files.len() >= MAX_FILES {
                    return;
                }
            }
        }
    }

    fn read_dependencies(&mut self, path: &Path) {
        let Ok(text) = fs::read_to_string(path) else { return };
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let words = text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(str::to_lowercase);
        self.dependencies.get_or_insert_default().extend(words);
    }

    pub(super) fn has_ignore_file(&self) -> bool {
        self.has_ignore_file
    }

    /// Whether the project names this dependency, where it names any.
    pub(super) fn depends_on(&self, name: &str) -> Option<bool> {
        self.dependencies.as_ref().map(|words| words.contains(name))
    }

    /// The bytes of what these paths of a `COPY` take; `None` where that is nothing known.
    pub(super) fn bytes(&self, paths: &[String]) -> Option<u64> {
        let patterns: Vec<&str> =
            paths.iter().map(|path| path.trim_start_matches("./").trim_matches('/')).collect();
        let taken = |file: &str| patterns.iter().any(|pattern| takes(pattern, file));
        let sizes: Vec<u64> =
            self.files.iter().filter(|(path, _)| taken(path)).map(|(_, size)| *size).collect();
        (!sizes.is_empty()).then(|| sizes.iter().sum())
    }

    /// What lies at the top of the context, largest first.
    pub(super) fn largest(&self) -> Vec<(&str, u64)> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (path, size) in &self.files {
            *sums.entry(path.split('/').next().unwrap_or(path)).or_default() += size;
        }
        let mut sums: Vec<(&str, u64)> = sums.into_iter().collect();
        sums.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        sums
    }
}

/// Whether a source of a `COPY` takes this file: it is the file, or a directory above it.
fn takes(pattern: &str, file: &str) -> bool {
    if matches!(pattern, "" | "." | "*") {
        return true;
    }
    let depth = pattern.matches('/').count();
    let above = file.match_indices('/').nth(depth).map_or(file, |(end, _)| &file[..end]);
    above == pattern || glob_match(pattern, above).unwrap_or(false)
}

fn names_dependencies(name: &str) -> bool {
    DEPENDENCIES.contains(&name) || name.contains("requirements") && name.ends_with(".txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_that_the_build_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("data/a.csv", "0123456789");
        write("data/deep/b.csv", "01234");
        write("src/app.py", "012");
        write("requirements.txt", "Flask==2.0\nurllib3>=1\n");
        let read = || BuildContext::read(directory.path(), &directory.path().join("Dockerfile"));
        let bytes = |context: &BuildContext, path: &str| context.bytes(&[path.to_owned()]);
        let context = read();
        assert!(!context.has_ignore_file());
        assert_eq!((bytes(&context, "data/"), bytes(&context, "./src/*.py")), (Some(15), Some(3)));
        assert_eq!((bytes(&context, "absent"), bytes(&context, "$X")), (None, None));
        assert_eq!(context.largest()[0].0, "requirements.txt");
        assert_eq!((context.depends_on("flask"), context.depends_on("requests")), (Some(true), Some(false)));
        write(".dockerignore", "data\n!data/deep\n");
        let context = read();
        assert_eq!((context.has_ignore_file(), bytes(&context, "data")), (true, Some(5)));
        write("Dockerfile.dockerignore", "requirements.txt\n");
        assert_eq!((bytes(&read(), "data"), read().depends_on("flask")), (Some(15), None));
    }
}
