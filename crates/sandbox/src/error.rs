//! What can go wrong, in words that name what was being done and to what.

use std::io;
use std::path::{Path, PathBuf};

use crate::Step;

/// A sandbox operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself makes no sense, whatever the host allows.
    #[error("cannot start a process: {0}")]
    Invalid(String),
    /// The host lets nothing be run.
    #[error(transparent)]
    Unavailable(#[from] crate::Unavailable),
    /// A file or directory of the host that the request names.
    #[error("opening `{path}` for the sandbox")]
    Path {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something wharf does outside the sandbox on its behalf.
    #[error("{action}")]
    Host {
        /// What was being done, and to what.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A step of building the surroundings, before the command was reached.
    #[error("{step}{}{}", subject_in_quotes(subject.as_deref()), in_parentheses(kernel_says.as_deref()))]
    Setup {
        /// Which step.
        step: Step,
        /// What it was done to.
        subject: Option<PathBuf>,
        /// What the kernel logged about it, where it logs such things.
        kernel_says: Option<String>,
        /// The error number.
        source: io::Error,
    },
    /// The surroundings were ready, but the command could not be run.
    #[error("cannot run `{command}`{}", exec_reason(source))]
    Exec {
        /// The command as given.
        command: String,
        /// The error number.
        source: io::Error,
    },
    /// A user or group id that has no counterpart on the host, because the rung has too few ids.
    #[error("{kind} id {id} does not exist in wharf's user namespace")]
    UnmappedId {
        /// `user` or `group`.
        kind: &'static str,
        /// Which.
        id: u32,
    },
    /// A limit was asked for, and control groups do not take it.
    #[error("limiting {what}: control group {path:?}")]
    Limit {
        /// Which resource.
        what: &'static str,
        /// The control group directory or file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

fn subject_in_quotes(subject: Option<&Path>) -> String {
    subject.map(|subject| format!(" `{}`", subject.display())).unwrap_or_default()
}

fn in_parentheses(says: Option<&str>) -> String {
    says.map(|says| format!(" ({says})")).unwrap_or_default()
}

fn exec_reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " in the sandbox: the file or its interpreter is missing",
        io::ErrorKind::PermissionDenied => " in the sandbox: the user may not execute it",
        _ => " in the sandbox",
    }
}
