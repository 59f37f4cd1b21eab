//! actions/upload-artifact and actions/download-artifact: a folder of the run's results per artifact.

use std::path::{Path, PathBuf};

use super::call::Call;
use super::{Input, Native};
use crate::run::{Artifact, Fail, find_files, walk_files};

pub(crate) const UPLOAD: Native = Native {
    name: "actions/upload-artifact",
    inputs: &[
        Input("name", "artifact", 1),
        Input("path", "", 1),
        Input("if-no-files-found", "warn", 2),
        Input("retention-days", "", 2),
        Input("compression-level", "6", 4),
        Input("overwrite", "false", 4),
        Input("include-hidden-files", "false", 3),
        Input("archive", "true", 6),
    ],
    run: upload,
};

pub(crate) const DOWNLOAD: Native = Native {
    name: "actions/download-artifact",
    inputs: &[
        Input("name", "", 1),
        Input("artifact-ids", "", 4),
        Input("path", "", 1),
        Input("pattern", "", 4),
        Input("merge-multiple", "false", 4),
        Input("github-token", "", 4),
        Input("repository", "", 4),
        Input("run-id", "", 4),
        Input("skip-decompress", "false", 8),
        Input("digest-mismatch", "error", 8),
    ],
    run: download,
};

fn upload(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let name = call.text("name").to_owned();
    if name.contains(['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/']) {
        return Err(Fail::Because(format!("The artifact name is not valid: {name}")));
    }
    let patterns = call.lines("path");
    if patterns.is_empty() {
        return Err(Fail::Because("Input required and not supplied: path".into()));
    }
    let patterns: Vec<String> = patterns.iter().map(|pattern| expanded(call, pattern)).collect();
    let mut files = find_files(&call.leg.workspace, &patterns)?;
    if call.version.is_none_or(|version| version >= 4) && !call.flag("include-hidden-files")? {
        files.retain(|file| !hidden(file.strip_prefix(&call.leg.workspace).unwrap_or(file)));
    }
    if files.is_empty() {
        let message = format!(
            "No files were found with the provided path: {}. No artifacts will be uploaded.",
            patterns.join(" ")
        );
        match call.text("if-no-files-found") {
            "warn" => call.warn(&message),
            "ignore" => call.say(&message),
            _ => return Err(Fail::Because(message)),
        }
        return Ok(());
    }
    let root = common_root(call, &patterns, &files);
    let into = call.leg.setup.results.join("artifacts").join(&name);
    let old = call.version.is_some_and(|version| version < 4);
    if into.exists() {
        if call.flag("overwrite")? {
            let _ = std::fs::remove_dir_all(&into);
        } else if !old {
            return Err(Fail::Because(format!(
                "Failed to CreateArtifact: Received non-retryable error: (409) Conflict: an artifact with this name already exists on the workflow run: {name}"
            )));
        }
    }
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap_or(file.as_path());
        copy_file(file, &into.join(inside.strip_prefix("/").unwrap_or(inside)))?;
    }
    call.say(&format!(
        "With the provided path, there will be {} file(s) uploaded\nArtifact {name} is in {}",
        files.len(),
        into.display()
    ));
    call.leg.artifacts.push(Artifact { name, path: into.display().to_string(), files: files.len() });
    call.output("artifact-id", (call.leg.artifacts.len()).to_string());
    call.output("artifact-url", format!("file://{}", into.display()));
    call.output("artifact-digest", "");
    Ok(())
}

fn expanded(call: &Call<'_, '_>, pattern: &str) -> String {
    match pattern.strip_prefix("~/") {
        Some(_) => call.path(pattern).display().to_string(),
        None => pattern.to_owned(),
    }
}

fn hidden(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

/// Folders in an artifact begin at the one pattern's fixed part, or at what all of several have in common.
fn common_root(call: &Call<'_, '_>, patterns: &[String], files: &[PathBuf]) -> PathBuf {
    if let [file] = files
        && let [pattern] = patterns
        && !pattern.contains(['*', '?', '['])
        && call.path(pattern).is_file()
    {
        return file.parent().map_or(PathBuf::new(), Path::to_owned);
    }
    let mut roots: Vec<PathBuf> = Vec::new();
    for pattern in patterns.iter().filter(|pattern| !pattern.starts_with('!')) {
        let mut root = if pattern.starts_with('/') { PathBuf::from("/") } else { call.leg.workspace.clone() };
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part.contains(['*', '?', '[']) {
                break;
            }
            root.push(part);
        }
        let root = if root.is_file() { root.parent().map_or(PathBuf::new(), Path::to_owned) } else { root };
        roots.push(root);
    }
    let mut roots = roots.into_iter();
    let first = roots.next().unwrap_or_default();
    roots.fold(first, |common, root| {
        let shared = common.components().zip(root.components()).take_while(|(left, right)| left == right);
        shared.map(|(part, _)| part).collect()
    })
}

pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), Fail> {
    let failed = |error: std::io::Error| Fail::Because(format!("copying {}: {error}", from.display()));
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::copy(from, to).map(|_| ()).map_err(failed)
}

fn download(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    for input in ["repository", "run-id", "artifact-ids"] {
        if !call.text(input).is_empty() {
            return Err(Fail::Refused(format!(
                "`{input}` names another run, and wharf has the artifacts of this one only"
            )));
        }
    }
    let folder = call.leg.setup.results.join("artifacts");
    let into = call.path(call.text("path"));
    let name = call.text("name").to_owned();
    let mut found = Vec::new();
    if name.is_empty() {
        let pattern = call.text("pattern").to_owned();
        let wanted = crate::glob::Patterns::new([if pattern.is_empty() { "**" } else { &pattern }])
            .map_err(|error| Fail::Because(error.to_string()))?;
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if wanted.matches(&name) {
                found.push(name);
            }
        }
        found.sort();
    } else if folder.join(&name).is_dir() {
        found.push(name.clone());
    } else {
        return Err(Fail::Because(format!(
            "Unable to download artifact(s): Artifact not found for name: {name}"
        )));
    }
    let merge = call.flag("merge-multiple")?;
    for artifact in &found {
        let from = folder.join(artifact);
        let target = if !name.is_empty() || merge { into.clone() } else { into.join(artifact) };
        let mut files = Vec::new();
        walk_files(&from, &mut |file| files.push(file.to_owned()));
        for file in files {
            copy_file(&file, &target.join(file.strip_prefix(&from).unwrap_or(&file)))?;
        }
        call.say(&format!("Artifact {artifact} is in {}", target.display()));
    }
    if found.is_empty() {
        call.warn("no artifacts were found");
    }
    call.output("download-path", into.display().to_string());
    Ok(())
}
