//! Making a container: a directory with everything that is needed to start it.

use std::fs::File;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use wharf_oci::ContainerConfig;

use super::name;
use super::record::{Container, Host, State};
use super::state::Containers;
use crate::exit::Failure;
use crate::local;
use crate::world::now;

/// Makes a container under a name that nobody else has.
pub(crate) fn create(
    containers: &Containers,
    wanted: Option<String>,
    image: &str,
    opened: &local::Image,
    config: ContainerConfig,
    host: Host,
) -> Result<Container, Failure> {
    // Two at once must not both find a name free.
    let _turn = turn(containers)?;
    let all = containers.list()?;
    let taken = |name: &str| all.iter().find(|other| other.name == name);
    let name = match wanted {
        Some(name) => match taken(&name) {
            Some(other) => return Err(conflict(&name, other)),
            None => name,
        },
        None => name::made_up(|name| taken(name).is_some()),
    };
    let container = Container {
        id: name::new_id(),
        name,
        image: image.to_owned(),
        digest: opened.descriptor.digest.to_string(),
        image_id: opened.manifest.config.digest.to_string(),
        created: now().to_string(),
        config,
        host,
        state: State::default(),
    };
    containers.create(&container)?;
    Ok(container)
}

/// Lets `work` give a container another name, if nobody else has it.
pub(crate) fn rename(
    containers: &Containers,
    name: &str,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let _turn = turn(containers)?;
    match containers.list()?.iter().find(|other| other.name == name) {
        Some(other) => Err(conflict(name, other)),
        None => work(),
    }
}

fn conflict(name: &str, other: &Container) -> Failure {
    Failure::usage(format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{}\"",
        other.id
    ))
    .hint(format!("stop and remove that one, or choose another name than `{name}`"))
}

fn turn(containers: &Containers) -> Result<File, Failure> {
    let root = containers.directory("");
    std::fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
    let lock = File::create(root.join(".turn")).context("taking a turn at making containers")?;
    flock(&lock, FlockOperation::LockExclusive).context("taking a turn at making containers")?;
    Ok(lock)
}
