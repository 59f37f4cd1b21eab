//! What a job left in its workspace is kept: files that the commit does not have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::hash_files::walk;
use super::leg::Leg;

/// More files than this are somebody's dependencies, not results.
const FILES_MAX: usize = 200;
/// Larger files stay where they are, and go with the workspace.
const BYTES_MAX: u64 = 64 << 20;
/// Folders of tools.
const TOOLS: [&str; 8] =
    [".git", "node_modules", "__pycache__", ".venv", "venv", ".pytest_cache", ".mypy_cache", "target"];

impl Leg<'_> {
    /// Moves new files to the results, under `files/JOB/`.
    pub(crate) fn collect(&mut self) {
        if self.setup.dry_run {
            return;
        }
        let known = self.known();
        let mut found = Vec::new();
        walk_without_tools(&self.workspace, &mut |path| {
            let new = path.strip_prefix(&self.workspace).is_ok_and(|path| !known.contains(path));
            if new && path.metadata().is_ok_and(|about| about.len() <= BYTES_MAX) {
                found.push(path.to_owned());
            }
        });
        found.sort();
        if found.len() > FILES_MAX {
            self.say(&format!("note: the job left {} files; the first {FILES_MAX} are kept", found.len()));
            found.truncate(FILES_MAX);
        }
        let into = self.setup.results.join("files").join(slug(&self.name));
        for path in found {
            let Ok(inside) = path.strip_prefix(&self.workspace) else { continue };
            let target = into.join(inside);
            let made = target.parent().map(std::fs::create_dir_all);
            if matches!(made, Some(Ok(()))) && std::fs::copy(&path, &target).is_ok() {
                self.files.push(target.display().to_string());
            }
        }
    }

    /// What the commit has.
    fn known(&self) -> BTreeSet<PathBuf> {
        if !self.workspace.join(".git").exists() {
            let from = &self.setup.repository;
            let mut known = BTreeSet::new();
            if !self.setup.is_git {
                walk_without_tools(from, &mut |path| {
                    known.extend(path.strip_prefix(from).map(Path::to_owned).ok());
                });
            }
            return known;
        }
        let Ok(git) = self.git(None) else { return BTreeSet::new() };
        let output = std::process::Command::new(git.program)
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .env_clear()
            .envs(git.env)
            .current_dir(&self.workspace)
            .output();
        let Ok(output) = output else { return BTreeSet::new() };
        let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned())).collect()
    }
}

fn walk_without_tools(root: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_tool = TOOLS.iter().any(|tool| name == *tool) || name == ".wharf";
        if is_tool {
            continue;
        }
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            walk_without_tools(&path, visit);
        } else {
            walk(&path, visit);
        }
    }
}

/// A name as a folder's.
pub(crate) fn slug(name: &str) -> String {
    let slug: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let slug = slug.trim_matches(['-', '.']).to_owned();
    if slug.is_empty() { "job".into() } else { slug }
}
