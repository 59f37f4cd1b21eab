//! What is known of a container: what it was made to run, and how it fares.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use wharf_oci::ContainerConfig;

use super::forward::Publish;
use super::volume::MountPoint;

/// A container, as its directory keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Container {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// The name that was given or made up.
    pub(crate) name: String,
    /// The image as it was typed.
    pub(crate) image: String,
    /// The manifest that runs.
    pub(crate) digest: String,
    /// The config's digest, which docker calls the image's ID.
    pub(crate) image_id: String,
    /// When it was made, RFC 3339.
    pub(crate) created: String,
    /// The image's config with what was typed over it.
    pub(crate) config: ContainerConfig,
    /// What the host gives it.
    pub(crate) host: Host,
    /// How it fares.
    pub(crate) state: State,
}

/// What the host gives a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Host {
    pub(crate) network: Mode,
    pub(crate) publish: Vec<Publish>,
    pub(crate) mounts: Vec<MountPoint>,
    pub(crate) hostname: Option<String>,
    pub(crate) tty: bool,
    pub(crate) open_stdin: bool,
    pub(crate) auto_remove: bool,
    pub(crate) restart: Restart,
    pub(crate) init: bool,
    pub(crate) privileged: bool,
    pub(crate) read_only: bool,
    pub(crate) cap_add: Vec<String>,
    pub(crate) cap_drop: Vec<String>,
    pub(crate) memory: Option<u64>,
    /// Thousandths of a millionth of a processor, as docker counts them.
    pub(crate) nano_cpus: Option<u64>,
    pub(crate) pids_limit: Option<u64>,
    pub(crate) shm_size: Option<u64>,
    /// `nofile=1024:2048`
    pub(crate) ulimits: Vec<String>,
    /// `name:address`
    pub(crate) extra_hosts: Vec<String>,
    pub(crate) dns: Vec<String>,
    pub(crate) stop_timeout: Option<u64>,
    /// Where the id is written to, too.
    pub(crate) cidfile: Option<String>,
}

/// Which network it sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// One of its own, with a way out and published ports.
    #[default]
    Bridge,
    /// The host's.
    Host,
    /// One of its own with nothing but loopback.
    None,
}

impl Mode {
    /// Docker's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

/// When its supervisor starts it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    No,
    /// Whatever its exit code; `unless-stopped` is the same without a daemon that starts with the host.
    Always,
    UnlessStopped,
    /// When it fails, so often at most; zero is without end.
    OnFailure(u32),
}

/// How a container fares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// The supervisor's process id.
    pub(crate) supervisor: u32,
    /// The process's own, on the host.
    pub(crate) pid: u32,
    /// How it ended: an exit code, or 128 and the signal.
    pub(crate) exit_code: i32,
    /// Why it could not be started.
    pub(crate) error: String,
    pub(crate) oom_killed: bool,
    /// RFC 3339; empty before.
    pub(crate) started: String,
    pub(crate) finished: String,
    pub(crate) restarts: u32,
    /// Where the host listens for it.
    pub(crate) ports: Vec<Bound>,
    pub(crate) health: Option<Health>,
}

/// A container's state, in docker's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    #[default]
    Created,
    Running,
    Restarting,
    Exited,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }
}

/// A port that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) outside: SocketAddr,
    pub(crate) inside: u16,
}

/// What the HEALTHCHECK has said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    pub(crate) status: Wellness,
    pub(crate) failing_streak: u32,
    /// The last few results, oldest first.
    pub(crate) log: Vec<Checked>,
}

/// Docker's words for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wellness {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl Wellness {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One result of a health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Checked {
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) exit_code: i32,
    pub(crate) output: String,
}

impl Container {
    /// The first digits of the ID, as tables show it.
    pub(crate) fn short_id(&self) -> &str {
        &self.id[..12.min(self.id.len())]
    }

    /// The command line that runs.
    pub(crate) fn command(&self) -> Vec<String> {
        let part = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        [part(&self.config.entrypoint), part(&self.config.cmd)].concat()
    }

    /// The name inside: the one that was asked for, or the start of the ID.
    pub(crate) fn hostname(&self) -> &str {
        self.host.hostname.as_deref().unwrap_or_else(|| self.short_id())
    }

    /// The labels.
    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        &self.config.labels
    }
}

#[cfg(test)]
pub(crate) fn example(id: &str, name: &str) -> Container {
    Container {
        id: id.into(),
        name: name.into(),
        image: "model:1".into(),
        digest: "sha256:0".into(),
        image_id: "sha256:1".into(),
        created: "2026-01-02T03:04:05Z".into(),
        config: ContainerConfig::default(),
        host: Host::default(),
        state: State::default(),
    }
}
