//! `wharf meta`.

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};

/// What `wharf meta` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _globals: &Globals) -> Outcome {
    Ok(Exit::Done)
}
