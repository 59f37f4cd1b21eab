//! Failures of work on a registry: what was being done, to what, where, and why it stopped.

use std::time::Duration;

use wharf_oci::{Descriptor, Digest};

use crate::LayoutError;

/// A failed piece of work on a registry or a layout.
///
/// Displayed it is one line, such as ``pushing blob sha256:9c1f… (3.1 GB) to ghcr.io/org/model stopped at
/// 2.2 GB``; the reason is its [`cause`](Self::cause), which is also its `source`.
#[derive(Debug, thiserror::Error)]
#[error("{task}")]
pub struct Error {
    task: Box<Task>,
    #[source]
    cause: Box<Cause>,
}

impl Error {
    /// A failure of `task` because of `cause`.
    pub fn new(task: Task, cause: impl Into<Cause>) -> Self {
        Self { task: Box::new(task), cause: Box::new(cause.into()) }
    }

    /// What was being done.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Why it failed.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether a plain file was asked of a server that need be no registry.
    pub fn is_download(&self) -> bool {
        self.task.action == Self::DOWNLOADING
    }

    pub(crate) const DOWNLOADING: &'static str = "downloading";

    /// Why it failed, for a failure of larger work.
    pub(crate) fn into_cause(self) -> Cause {
        *self.cause
    }

    /// The same failure with how far it had come.
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.task.stopped_at = Some(offset);
        self
    }
}

/// The result of work on a registry or a layout.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was being done when something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The verb, such as `pushing`.
    pub action: &'static str,
    /// The object: a blob, a manifest, a list.
    pub object: String,
    /// `to`, `from` or `in`, and the registry with the repository, or the layout.
    pub place: String,
    /// For transfers: how many bytes had arrived.
    pub stopped_at: Option<u64>,
}

impl Task {
    /// `action object place`, such as `reading` `tag v1` `from ghcr.io/org/model`.
    pub fn new(action: &'static str, object: impl Into<String>, place: impl Into<String>) -> Self {
        Self { action, object: object.into(), place: place.into(), stopped_at: None }
    }

    pub(crate) fn blob(action: &'static str, descriptor: &Descriptor, place: impl Into<String>) -> Self {
        Self::new(action, format!("blob {} ({})", descriptor.digest, Bytes(descriptor.size)), place)
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.action, self.object, self.place)?;
        match self.stopped_at {
            Some(offset) if offset > 0 => write!(f, " stopped at {}", Bytes(offset)),
            _ => write!(f, " failed"),
        }
    }
}

/// Why work on a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The registry wants credentials that it did not get, or refuses those it got.
    #[error("{}", unauthorized(registry, account.as_deref(), message))]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// The account whose credentials were refused; `None` when none were known.
        account: Option<String>,
        /// What the registry said.
        message: String,
    },
    /// The credentials are right, but do not allow this.
    #[error("{registry} denies it: {message}")]
    Denied {
        /// The registry's host.
        registry: String,
        /// What the registry said.
        message: String,
    },
    /// There is no such repository, tag or blob.
    #[error("not found{}", colon(message))]
    NotFound {
        /// What the registry said.
        message: String,
    },
    /// The tag exists and may not be changed.
    #[error("the tag exists already and must not change{}", colon(message))]
    Immutable {
        /// What the registry said.
        message: String,
    },
    /// The registry refuses more requests for now.
    #[error("{registry} allows no more requests for now{}", after(*retry_after))]
    RateLimited {
        /// The registry's host.
        registry: String,
        /// When it said to come back.
        retry_after: Option<Duration>,
    },
    /// The registry cannot do it now, and has said when it can.
    #[error("the server answered {status}{}{}", colon(message), after(Some(*retry_after)))]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// What the registry said.
        message: String,
        /// When it said to come back.
        retry_after: Duration,
    },
    /// No connection, or it broke.
    #[error("{registry} cannot be reached, or the connection broke")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// The network's word for it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection stands, but nothing moves on it.
    #[error("nothing has moved on the connection to {registry} for {} s", waited.as_secs())]
    Stalled {
        /// The registry's host.
        registry: String,
        /// For how long.
        waited: Duration,
    },
    /// The other side's identity cannot be verified, or it does not speak TLS.
    #[error("no trusted TLS connection to {registry}")]
    Tls {
        /// The registry's host.
        registry: String,
        /// The verdict.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The transfer ended before its end.
    #[error("the transfer ended after {received} of {size} bytes")]
    Truncated {
        /// What came.
        received: u64,
        /// What should have come.
        size: u64,
    },
    /// The bytes are not what their digest says.
    #[error("content does not match its digest: expected {expected}, found {found}")]
    Corrupt {
        /// The digest asked for.
        expected: Digest,
        /// What came instead: another digest, or another size.
        found: String,
    },
    /// The image exists, but not for this platform.
    #[error("there is no image for {platform}; there is one for: {}", available.join(", "))]
    NoPlatform {
        /// The platform asked for.
        platform: String,
        /// The platforms offered.
        available: Vec<String>,
    },
    /// The registry refuses for a reason of its own.
    #[error("the server answered {status}{}", colon(message))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The registry's code for it, such as `MANIFEST_INVALID`, if it gave one.
        code: Option<String>,
        /// What the registry said.
        message: String,
    },
    /// The answer breaks the protocol.
    #[error("the server's answer makes no sense: {0}")]
    Protocol(String),
    /// The time allowed for the whole of it is over.
    #[error("not done after {} s, which is all the time it was given", allowed.as_secs())]
    Deadline {
        /// The time allowed.
        allowed: Duration,
    },
    /// The credentials cannot be had.
    #[error(transparent)]
    Credentials(#[from] crate::CredentialsError),
    /// The layout on this side failed.
    #[error(transparent)]
    Layout(LayoutError),
    /// The archive on this side failed.
    #[error(transparent)]
    Archive(#[from] crate::ArchiveError),
}

impl Cause {
    /// Whether the same thing may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Stalled { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Truncated { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// When the registry asked to be left alone until.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<LayoutError> for Cause {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Taken { .. } => Self::Immutable { message: error.to_string() },
            LayoutError::Corrupt { digest, found, .. } => Self::Corrupt { expected: digest, found },
            error => Self::Layout(error),
        }
    }
}

fn unauthorized(registry: &str, account: Option<&str>, message: &str) -> String {
    match account {
        Some(account) => format!("{registry} refuses the credentials of `{account}`{}", colon(message)),
        None => format!("{registry} asks for credentials, and none are known for it{}", colon(message)),
    }
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!("; it asks to come back in {} s", wait.as_secs())).unwrap_or_default()
}

/// A number of bytes as people read it, in powers of ten.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        while value >= 999.95 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        write!(f, "{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_object_place_and_how_far_it_came() {
        let blob =
            Descriptor { size: 3_100_000_000, ..Descriptor::of(wharf_oci::MediaType::ImageLayer, b"x") };
        let task = Task::blob("pushing", &blob, "to ghcr.io/org/model");
        let error = Error::new(task, Cause::Protocol("no Location".into())).at(2_200_000_000);
        assert_eq!(
            error.to_string(),
            format!("pushing blob {} (3.1 GB) to ghcr.io/org/model stopped at 2.2 GB", blob.digest)
        );
    }

    #[test]
    fn sizes_read_well_at_the_edges() {
        let text = |n| Bytes(n).to_string();
        assert_eq!(
            [0, 999, 1000, 999_949, 999_950, 1_000_000].map(text),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.0 MB"]
        );
    }
}
