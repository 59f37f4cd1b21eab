//! The builders that `docker buildx` knows: its files, and those of docker's contexts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::Value;
use wharf_buildkit::address::ENGINE_SOCKET;
use wharf_buildkit::buildx::{Current, Instance};
use wharf_buildkit::fleet::{Fleet, Member};
use wharf_oci::digest::sha256;

use crate::exit::Failure;
use crate::settings::host;

/// The builder of that name, or the one in use.
pub(crate) fn fleet(name: Option<&str>) -> Result<Fleet, Failure> {
    let directory = directory();
    let name = match name {
        Some(name) => name.to_owned(),
        None => current(&directory)?,
    };
    let file = directory.join("instances").join(&name);
    match read(&file)? {
        Some(text) => {
            let instance = Instance::parse(&text).with_context(|| format!("reading {}", file.display()))?;
            instance
                .fleet(|context| engine(context).map_err(|error| format!("{error:#}")))
                .map_err(Failure::usage)
        }
        // Every docker context is a builder of its own, too.
        None => match engine(&name) {
            Ok(socket) => {
                let address = wharf_buildkit::Address::Engine(socket);
                Ok(Fleet::new(vec![Member { platforms: Vec::new(), address }]))
            }
            Err(_) => {
                let known = names(&directory).join(", ");
                let known =
                    if known.is_empty() { "it knows none".into() } else { format!("it knows {known}") };
                Err(Failure::usage(format!("docker buildx has no builder `{name}`: {known}"))
                    .hint(format!("looked into {}", directory.display())))
            }
        },
    }
}

/// The names of all builders that have a file.
pub(crate) fn all() -> Vec<String> {
    names(&directory())
}

/// The one in use; the default one has no name.
fn current(directory: &Path) -> Result<String, Failure> {
    let file = directory.join("current");
    let named = match read(&file)? {
        Some(text) => {
            serde_json::from_slice::<Current>(&text)
                .with_context(|| format!("reading {}", file.display()))?
                .name
        }
        None => String::new(),
    };
    Ok(if named.is_empty() { "default".to_owned() } else { named })
}

fn directory() -> PathBuf {
    let docker = || host::docker_config().parent().map_or_else(PathBuf::new, |docker| docker.join("buildx"));
    host::variable("BUILDX_CONFIG").map_or_else(docker, PathBuf::from)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("instances")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// The socket of the engine that a docker context names.
fn engine(context: &str) -> anyhow::Result<PathBuf> {
    let host = match context {
        "" | "default" => host::variable("DOCKER_HOST").unwrap_or_else(|| format!("unix://{ENGINE_SOCKET}")),
        name => {
            let docker = host::docker_config();
            let id = sha256(name.as_bytes());
            let file = docker.with_file_name("contexts").join("meta").join(id.digest()).join("meta.json");
            let text = std::fs::read(&file).with_context(|| format!("reading the docker context {name}"))?;
            let meta: Value =
                serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?;
            let host = meta["Endpoints"]["docker"]["Host"].as_str().map(str::to_owned);
            host.ok_or_else(|| anyhow!("the docker context {name} names no engine"))?
        }
    };
    match host.strip_prefix("unix://") {
        Some(path) => Ok(path.into()),
        None => Err(anyhow!("the docker context {context} is at {host}, which is no socket of this machine")),
    }
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match std::fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::from(error).context(format!("reading {}", file.display()))),
    }
}
