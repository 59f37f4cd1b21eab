//! The host's settings: where data lives, and how this machine reaches registries. They belong to the
//! machine, not to the project, so they have a file of their own (`docs/reference/settings.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use wharf_registry::Surroundings;

use crate::cli::Globals;
use crate::exit::Failure;

/// The whole of `config.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Host {
    /// `[registries."HOST"]`: how one registry is reached.
    #[serde(default)]
    pub(crate) registries: BTreeMap<String, Registry>,
    /// `[transfers]`: how hard and how long to try.
    #[serde(default)]
    pub(crate) transfers: Transfers,
}

/// How hard and how long to try.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Transfers {
    /// How many blobs travel at once to or from one registry.
    pub(crate) parallelism: Option<usize>,
    /// How often in a row something is tried again without any progress.
    pub(crate) retries: Option<u32>,
    /// The seconds that one push or pull may take in all.
    pub(crate) deadline: Option<u64>,
    /// The seconds after which a connection on which nothing moves is given up.
    pub(crate) stall: Option<u64>,
}

/// How one registry is reached.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Registry {
    /// Where the registry really is, for reads and writes: `host[:port]` or a URL.
    pub(crate) location: Option<String>,
    /// Tried in order before the registry itself when pulling: `host[:port]` or a URL.
    #[serde(default)]
    pub(crate) mirrors: Vec<String>,
    /// Plain HTTP is allowed; loopback needs no permission.
    #[serde(default)]
    pub(crate) plain_http: bool,
    /// How many blobs travel at once to or from it.
    pub(crate) parallelism: Option<usize>,
    /// A file of certificates to trust beside the system's.
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate for it, and its private key.
    pub(crate) client_cert: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// The host's settings, from the file that the flag, the environment or the convention names. A file that
/// was named must be there; the conventional one may be missing.
pub(crate) fn read(globals: &Globals) -> Result<Host, Failure> {
    let (path, named) = match &globals.config {
        Some(path) => (path.clone(), true),
        None => (config_home().join("wharf/config.toml"), false),
    };
    match super::document::read(&path)? {
        Some(host) => Ok(host),
        None if named => Err(Failure::usage(format!("the settings file {} does not exist", path.display()))),
        None => Ok(Host::default()),
    }
}

/// Where images, caches and state live.
///
/// `uid` is that of the person who called wharf, which is not the process's own in a user namespace.
pub(crate) fn data_dir(globals: &Globals, uid: u32) -> PathBuf {
    if let Some(directory) = &globals.data_dir {
        return directory.clone();
    }
    match variable("XDG_DATA_HOME") {
        Some(base) => PathBuf::from(base).join("wharf"),
        None if uid == 0 => PathBuf::from("/var/lib/wharf"),
        None => home().join(".local/share/wharf"),
    }
}

/// Docker's `config.json`, which wharf shares with docker so that one login serves both.
pub(crate) fn docker_config() -> PathBuf {
    variable("DOCKER_CONFIG").map_or_else(|| home().join(".docker"), PathBuf::from).join("config.json")
}

/// Where logins are kept: the file that `REGISTRY_AUTH_FILE` names, else docker's.
pub(crate) fn login_file() -> PathBuf {
    variable("REGISTRY_AUTH_FILE").map_or_else(docker_config, PathBuf::from)
}

/// The files that logins are looked for in, in order; podman's own is the last.
pub(crate) fn auth_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = variable("REGISTRY_AUTH_FILE").map(PathBuf::from).into_iter().collect();
    files.push(docker_config());
    files.extend(variable("XDG_RUNTIME_DIR").map(|base| PathBuf::from(base).join("containers/auth.json")));
    files
}

/// Where docker and podman keep certificates by host: the machine's, then the person's.
pub(crate) fn certificate_directories() -> Vec<PathBuf> {
    let (machine, person) = (PathBuf::from("/etc"), config_home());
    let under = |base: &PathBuf| ["docker/certs.d", "containers/certs.d"].map(|name| base.join(name));
    under(&machine).into_iter().chain(under(&person)).collect()
}

/// What the clouds' tools would read of the environment, and the home directory.
pub(crate) fn surroundings() -> Surroundings {
    let ours = |name: &str| Surroundings::PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| ours(name))?;
        Some((name, value.into_string().ok()?))
    });
    Surroundings::new(variables, variable("HOME").map(PathBuf::from))
}

fn config_home() -> PathBuf {
    variable("XDG_CONFIG_HOME").map_or_else(|| home().join(".config"), PathBuf::from)
}

fn home() -> PathBuf {
    variable("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// An environment variable; an empty one counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::settings::document;

    proptest! {
        #[test]
        fn no_settings_are_too_odd(
            text in "(\\[registries\\.\"r\"\\]\n|\\[transfers\\]\n|mirrors|location|plain-http|stall|ca|=|\\[|\\]|\"|'|\\.|,|true|[0-9]|\n|\\PC){0,24}",
        ) {
            if let Err(failure) = document::parse::<Host>(&text, Path::new("config.toml")) {
                prop_assert!(failure.error.to_string().starts_with("config.toml:"));
            }
        }
    }
}
