//! Workflows, between the crate that reads and runs them and the rest of wharf: what happened is worked out from
//! git, native actions stand on wharf's own verbs, and what goes on is shown.

mod capture;
mod ecr;
mod engine;
mod google;
mod payload;
mod sts;
mod surroundings;
mod table;
mod view;

use std::path::Path;

use anyhow::Context;
use wharf_workflow::{Source, Workflow};

use crate::exit::{Exit, Failure};

pub(crate) use capture::{Asked, capture};
pub(crate) use engine::Wharf;
pub(crate) use surroundings::{environment, shims};
pub(crate) use table::{outcome, table};
pub(crate) use view::View;

/// Reads a workflow; all that is wrong with it is one failure.
pub(crate) fn read(path: &Path) -> Result<Workflow, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read(path).with_context(|| format!("reading the workflow {name}"));
    let text = text.map_err(|error| Failure::new(Exit::Usage, error))?;
    let text =
        String::from_utf8(text).map_err(|_| Failure::usage(format!("the workflow {name} is not UTF-8")))?;
    Workflow::read(Source { name, text }).map_err(|faults| {
        let count = faults.faults.len();
        let text = faults.to_string();
        let failure = Failure::new(Exit::Usage, anyhow::anyhow!(text));
        if count > 1 { failure.hint(format!("{count} places are wrong; nothing was run")) } else { failure }
    })
}
