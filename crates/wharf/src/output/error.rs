//! Errors as the design wants them: what was being done, why it failed, what to do next, once.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use crate::exit::{Exit, Failure};

/// Prints a failure to standard error (and as one JSON line with `--json`) and gives its exit code.
pub(crate) fn print(failure: &Failure, as_json: bool) -> ExitCode {
    let text = if as_json { json_line(failure) } else { render(failure) };
    // Standard error may be closed; the exit code still tells.
    let _ = std::io::stderr().write_all(text.as_bytes());
    failure.exit.into()
}

/// Prints what clap has to say: help and version are answers, everything else is a usage error.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn render(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", failure.error);
    for cause in causes(failure) {
        text.push_str(&format!("  caused by: {}\n", cause.replace('\n', "\n    ")));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {}\n", hint.replace('\n', "\n        ")));
    }
    text
}

fn json_line(failure: &Failure) -> String {
    let document = json!({
        "error": failure.error.to_string(),
        "causes": causes(failure),
        "hint": failure.hint,
        "exit": failure.exit.code(),
    });
    format!("{document}\n")
}

/// The chain below the outermost message, without causes that only repeat the line above them.
fn causes(failure: &Failure) -> Vec<String> {
    let mut said = failure.error.to_string();
    let mut causes = Vec::new();
    for cause in failure.error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            causes.push(cause.clone());
        }
        said = cause;
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_cause_that_repeats_its_context_is_not_said_twice() {
        let error = anyhow!("connection reset by peer")
            .context("sending: connection reset by peer")
            .context("pushing a");
        let failure = Failure::from(error).hint("run the command again");
        assert_eq!(
            render(&failure),
            "error: pushing a\n  caused by: sending: connection reset by peer\n  hint: run the command again\n"
        );
    }
}
