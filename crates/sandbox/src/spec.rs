//! What to run and in what surroundings: plain values, filled in by the caller.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{Capabilities, NetworkNamespace};

/// A process to start in a root file system of its own. Made by [`Spec::new`], then changed field by field.
#[derive(Clone)]
pub struct Spec {
    /// What the process sees as `/`.
    pub root: Root,
    /// Whether `/` refuses writes. Mounts on top of it have their own setting.
    pub readonly: bool,
    /// The command and its arguments. A command without a slash is looked up in the `PATH` of `env`.
    pub args: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// The working directory, as an absolute path in the root. It must exist.
    pub cwd: PathBuf,
    /// Whom the process runs as.
    pub user: User,
    /// Further mounts, made in this order after `/proc`, `/sys` and `/dev`.
    pub mounts: Vec<Mount>,
    /// Which network the process sees.
    pub network: Network,
    /// The host name.
    pub hostname: String,
    /// How much the process may do.
    pub security: Security,
    /// What of root's power a confined process may have.
    pub capabilities: Capabilities,
    /// Whether process 1 is a small init that reaps orphans and passes signals on, rather than the
    /// command itself.
    pub init: bool,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// All three streams are a terminal of the sandbox instead, whose other end
    /// [`Process::take_terminal`](crate::Process::take_terminal) hands out.
    pub terminal: bool,
    /// Limits that control groups enforce.
    pub limits: Limits,
    /// Limits per process. A value above the host's hard limit is lowered to it.
    pub ulimits: Vec<Ulimit>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: u64,
    /// What [`Process::stop`](crate::Process::stop) sends first.
    pub stop_signal: i32,
    /// Whether the process goes on when the process that started it ends.
    pub outlive: bool,
}

impl Spec {
    /// `args` in `root` as root, with docker's defaults: the host's network, standard input empty, both
    /// outputs piped, 64 MiB of shared memory, stopped by SIGTERM.
    pub fn new(root: Root, args: Vec<String>) -> Self {
        Self {
            root,
            readonly: false,
            args,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: User::default(),
            mounts: Vec::new(),
            network: Network::Host,
            hostname: "localhost".to_owned(),
            security: Security::Default,
            capabilities: Capabilities::default(),
            init: false,
            stdin: Stdio::Null,
            stdout: Stdio::Piped,
            stderr: Stdio::Piped,
            terminal: false,
            limits: Limits::default(),
            ulimits: Vec::new(),
            shm_size: 64 << 20,
            stop_signal: libc::SIGTERM,
            outlive: false,
        }
    }
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("root", &self.root)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("user", &self.user)
            .field("mounts", &self.mounts)
            .finish_non_exhaustive()
    }
}

/// A root file system.
#[derive(Debug, Clone)]
pub enum Root {
    /// Layers seen as one, writes kept apart. Mounted where only the process sees it.
    Overlay(Overlay),
    /// A directory as it is.
    Dir(PathBuf),
}

/// Directories seen as one by overlayfs. A directory that is written to is a self-contained layer
/// afterwards: nothing in it refers to the layers below by name.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// The layers, in the order of an image: the base first, the topmost last.
    pub lowers: Vec<PathBuf>,
    /// Where changes go; without it the view is read-only.
    pub upper: Option<Upper>,
    /// Skip every flush to disk, for changes that are worthless after a power cut anyway.
    pub volatile: bool,
}

/// The writable part of an [`Overlay`].
#[derive(Debug, Clone)]
pub struct Upper {
    /// What is added, changed and removed, in overlayfs's own form.
    pub dir: PathBuf,
    /// An empty directory on the same file system, for overlayfs itself.
    pub work: PathBuf,
}

/// Whom a process runs as, in the ids of the root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
}

/// Something mounted over the root. Targets are absolute paths in the root; symbolic links in them are
/// followed inside the root only. What has to be created for a target is removed again when the process
/// has ended, unless something was put into it.
#[derive(Clone)]
pub enum Mount {
    /// A file or directory of the host.
    Bind {
        /// Path outside.
        source: PathBuf,
        /// Path inside.
        target: PathBuf,
        /// Whether writes are refused.
        readonly: bool,
        /// Whether what is mounted below `source` comes along.
        recursive: bool,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Path inside.
        target: PathBuf,
        /// Limit in bytes; the kernel's default is half the memory.
        size: Option<u64>,
        /// Permission bits.
        mode: u32,
    },
    /// A file whose contents exist only in memory, for as long as the process runs.
    File {
        /// Path inside.
        target: PathBuf,
        /// What reading it gives.
        contents: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Whether writes are refused.
        readonly: bool,
    },
}

