//! Exit codes, and failures that know theirs.
//!
//! The codes are part of the interface: a script may branch on them (`docs/reference/exit-codes.md`).

use std::fmt;
use std::process::ExitCode;

/// How wharf ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: what was asked for is done.
    Done,
    /// 1: a gate said no: smoke, scan, policy, an immutable tag.
    Gate,
    /// 2: the command line, a settings file or an input file is wrong.
    Usage,
    /// 3: the world is not as needed: disk, network, registry, credentials, kernel.
    Environment,
    /// 75: another writer was faster; trying again may do.
    Race,
    /// What `wharf run` ran ended with this code, and so does wharf.
    Process(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Gate => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Race => 75,
            Self::Process(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// An error on its way to the person at the terminal: the chain of causes, the exit code, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What happened, outermost first.
    pub(crate) error: anyhow::Error,
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What to do next, where wharf knows it.
    pub(crate) hint: Option<String>,
}

/// What commands return.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with `exit` and no hint.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), exit, hint: None }
    }

    /// The command line or an input file is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }

    /// A gate said no.
    pub(crate) fn gate(message: impl fmt::Display) -> Self {
        Self::new(Exit::Gate, anyhow::anyhow!("{message}"))
    }

    /// The same failure with advice; advice that is already there stays, as it is nearer to the cause.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// The same failure, saying what was being done around it.
    pub(crate) fn context(mut self, what: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(what);
        self
    }
}

/// Anything that fails without a better classification is the environment's fault.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(Exit::Environment, error)
    }
}

/// Classifies the error of a result.
pub(crate) trait OrFail<T> {
    /// The command line or an input file is wrong.
    fn or_usage(self) -> Result<T, Failure>;
    /// Fails with advice.
    fn or_hint(self, hint: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(Exit::Usage, error))
    }

    fn or_hint(self, hint: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::from(error).hint(hint))
    }
}
