//! What steps may see of this machine: enough to reach the network and to find programs, and no more, so that a
//! workflow that leans on somebody's own variables fails here as it would on a fresh runner.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::Globals;
use crate::exit::Failure;
use crate::settings::host;

/// Variables that are handed on.
const NAMES: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NO_COLOR",
    "SOURCE_DATE_EPOCH",
    "GITHUB_API_URL",
];
/// The beginnings of further ones: wharf's own, and where a local AWS API is.
const PREFIXES: [&str; 3] = ["WHARF_", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"];

/// The environment of every process of a run.
pub(crate) fn environment(globals: &Globals) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
        let is_proxy = name.to_ascii_lowercase().ends_with("_proxy");
        let known = NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if known || is_proxy {
            env.insert(name, value);
        }
    }
    // Every wharf of the run works on the same data, wherever the flags of this one say it is.
    let uid = rustix::process::getuid().as_raw();
    env.insert("WHARF_DATA_DIR".into(), absolute(&host::data_dir(globals, uid)));
    if let Some(config) = &globals.config {
        env.insert("WHARF_CONFIG".into(), absolute(config));
    }
    env.entry("HOME".into()).or_insert_with(|| "/".into());
    env
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A folder in which wharf is also called `docker`.
pub(crate) fn shims(scratch: &Path) -> Result<PathBuf, Failure> {
    let folder = scratch.join("bin");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let program = std::env::current_exe().context("finding wharf's own program")?;
    for name in ["docker", "wharf"] {
        let link = folder.join(name);
        std::os::unix::fs::symlink(&program, &link).with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(folder)
}
