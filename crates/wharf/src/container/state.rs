//! Containers on disk: one directory each under the data directory, with what it runs and its output.
//!
//! Nobody keeps a list. A container runs when its supervisor holds the lock on its state file, which the
//! kernel drops with the process, so a killed supervisor never looks alive.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// The name that was given or made up.
    pub(crate) name: String,
    /// The image as it was typed.
    pub(crate) image: String,
    /// The digest that ran.
    pub(crate) digest: String,
    /// The command line.
    pub(crate) command: Vec<String>,
    /// When it was started, RFC 3339.
    pub(crate) created: String,
    /// Published ports, `outside->inside`.
    pub(crate) ports: Vec<String>,
    /// The supervisor's process id.
    pub(crate) supervisor: u32,
    /// How it ended: an exit code, or 128 and the signal.
    pub(crate) exit_code: Option<i32>,
}

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
            .collect();
        containers.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(containers)
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
            (None, _) => Err(Failure::from(anyhow!("there is no container `{text}`"))
                .hint("`wharf ps --all` lists what there is")),
        }
    }

    /// Takes a directory for a new container.
    pub(crate) fn create(&self, container: &Container) -> Result<Held, Failure> {
        let directory = self.root.join(&container.id);
        fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
        let lock = File::create(directory.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).context("locking a container's directory")?;
        let held = Held { directory, _lock: lock };
        held.save(container)?;
        Ok(held)
    }

    /// Whether its supervisor is still there.
    pub(crate) fn is_running(&self, container: &Container) -> bool {
        let Ok(lock) = File::open(self.root.join(&container.id).join("lock")) else { return false };
        flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
    }

    /// Waits until its supervisor has gone.
    pub(crate) fn wait(&self, container: &Container) -> Result<(), Failure> {
        let lock =
            File::open(self.root.join(&container.id).join("lock")).context("opening a container's lock")?;
        flock(&lock, FlockOperation::LockShared).context("waiting for a container")?;
        Ok(())
    }

    /// Where its output is kept.
    pub(crate) fn log(&self, container: &Container) -> PathBuf {
        self.root.join(&container.id).join("output.log")
    }

    /// Forgets it, with its output.
    pub(crate) fn remove(&self, container: &Container) -> Result<(), Failure> {
        let directory = self.root.join(&container.id);
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

    /// The file that output is kept in.
    pub(crate) fn log(&self) -> Result<File, Failure> {
        let path = self.directory.join("output.log");
        Ok(File::create(&path).with_context(|| format!("creating {}", path.display()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, name: &str) -> Container {
        Container {
            id: id.into(),
            name: name.into(),
            image: "a".into(),
            digest: "sha256:0".into(),
            command: vec![],
            created: "2026-01-02T03:04:05Z".into(),
            ports: vec![],
            supervisor: 1,
            exit_code: None,
        }
    }

    #[test]
    fn a_container_runs_as_long_as_its_directory_is_held() {
        let data = tempfile::tempdir().unwrap();
        let containers = Containers::new(data.path());
        let one = container("aaaa1", "churn");
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
            containers.create(&container(id, name)).unwrap();
        }
        assert_eq!(containers.find("two").unwrap().id, "aaaa2");
        assert_eq!(containers.find("bb").unwrap().name, "three");
        assert!(containers.find("aaaa").unwrap_err().error.to_string().contains("several"));
        assert!(containers.find("zzz").is_err() && containers.find("").is_err());
    }
}
