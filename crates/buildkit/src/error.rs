//! What goes wrong between wharf and a builder.

use std::io;

use crate::status::Refusal;

/// A builder that could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no way to it.
    #[error("connecting to the builder {address}")]
    Connect {
        /// Where it was thought to be.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something answers there that does not speak BuildKit's protocol.
    #[error("speaking to the builder {address}")]
    Handshake {
        /// Where it is.
        address: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
    /// It does not say what it is.
    #[error("asking the builder {address} what it can do")]
    Ask {
        /// Where it is.
        address: String,
        /// What it answered.
        source: Refusal,
    },
    /// It is too old for what is wanted.
    #[error("{feature} needs BuildKit {since} or newer, and the builder {address} is {version}")]
    TooOld {
        /// Where it is.
        address: String,
        /// What is wanted.
        feature: &'static str,
        /// The first version that can do it.
        since: String,
        /// The version it has.
        version: String,
    },
    /// It does not take the session through which it would get files and secrets.
    #[error("opening a session")]
    Session(#[source] Refusal),
    /// Something that is to be said in a header has no place there.
    #[error("`{0}` holds characters that no header may hold")]
    Metadata(&'static str),
}

impl Error {
    /// Whether the builder is not there, or not any more, so that another one may do better.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Handshake { .. } => true,
            Self::Ask { source, .. } | Self::Session(source) => source.is_lost(),
            Self::TooOld { .. } | Self::Metadata(_) => false,
        }
    }
}
