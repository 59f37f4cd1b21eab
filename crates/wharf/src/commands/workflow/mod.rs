//! `wharf workflow`: GitHub workflows, run here, explained, or turned into wharf's own words.

mod convert;
mod explain;
mod run;

use crate::cli::Globals;
use crate::exit::Outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Run a workflow on this machine, without Docker
    Run(Box<run::Args>),
    /// Say what a workflow does for which event, and where its traps are
    Explain(explain::Args),
    /// Print the same pipeline as a wharf.toml and a workflow of five lines
    Convert(convert::Args),
}

/// Carries it out.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    match args.verb {
        Verb::Run(args) => run::run(*args, globals),
        Verb::Explain(args) => explain::run(args, globals),
        Verb::Convert(args) => convert::run(args, globals),
    }
}
