//! Questions at a terminal.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use secrecy::SecretString;

use crate::exit::Failure;

/// Whether there is somebody to ask.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

/// The answer to a question.
pub(crate) fn line(question: &str) -> Result<String, Failure> {
    let _ = std::io::stderr().write_all(question.as_bytes());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("reading from the terminal")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks with the terminal's echo off, and puts it back on.
pub(crate) fn secret(question: &str) -> Result<SecretString, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).context("asking the terminal")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("asking the terminal")?;
    let answer = line(question);
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("asking the terminal")?;
    let _ = std::io::stderr().write_all(b"\n");
    Ok(answer?.into())
}
