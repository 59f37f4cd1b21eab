//! What a failed call means: the builder said no, or it is gone.

use std::error::Error;

use tonic::{Code, Status};

/// Why a call failed: the builder's words, or what happened on the way to it.
pub fn reason(status: &Status) -> String {
    let mut deepest: Option<&dyn Error> = status.source();
    while let Some(next) = deepest.and_then(Error::source) {
        deepest = Some(next);
    }
    match deepest {
        Some(cause) => format!("the connection to the builder is lost: {cause}"),
        None if status.message().is_empty() => format!("the builder answers {}", status.code().description()),
        None => status.message().to_owned(),
    }
}

/// Whether the builder, or the way to it, is gone, so that another builder may do better.
pub fn is_lost(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Unavailable
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
        assert!(is_lost(&gone));
    }
}
