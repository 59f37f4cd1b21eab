//! What a failed call means: the builder said no, or it is gone.

use std::error::Error;

use tonic::{Code, Status};

/// A call that failed, as the cause of an error: a sentence, and not tonic's account of itself.
#[derive(Debug, thiserror::Error)]
#[error("{}", reason(.0))]
pub struct Refusal(Box<Status>);

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self(Box::new(status))
    }
}

impl Refusal {
    /// Whether the builder, or the way to it, is gone, so that another builder may do better.
    pub fn is_lost(&self) -> bool {
        is_lost(&self.0)
    }
}

/// Why a call failed: the builder's words, or what happened on the way to it.
pub fn reason(status: &Status) -> String {
    let mut deepest: Option<&dyn Error> = status.source();
    while let Some(next) = deepest.and_then(Error::source) {
        deepest = Some(next);
    }
    match deepest {
        Some(cause) => format!("the connection to the builder is lost: {cause}"),
        // A web server that speaks HTTP/2, and no gRPC.
        None if ["invalid compression flag", "grpc-status header missing"]
            .iter()
            .any(|sign| status.message().contains(sign)) =>
        {
            format!("it is no BuildKit: {}", status.message())
        }
        None if status.message().is_empty() => format!("the builder answers {}", status.code().description()),
        None => status.message().to_owned(),
    }
}

/// Whether the builder, or the way to it, is gone, so that another builder may do better.
pub fn is_lost(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Unavailable
}

/// The same of a build. A builder's own `Unavailable` may be about a registry; that it stopped a build which nobody
/// here has stopped means that it is being shut down.
pub(crate) fn is_lost_build(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Cancelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_builder_says_is_told_from_what_befalls_it() {
        let said = Status::invalid_argument("no such target");
        assert_eq!((reason(&said).as_str(), is_lost(&said)), ("no such target", false));
        let gone = Status::from_error(Box::new(std::io::Error::other("connection reset")));
        assert_eq!(reason(&gone), "the connection to the builder is lost: connection reset");
        assert!(is_lost(&gone) && is_lost_build(&gone));
        let refused = Status::unavailable("registry.example answers 503");
        assert!(is_lost(&refused) && !is_lost_build(&refused));
        assert!(is_lost_build(&Status::cancelled("context canceled")));
        assert_eq!(
            Refusal::from(gone).to_string(),
            "the connection to the builder is lost: connection reset"
        );
    }
}
