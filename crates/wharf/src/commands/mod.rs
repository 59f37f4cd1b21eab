//! One file per verb: its arguments, and what it does with them.

pub(crate) mod meta;
pub(crate) mod scan;

use crate::cli::{Cli, Command};
use crate::exit::Outcome;

/// Carries out what was typed.
pub(crate) fn run(typed: Cli) -> Outcome {
    match typed.command {
        Command::Meta(args) => meta::run(args, &typed.globals),
        Command::Scan(args) => scan::run(args, &typed.globals),
    }
}
