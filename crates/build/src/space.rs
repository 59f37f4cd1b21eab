//! Whether the disk will do, asked before it is filled.

use std::path::Path;

use crate::error::{Cause, StepError};

/// Fails where less than `needed` bytes are free for `what` in the file system of `path`.
pub(crate) fn require(path: &Path, needed: u64, what: &str) -> Result<(), StepError> {
    match free(path) {
        Some(free) if free < needed => {
            Err(Cause::NoSpace { what: what.to_owned(), path: path.to_owned(), needed, free }.into())
        }
        // Where it cannot be asked, writing will tell.
        _ => Ok(()),
    }
}

fn free(path: &Path) -> Option<u64> {
    let fs = rustix::fs::statvfs(path).ok()?;
    Some(fs.f_bavail.saturating_mul(fs.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_disk_has_is_refused_with_both_numbers() {
        let error = require(Path::new("/"), u64::MAX, "everything").unwrap_err();
        assert!(error.to_string().starts_with("everything needs 18446744.1 TB on `/`"), "{error}");
        assert!(require(Path::new("/"), 0, "nothing").is_ok());
    }
}
