//! `hashFiles`: one digest over the digests of the files that patterns name.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Files under `root` that the patterns name, sorted; `!` takes away, the last that matches decides.
///
/// # Errors
/// A pattern that is none.
pub(crate) fn find(root: &Path, patterns: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut rules = Vec::new();
    for pattern in
        patterns.iter().flat_map(|text| text.lines()).map(str::trim).filter(|text| !text.is_empty())
    {
        if pattern.starts_with('#') {
            continue;
        }
        let (keep, pattern) = pattern.strip_prefix('!').map_or((true, pattern), |rest| (false, rest));
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
        let full = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("{}/{pattern}", root.display())
        };
        rules.push((keep, matcher(&full)?, pattern == "." || pattern.is_empty()));
    }
    let mut found = Vec::new();
    let positive: Vec<PathBuf> = patterns.iter().filter_map(|p| fixed_part(root, p)).collect();
    let mut roots: Vec<PathBuf> = positive;
    roots.sort();
    roots.dedup();
    let mut seen: Vec<PathBuf> = Vec::new();
    for start in roots {
        if seen.iter().any(|other| start.starts_with(other)) {
            continue;
        }
        walk(&start, &mut |path| {
            let text = path.to_string_lossy();
            let verdict = rules.iter().rev().find(|(_, regex, all)| *all || regex.is_match(&text));
            if verdict.is_some_and(|(keep, ..)| *keep) {
                found.push(path.to_owned());
            }
        });
        seen.push(start);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The folder that a positive pattern lies under.
fn fixed_part(root: &Path, pattern: &str) -> Option<PathBuf> {
    let pattern = pattern.trim();
    if pattern.is_empty() || pattern.starts_with(['!', '#']) {
        return None;
    }
    let mut path = if pattern.starts_with('/') { PathBuf::from("/") } else { root.to_owned() };
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part.contains(['*', '?', '[']) {
            break;
        }
        path.push(part);
    }
    Some(path)
}

/// A pattern of `@actions/glob`; what is under a match matches too.
fn matcher(pattern: &str) -> Result<regex::Regex, String> {
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str("(?:/.*)?$");
    regex::Regex::new(&out).map_err(|_| format!("`{pattern}` is no pattern"))
}

/// Every regular file below, in any order; links are not followed into folders.
pub(crate) fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(about) = path.symlink_metadata() else { return };
    if about.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else { return };
        for entry in entries.flatten() {
            walk(&entry.path(), visit);
        }
    } else if path.is_file() {
        visit(path);
    }
}

/// The digest, empty where nothing matches.
pub(crate) fn hash(workspace: &Path, patterns: &[String]) -> Result<String, String> {
    let files = find(workspace, patterns)?;
    let files: Vec<&PathBuf> = files.iter().filter(|file| file.starts_with(workspace)).collect();
    if files.is_empty() {
        return Ok(String::new());
    }
    let mut all = Sha256::new();
    for file in files {
        let mut one = Sha256::new();
        let mut content =
            std::fs::File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        std::io::copy(&mut content, &mut HashWriter(&mut one))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        all.update(one.finalize());
    }
    Ok(all.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_over_the_digests() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
        std::fs::write(directory.path().join("a/b/x.lock"), "one").unwrap();
        std::fs::write(directory.path().join("x.lock"), "two").unwrap();
        let hash = |patterns: &[&str]| {
            hash(directory.path(), &patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        let sha = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
        let expected: String =
            Sha256::digest([sha(b"one"), sha(b"two")].concat()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hash(&["**/x.lock"]), expected);
        assert_eq!(hash(&["**/x.lock", "!a/**"]), hash(&["x.lock"]));
        assert_eq!(hash(&["nothing/**"]), "");
    }
}