impl Mount {
    /// Where it appears in the root.
    pub fn target(&self) -> &Path {
        match self {
            Self::Bind { target, .. } | Self::Tmpfs { target, .. } | Self::File { target, .. } => target,
        }
    }
}

/// Without the contents of files, which may be secret.
impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { source, target, .. } => {
                write!(f, "Bind({} on {})", source.display(), target.display())
            }
            Self::Tmpfs { target, .. } => write!(f, "Tmpfs({})", target.display()),
            Self::File { target, contents, .. } => {
                write!(f, "File({}, {} bytes)", target.display(), contents.len())
            }
        }
    }
}

/// Which network a process sees.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// The network of the host, abstract unix sockets included.
    #[default]
    Host,
    /// A network of its own with nothing but a loopback interface, which is up.
    Isolated,
    /// One that was made before, by [`Sandbox::network`](crate::Sandbox::network).
    Of(NetworkNamespace),
}

/// How much a process may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// Docker's default: fourteen capabilities, its system call filter, parts of `/proc` and `/sys` masked.
    #[default]
    Default,
    /// Every capability that wharf itself has, no filter, nothing masked: `RUN --security=insecure`.
    Insecure,
}

/// Where a standard stream comes from or goes to.
#[derive(Debug, Clone, Default)]
pub enum Stdio {
    /// `/dev/null`.
    #[default]
    Null,
    /// The stream of the calling process.
    Inherit,
    /// A pipe, whose other end [`Process`](crate::Process) hands out.
    Piped,
    /// An open file. A pipe given here reaches its end only when the [`Spec`] is gone, too.
    File(Arc<OwnedFd>),
}

/// Limits for all processes of a sandbox together. Asking for one where control groups cannot be
/// written is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// How much of the memory may be swapped out.
    pub swap: Swap,
    /// Processor time.
    pub cpu: Option<CpuQuota>,
    /// The share of processor time where it is scarce; 1024 is an ordinary one.
    pub cpu_shares: Option<u64>,
    /// The processors to run on, `0-3,6`.
    pub cpus: Option<String>,
    /// The memory nodes to use.
    pub mems: Option<String>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// The control group below which the sandbox has its own, a path from the root of each hierarchy;
    /// `None` is where this process stands. Alone it limits nothing by itself.
    pub parent: Option<String>,
}

/// What a limit of memory means for swap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Swap {
    /// None is used.
    #[default]
    None,
    /// Memory and swap together are limited to so many bytes.
    Total(u64),
    /// There is no limit.
    Unlimited,
}

/// At most `quota` of processor time in each `period`; two processors are twice the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuQuota {
    /// Time allowed per period.
    pub quota: Duration,
    /// The length of a period, 100 ms in docker unless it is told otherwise.
    pub period: Duration,
}

/// One limit per process, setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// Which.
    pub resource: Resource,
    /// The limit in force; `None` is unlimited.
    pub soft: Option<u64>,
    /// What the process may raise it to; `None` is unlimited.
    pub hard: Option<u64>,
}

/// What an [`Ulimit`] limits, by docker's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are the names of setrlimit(2)")]
pub enum Resource {
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

/// Docker's name for it.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_ascii_lowercase())
    }
}

/// A further command in the surroundings of a running process.
#[derive(Clone)]
pub struct ExecSpec {
    /// The command and its arguments, as in [`Spec::args`].
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Whom it runs as.
    pub user: User,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// A terminal instead, as in [`Spec::terminal`].
    pub terminal: bool,
    /// As much as wharf itself may, whatever holds for the process it runs beside.
    pub privileged: bool,
}

impl ExecSpec {
    /// `args` as root in `/`, standard input empty, both outputs piped.
    pub fn new(args: Vec<String>) -> Self {
        Self {
            args,
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            user: User::default(),
            stdin: Stdio::Null,
            stdout: Stdio::Piped,
            stderr: Stdio::Piped,
            terminal: false,
            privileged: false,
        }
    }
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for ExecSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSpec")
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let contents = b"hunter2".to_vec();
        let file = Mount::File {
            target: "/run/secrets/x".into(),
            contents,
            mode: 0o400,
            uid: 0,
            gid: 0,
            readonly: false,
        };
        let env = vec![("TOKEN".to_owned(), "hunter2".to_owned())];
        let spec = Spec { mounts: vec![file], env: env.clone(), ..Spec::new(Root::Dir("/x".into()), vec![]) };
        let shown = format!("{spec:?} {:?}", ExecSpec { env, ..ExecSpec::new(vec![]) });
        assert!(shown.contains("File(/run/secrets/x, 7 bytes)"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
