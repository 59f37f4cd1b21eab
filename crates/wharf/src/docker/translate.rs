//! Verbs that wharf has under the same name with the same flags: the words are read as wharf's own.

use clap::Parser;

use crate::cli::{Cli, Globals};
use crate::commands;
use crate::exit::{Exit, Failure, Outcome};

/// Does what `wharf WORDS` does.
pub(super) fn run(words: &[&str], rest: &[String], globals: &Globals) -> Outcome {
    let words = std::iter::once("wharf").chain(words.iter().copied()).chain(rest.iter().map(String::as_str));
    let mut typed = match Cli::try_parse_from(words) {
        Ok(typed) => typed,
        Err(error) => {
            let text = error.render().to_string();
            if !error.use_stderr() {
                crate::output::print(&text)?;
                return Ok(Exit::Done);
            }
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            return Err(Failure::new(Exit::Process(125), anyhow::anyhow!("{text}")));
        }
    };
    typed.globals.data_dir = typed.globals.data_dir.or_else(|| globals.data_dir.clone());
    typed.globals.config = typed.globals.config.or_else(|| globals.config.clone());
    commands::run(typed)
}
