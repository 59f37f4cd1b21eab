//! The capture: git state, environment, event file and clock become a value, once, at the edge.

use std::path::Path;

use jiff::Timestamp;
use wharf_metadata::{Clock, Repository, Snapshot, Variables};

/// Takes the state of the repository around `directory` and of the CI job that `variables` describe.
pub(crate) fn capture(directory: &Path, variables: &Variables) -> Result<Snapshot, crate::exit::Failure> {
    let _ = (directory, variables);
    let clock = Clock { now: Timestamp::now(), source_date_epoch: None };
    Ok(Snapshot { git: None, event: None, repository: Repository::default(), clock })
}
