//! `docker tag`.

use crate::cli::Globals;
use crate::docker::translate;
use crate::exit::Outcome;

/// What `tag` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    source: String,
    /// The new name, `latest` where it has no tag
    target: String,
}

/// Names it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    translate::run(&["tag"], &[args.source, args.target], globals)
}
