//! The docker name: this binary called as `docker`, or as `wharf docker`, understands docker's command line
//! and answers in docker's shapes, so that scripts run unchanged.
//!
//! What a verb does is wharf's own; here is only what is typed ([`cli`], [`arguments`]), how lists and
//! documents look ([`format`], [`template`]), and how it ends ([`failure`]).

mod absent;
mod arguments;
mod build;
mod buildx;
pub(crate) mod cli;
mod containers;
mod failure;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod human;
mod images;
mod inspect;
mod shim;
mod system;
pub(crate) mod template;
mod translate;
mod verbs;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::{CommandFactory, FromArgMatches};

use crate::cli::Globals;
use cli::{Docker, Options};
pub(crate) use inspect::show;

/// Whether this process was called by docker's name.
pub(crate) fn is_called(program: Option<&OsString>) -> bool {
    let name = program.map(std::path::Path::new).and_then(|path| path.file_name());
    name.is_some_and(|name| name == "docker")
}

/// The words before and after `docker` stands as wharf's verb, the latter with it. Clap cannot be asked: it
/// would take what docker calls `--config` for wharf's own.
pub(crate) fn split(words: &[OsString]) -> Option<(&[OsString], &[OsString])> {
    let mut at = 1;
    loop {
        match words.get(at)?.to_str()? {
            "docker" => return Some((&words[1..at], &words[at..])),
            "--json" => at += 1,
            "--data-dir" | "--config" | "--progress" => at += 2,
            word if ["--data-dir=", "--config=", "--progress="].iter().any(|flag| word.starts_with(flag)) => {
                at += 1
            }
            _ => return None,
        }
    }
}

/// Does what docker would do with these words, the first of which names the program.
pub(crate) fn main(words: Vec<OsString>, globals: &Globals) -> ExitCode {
    let mut command = Docker::command();
    let words = arguments::plain_switches(&mut command, words);
    let matches = match command.try_get_matches_from(words.clone()) {
        Ok(matches) => matches,
        Err(error) => return failure::print_usage(&error),
    };
    let typed = match Docker::from_arg_matches(&matches) {
        Ok(typed) => typed,
        Err(error) => return failure::print_usage(&error),
    };
    if let Some(code) = with_other_config(&typed.options, &words) {
        return code;
    }
    // The one TLS provider of the process; that somebody installed it already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(verb) = typed.command else {
        return failure::print_help(&mut Docker::command());
    };
    let kind = failure::Kind::of(&verb);
    match verbs::run(verb, globals) {
        Ok(exit) => exit.into(),
        Err(failed) => failure::print(&failed, kind),
    }
}

/// `--config DIR` is where docker's settings are, which the rest of wharf learns from the environment: the
/// same again, with that changed.
fn with_other_config(options: &Options, words: &[OsString]) -> Option<ExitCode> {
    let directory = options.config.as_ref()?;
    let binary = std::env::current_exe().ok()?;
    let mut rest = Vec::new();
    let mut words = words.iter().skip(1);
    let mut found = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if !found && text == "--config" {
            words.next();
            found = true;
        } else if !found && text.starts_with("--config=") {
            found = true;
        } else {
            rest.push(word.clone());
        }
    }
    let error = Command::new(binary).arg0("docker").args(rest).env("DOCKER_CONFIG", directory).exec();
    Some(failure::print(&crate::exit::Failure::from(error).context("starting again"), failure::Kind::Plain))
}
