//! Containers on disk: one directory each under the data directory, with what it runs and its output.
//!
//! Nobody keeps a list. A container runs when its supervisor holds the lock on its state file, which the
//! kernel drops with the process, so a killed supervisor never looks alive.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use rustix::fs::{FlockOperation, flock};

use super::record::{Container, Status};
use crate::exit::Failure;

/// What a container ended with whose supervisor was killed.
const KILLED: i32 = 137;

/// The containers under a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Containers {
    root: PathBuf,
}

/// The directory of one container, held by its supervisor.
#[derive(Debug)]
pub(crate) struct Held {
    directory: PathBuf,
    _lock: File,
}

impl Containers {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("containers") }
    }

    /// All of them, newest first. What is half-written is not there yet.
    pub(crate) fn list(&self) -> Result<Vec<Container>, Failure> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(Failure::from(error).context(format!("reading {}", self.root.display())));
            }
        };
        let mut containers: Vec<Container> = entries
            .flatten()
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path().join("state.json")).ok()?).ok())
            .map(|container| self.as_it_is(container))
            .collect();
        containers.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(containers)
    }

    /// What a supervisor that was killed could not write down: its container went with it.
    fn as_it_is(&self, mut container: Container) -> Container {
        let state = &mut container.state;
        if matches!(state.status, Status::Running | Status::Restarting) && !self.is_held(&container.id) {
            state.status = Status::Exited;
            state.exit_code = KILLED;
            state.pid = 0;
            state.ports.clear();
        }
        container
    }

    /// The one that `text` names: a name, an ID, or the start of one.
    pub(crate) fn find(&self, text: &str) -> Result<Container, Failure> {
        let all = self.list()?;
        if let Some(named) = all.iter().find(|container| container.name == text || container.id == text) {
            return Ok(named.clone());
        }
        let mut starting =
            all.into_iter().filter(|container| !text.is_empty() && container.id.starts_with(text));
        match (starting.next(), starting.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => {
                Err(Failure::usage(format!("`{text}` is the start of several containers' IDs")))
            }
            (None, _) => {
                Err(Failure::from(anyhow!("No such container: {text}"))
                    .hint("`ps --all` lists what there is"))
            }
        }
    }

    /// The one with exactly this ID.
    pub(crate) fn read(&self, id: &str) -> Result<Container, Failure> {
        let path = self.directory(id).join("state.json");
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let container =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
        Ok(self.as_it_is(container))
    }

    /// Takes a directory for a new container.
    pub(crate) fn create(&self, container: &Container) -> Result<Held, Failure> {
        let directory = self.directory(&container.id);
        fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
        File::create(directory.join("lock"))?;
        let held = self.hold(&container.id)?;
        held.save(container)?;
        Ok(held)
    }

    /// Takes hold of the directory, which nobody else may have.
    pub(crate) fn hold(&self, id: &str) -> Result<Held, Failure> {
        let directory = self.directory(id);
        let path = directory.join("lock");
        let lock = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| anyhow!("container {} is held by another process", &id[..12]))?;
        Ok(Held { directory, _lock: lock })
    }

    /// Whether its supervisor is still there.
    pub(crate) fn is_running(&self, container: &Container) -> bool {
        self.is_held(&container.id)
    }

    fn is_held(&self, id: &str) -> bool {
        let Ok(lock) = File::open(self.directory(id).join("lock")) else { return false };
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// Waits until its supervisor has gone, and perhaps the container with it.
    pub(crate) fn wait(&self, container: &Container) -> Result<(), Failure> {
        if let Ok(lock) = File::open(self.directory(&container.id).join("lock")) {
            flock(&lock, FlockOperation::LockShared).context("waiting for a container")?;
        }
        Ok(())
    }

    /// Where everything about it is.
    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// Where its output is kept.
    pub(crate) fn log(&self, container: &Container) -> PathBuf {
        self.directory(&container.id).join("output.log")
    }

    /// Forgets it, with its output and its files. In a user namespace those belong to other users, so
    /// this needs the sandbox there.
    pub(crate) fn remove(&self, id: &str) -> Result<(), Failure> {
        let directory = self.directory(id);
        // Without its state it is gone for everybody, even where the rest takes a while.
        let _ = fs::remove_file(directory.join("state.json"));
        fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
        Ok(())
    }
}

impl Held {
    /// Writes the state, whole or not at all.
    pub(crate) fn save(&self, container: &Container) -> Result<(), Failure> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&serde_json::to_vec_pretty(container)?)?;
        file.persist(self.directory.join("state.json"))?;
        Ok(())
    }

    /// Where everything about it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::example;
    use super::*;

    #[test]
    fn a_container_runs_as_long_as_its_directory_is_held() {
        let data = tempfile::tempdir().unwrap();
        let containers = Containers::new(data.path());
        let one = example("aaaa1", "churn");
        let held = containers.create(&one).unwrap();
        assert!(containers.is_running(&one));
        drop(held);
        assert!(!containers.is_running(&one));
        assert_eq!(containers.list().unwrap(), [one]);
    }

    #[test]
    fn names_and_the_start_of_an_id_find_it() {
        let data = tempfile::tempdir().unwrap();
        let containers = Containers::new(data.path());
        for (id, name) in [("aaaa1", "one"), ("aaaa2", "two"), ("bbbb", "three")] {
            containers.create(&example(id, name)).unwrap();
        }
        assert_eq!(containers.find("two").unwrap().id, "aaaa2");
        assert_eq!(containers.find("bb").unwrap().name, "three");
        assert!(containers.find("aaaa").unwrap_err().error.to_string().contains("several"));
        assert!(containers.find("zzz").is_err() && containers.find("").is_err());
    }
}
