//! Why a build failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_dockerfile::ParseError;
use wharf_oci::Digest;
use wharf_registry::LayoutError;

use crate::plan::PlanError;
use crate::state::StateError;

/// A build that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The data directory cannot be used.
    #[error("preparing the data directory `{}`", path.display())]
    DataDirectory {
        /// Which file or directory in it.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be used.
    #[error("using the image store")]
    Store(#[from] LayoutError),
    /// The database cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The Dockerfile cannot be had.
    #[error("reading the Dockerfile `{name}`")]
    Dockerfile {
        /// Its name, as given.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The text is no Dockerfile.
    #[error("{name} cannot be read")]
    Parse {
        /// The Dockerfile.
        name: String,
        /// Line, column and the line itself.
        source: ParseError,
    },
    /// The Dockerfile has no plan.
    #[error("{name} cannot be built")]
    Plan {
        /// The Dockerfile.
        name: String,
        /// The instruction and why.
        source: PlanError,
    },
    /// A context cannot be had.
    #[error("loading the build context {name}")]
    Context {
        /// Its name, or where it comes from.
        name: String,
        /// Why not.
        source: StepError,
    },
    /// A step failed.
    #[error("{title} ({dockerfile}, {})", lines_of(*lines))]
    Step {
        /// The step, such as `[builder 2/5] RUN make`.
        title: String,
        /// The Dockerfile.
        dockerfile: String,
        /// First and last line in it, from 1.
        lines: (usize, usize),
        /// Why.
        source: StepError,
    },
    /// The image cannot be written.
    #[error("writing the image")]
    Export(#[source] StepError),
    /// An output cannot be written.
    #[error("writing the output `{}`", path.display())]
    Output {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: StepError,
    },
}

fn lines_of((first, last): (usize, usize)) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

/// Why a step, or what it needs, failed. Cheap to clone: several steps may wait for the same thing.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct StepError(Arc<Cause>);

impl StepError {
    /// What happened.
    pub fn cause(&self) -> &Cause {
        &self.0
    }
}

impl<C: Into<Cause>> From<C> for StepError {
    fn from(cause: C) -> Self {
        Self(Arc::new(cause.into()))
    }
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The process of a `RUN` ended badly. The sentence is BuildKit's.
    #[error("process {:?} did not complete successfully: {end}", args.join(" "))]
    Process {
        /// The program and its arguments.
        args: Vec<String>,
        /// How it ended.
        end: End,
        /// The last lines it wrote, oldest first.
        output: Vec<String>,
        /// The disk it wrote to had no room left, which programs tell in many ways or not at all.
        disk_full: bool,
    },
    /// Something that is to be copied or mounted is not there.
    #[error("{path:?}: not found")]
    NotFound {
        /// Where it was looked for.
        path: String,
        /// The most similar name that is there.
        nearest: Option<String>,
    },
    /// A file operation failed.
    #[error("{action} `{}`", path.display())]
    File {
        /// What was being done, such as `reading`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A secret that a step cannot do without was not given.
    #[error("the secret {id:?} is required, and `--secret id={id},…` was not given")]
    NoSecret {
        /// Its id.
        id: String,
    },
    /// An agent that a step cannot do without was not given. The sentence is BuildKit's.
    #[error("unset ssh forward key {id}")]
    NoAgent {
        /// Its id.
        id: String,
    },
    /// A file's content is not what the checksum says.
    #[error("{what} has the checksum {found}, and {expected} was expected")]
    Checksum {
        /// The URL or repository.
        what: String,
        /// What it ought to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A program of the host failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// The command line.
        command: String,
        /// The end of what it wrote.
        message: String,
    },
    /// The blob of a layer is not what its digest says, and cannot be had again.
    #[error("layer {digest} in the store is damaged and cannot be made again")]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// The process is for another machine, and nothing here runs its programs.
    #[error(
        "the step is for {platform}, this machine is {host}, and the kernel knows no interpreter (binfmt_misc) for its programs"
    )]
    Foreign {
        /// What the step is for.
        platform: String,
        /// What this machine is.
        host: String,
    },
    /// The files of a step are needed of which only the result is known, from a cache.
    #[error("only the result of this step is in the cache, and its files are needed")]
    Absent,
    /// A base image, or a layer of it, cannot be had.
    #[error(transparent)]
    Registry(#[from] wharf_registry::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] LayoutError),
    /// A layer cannot be read or written.
    #[error(transparent)]
    Layer(#[from] wharf_layer::Error),
    /// The sandbox failed.
    #[error(transparent)]
    Sandbox(#[from] wharf_sandbox::Error),
    /// The user of a step is not known to the image.
    #[error(transparent)]
    User(#[from] wharf_sandbox::UnknownIdentity),
    /// A pattern cannot be read.
    #[error(transparent)]
    Pattern(#[from] wharf_dockerfile::PatternError),
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The disk is too small for what is to be written.
    #[error("{what} needs {} on `{}`, and {} are free", size(*needed), path.display(), size(*free))]
    NoSpace {
        /// What needs it.
        what: String,
        /// Where.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Something that is refused, in a sentence.
    #[error("{0}")]
    Refused(String),
    /// The build ended for another reason before this was done.
    #[error("not done, because the build has ended")]
    Cancelled,
}

impl Cause {
    /// Wraps what the system said about `path`.
    pub(crate) fn file<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> StepError {
        let path = path.to_owned();
        move |source| Self::File { action, path, source: source.into() }.into()
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        1_000_000_000..1_000_000_000_000 => (1e9, "GB"),
        _ => (1e12, "TB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

/// How a process ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an exit code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// By the memory limit.
    OutOfMemory,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code: {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::OutOfMemory => f.write_str("out of memory"),
        }
    }
}
