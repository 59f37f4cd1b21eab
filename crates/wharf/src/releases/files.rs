//! Files by pattern: `*` and `?` inside a name, `**` for any number of directories.

use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The files that match, sorted. A pattern that matches nothing is an error: it is a typing error, or the file is
/// gone.
pub(crate) fn matching(directory: &Path, patterns: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for pattern in patterns {
        let mut found = Vec::new();
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let root = if pattern.starts_with('/') { PathBuf::from("/") } else { directory.to_owned() };
        collect(&root, &parts, &mut found, 0);
        if found.is_empty() {
            return Err(Failure::usage(format!("no file matches `{pattern}` in {}", directory.display()))
                .hint("`configs` of the environment in wharf.toml, or --configs, says which files name the image"));
        }
        all.extend(found);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn collect(at: &Path, parts: &[&str], found: &mut Vec<PathBuf>, depth: usize) {
    let Some((part, rest)) = parts.split_first() else { return };
    if depth > 32 {
        return;
    }
    if !part.contains(['*', '?']) {
        return step(&at.join(part), rest, found, depth);
    }
    if *part == "**" {
        collect(at, rest, found, depth + 1);
    }
    let Ok(entries) = std::fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && !part.starts_with('.') {
            continue;
        }
        if *part == "**" {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                collect(&entry.path(), parts, found, depth + 1);
            }
        } else if fits(part.as_bytes(), name.as_bytes()) {
            step(&entry.path(), rest, found, depth);
        }
    }
}

fn step(path: &Path, rest: &[&str], found: &mut Vec<PathBuf>, depth: usize) {
    if !rest.is_empty() {
        collect(path, rest, found, depth + 1);
    } else if path.is_file() {
        found.push(path.to_owned());
    }
}

/// Whether a name fits a pattern of `*` and `?`.
pub(crate) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| fits(rest, &name[skip..])),
        (Some((b'?', rest)), Some((_, name))) => fits(rest, name),
        (Some((a, rest)), Some((b, name))) => a == b && fits(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for path in ["a/b.yaml", "a/c/d.yaml", "a/c/e.yml", "f.yaml", ".git/x.yaml"] {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = matching(directory.path(), &[pattern.to_owned()]).unwrap_or_default();
            let name = |path: PathBuf| path.strip_prefix(directory.path()).unwrap().display().to_string();
            found.into_iter().map(name).collect()
        };
        assert_eq!(names("a/*.yaml"), ["a/b.yaml"]);
        assert_eq!(names("**/*.yaml"), ["a/b.yaml", "a/c/d.yaml", "f.yaml"]);
        assert_eq!(names("a/c/?.y*ml"), ["a/c/d.yaml", "a/c/e.yml"]);
        assert_eq!(names("./f.yaml"), ["f.yaml"]);
        assert!(matching(directory.path(), &["nothing/*".to_owned()]).is_err());
    }
}
