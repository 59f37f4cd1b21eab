//! Docker's verbs for containers that wharf has under no name of its own.

pub(crate) mod attach;
pub(crate) mod kill;
pub(crate) mod port;
pub(crate) mod rename;
pub(crate) mod rm;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod top;
pub(crate) mod wait;

use std::io::Write;

use crate::container::record::Container;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Does `what` to each container that was named, as docker does: all are tried, each that was done is named,
/// and what failed is told at the end of it.
fn each(
    containers: &Containers,
    names: &[String],
    mut what: impl FnMut(&Container) -> Result<Option<String>, Failure>,
) -> Outcome {
    let mut exit = Exit::Done;
    for name in names {
        match containers.find(name).and_then(|container| what(&container)) {
            Ok(Some(answer)) => output::print(&format!("{answer}\n"))?,
            Ok(None) => output::print(&format!("{name}\n"))?,
            Err(failure) => {
                exit = Exit::Gate;
                // Standard error may be closed; the exit code still tells.
                let _ = writeln!(std::io::stderr(), "Error: {:#}", failure.error);
            }
        }
    }
    Ok(exit)
}
