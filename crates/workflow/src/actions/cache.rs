//! actions/cache and its halves: folders kept from run to run on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::call::Call;
use super::{Input, Native};
use crate::run::{Fail, Leg, PostWork};

pub(crate) const ACTION: Native = Native {
    name: "actions/cache",
    inputs: &[
        Input("path", "", 1),
        Input("key", "", 1),
        Input("restore-keys", "", 1),
        Input("upload-chunk-size", "", 1),
        Input("enablecrossosarchive", "false", 3),
        Input("fail-on-cache-miss", "false", 3),
        Input("lookup-only", "false", 3),
        Input("save-always", "false", 4),
    ],
    run: |call| both(call, true),
};

pub(crate) const RESTORE: Native =
    Native { name: "actions/cache/restore", inputs: ACTION.inputs, run: |call| both(call, false) };

pub(crate) const SAVE: Native = Native {
    name: "actions/cache/save",
    inputs: &[
        Input("path", "", 1),
        Input("key", "", 1),
        Input("upload-chunk-size", "", 1),
        Input("enablecrossosarchive", "false", 3),
    ],
    run: |call| {
        let (key, paths) = (required(call, "key")?, required(call, "path")?);
        save(call.leg, &key, &paths).map_err(Fail::Because)
    },
};

fn required(call: &Call<'_, '_>, name: &str) -> Result<String, Fail> {
    match call.raw(name).trim() {
        "" => Err(Fail::Because(format!("Input required and not supplied: {name}"))),
        text => Ok(text.to_owned()),
    }
}

fn both(call: &mut Call<'_, '_>, saves: bool) -> Result<(), Fail> {
    let (key, paths) = (required(call, "key")?, required(call, "path")?);
    if key.len() > 512 || key.contains(',') {
        return Err(Fail::Because(format!(
            "Key Validation Error: {key} cannot be larger than 512 characters or contain commas."
        )));
    }
    let folder = folder(call.leg, &paths);
    let mut found = entry(&folder, &key).map(|file| (key.clone(), file));
    for prefix in call.lines("restore-keys") {
        found = found.or_else(|| newest(&folder, &prefix));
    }
    let hit = found.as_ref().is_some_and(|(name, _)| *name == key);
    call.output("cache-primary-key", key.clone());
    match &found {
        Some((name, file)) => {
            if !call.flag("lookup-only")? {
                unpack(file, &call.leg.workspace.clone())?;
            }
            call.say(&format!("Cache restored from key: {name}"));
            call.output("cache-matched-key", name.clone());
            call.output("cache-hit", hit.to_string());
        }
        None => {
            call.say(&format!("Cache not found for input keys: {key}"));
            call.output("cache-hit", "");
            if call.flag("fail-on-cache-miss")? {
                return Err(Fail::Because(format!(
                    "Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}"
                )));
            }
        }
    }
    if saves && !hit {
        call.afterwards(PostWork::SaveCache { key, paths });
    }
    Ok(())
}

/// Where caches of the same repository and the same paths are.
fn folder(leg: &Leg<'_>, paths: &str) -> PathBuf {
    let version = Sha256::digest(format!("{}\n{paths}", leg.setup.event.repository));
    let version: String = version.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    leg.setup.state.join("cache").join(version)
}

fn file_name(key: &str) -> String {
    key.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02x}")
            }
        })
        .collect()
}

fn entry(folder: &Path, key: &str) -> Option<PathBuf> {
    let file = folder.join(format!("{}.tar", file_name(key)));
    file.is_file().then_some(file)
}

/// The latest cache whose key begins so.
fn newest(folder: &Path, prefix: &str) -> Option<(String, PathBuf)> {
    let wanted = file_name(prefix);
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_suffix(".tar")?.to_owned();
            let modified = entry.metadata().ok()?.modified().ok()?;
            name.starts_with(&wanted).then_some((modified, name, entry.path()))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, name, path)| (name, path))
}

/// Keeps what the paths name.
pub(crate) fn save(leg: &Leg<'_>, key: &str, paths: &str) -> Result<(), String> {
    let folder = folder(leg, paths);
    if entry(&folder, key).is_some() {
        leg.say(&format!("Cache hit occurred on the primary key {key}, not saving cache."));
        return Ok(());
    }
    let home = leg.environment(&Default::default()).get("HOME").cloned().unwrap_or_default();
    let mut files = Vec::new();
    for pattern in paths.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let pattern = pattern.strip_prefix("~/").map_or(pattern.to_owned(), |rest| format!("{home}/{rest}"));
        if pattern.starts_with('!') || pattern.contains(['*', '?']) {
            files.extend(crate::run::find_files(&leg.workspace, &[pattern])?);
        } else if leg.workspace.join(&pattern).exists() {
            files.push(leg.workspace.join(&pattern));
        }
    }
    if files.is_empty() {
        return Err("Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being saved.".into());
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let part = folder.join(format!("{}.{}.part", file_name(key), uuid::Uuid::new_v4()));
    let names = files.iter().map(|file| match file.strip_prefix(&leg.workspace) {
        Ok(inside) => inside.to_owned(),
        Err(_) => file.clone(),
    });
    let output = Command::new("tar")
        .arg("-P")
        .arg("-C")
        .arg(&leg.workspace)
        .arg("-cf")
        .arg(&part)
        .arg("--")
        .args(names)
        .output();
    let output = output.map_err(|error| format!("starting tar: {error}"))?;
    if !output.status.success() {
        let _ = std::fs::remove_file(&part);
        return Err(format!("tar: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let target = folder.join(format!("{}.tar", file_name(key)));
    std::fs::rename(&part, target).map_err(|error| error.to_string())?;
    leg.say(&format!("Cache saved with key: {key}"));
    Ok(())
}

fn unpack(file: &Path, workspace: &Path) -> Result<(), Fail> {
    let output = Command::new("tar").arg("-P").arg("-C").arg(workspace).arg("-xf").arg(file).output();
    let output = output.map_err(|error| Fail::Because(format!("starting tar: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Fail::Because(format!("tar: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
