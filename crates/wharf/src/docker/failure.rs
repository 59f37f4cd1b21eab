//! How docker ends: 125 where it could not do its own part, else the command's code, else 1.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};

use super::cli::Verb;
use crate::exit::{Exit, Failure};

/// What kind of verb failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something is run, whose code is the answer; docker's own failures are 125.
    Run,
    /// Everything else fails with 1.
    Plain,
}

impl Kind {
    pub(super) fn of(verb: &Verb) -> Self {
        match verb {
            Verb::Run(_) => Self::Run,
            Verb::Other(_) => Self::Run,
            _ => Self::Plain,
        }
    }
}

/// Docker's own part could not be done.
const OWN: u8 = 125;

/// Prints a failure and gives docker's code for it.
pub(super) fn print(failure: &Failure, kind: Kind) -> ExitCode {
    let word = if kind == Kind::Run { "docker" } else { "Error" };
    let mut text = format!("{word}: {}\n", failure.error);
    let mut said = failure.error.to_string();
    for cause in failure.error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            text.push_str(&format!("  caused by: {}\n", cause.replace('\n', "\n    ")));
        }
        said = cause;
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {}\n", hint.replace('\n', "\n        ")));
    }
    // Standard error may be closed; the exit code still tells.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(match (failure.exit, kind) {
        (Exit::Process(code), _) => code,
        (_, Kind::Run) => match failure.exit {
            Exit::Gate => 1,
            _ => OWN,
        },
        (_, Kind::Plain) => 1,
    })
}

/// Prints what is wrong with the command line, in docker's words.
pub(super) fn print_usage(error: &clap::Error) -> ExitCode {
    let what = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let (text, code) = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone away is no error.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(1);
        }
        ErrorKind::UnknownArgument => (unknown(&what(ContextKind::InvalidArg), error), OWN),
        ErrorKind::InvalidSubcommand => {
            let name = what(ContextKind::InvalidSubcommand);
            (format!("unknown command: {name}\n{}", rest(error)), OWN)
        }
        ErrorKind::MissingRequiredArgument => (rest(error), 1),
        _ => (rest(error), OWN),
    };
    let _ = write!(std::io::stderr(), "docker: {text}");
    ExitCode::from(code)
}

fn unknown(flag: &str, error: &clap::Error) -> String {
    let kind = if flag.starts_with("--") { "unknown flag" } else { "unknown shorthand flag" };
    let tip = error.get(ContextKind::SuggestedArg).map(|near| format!("  hint: did you mean `{near}`?\n"));
    let tip = tip.unwrap_or_else(|| {
        "  hint: `--help` lists the flags that wharf knows; docs/docker.md says what it leaves out\n"
            .to_owned()
    });
    format!("{kind}: {flag}\n{tip}")
}

/// What clap says, without its own first word.
fn rest(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Prints what there is, where nothing was typed.
pub(super) fn print_help(command: &mut clap::Command) -> ExitCode {
    let _ = command.print_help();
    Exit::Done.into()
}
