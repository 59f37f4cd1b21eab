//! From text to stages.

use crate::{Dockerfile, Instruction, ParseError};

/// Reads a Dockerfile.
///
/// # Errors
/// The first thing that BuildKit would reject.
pub fn parse(source: &[u8]) -> Result<Dockerfile, ParseError> {
    let _ = source;
    Err(ParseError {
        line: 1,
        column: 1,
        line_text: String::new(),
        message: "file with no instructions".into(),
        suggestion: None,
    })
}

/// Reads one instruction, as an `ONBUILD` trigger is when it is used. The escape character is always a
/// backslash, whatever the file that recorded it used.
///
/// # Errors
/// If the text is not exactly one instruction, or one that a stage cannot hold (`FROM`).
pub fn parse_trigger(text: &str) -> Result<Instruction, ParseError> {
    Err(ParseError {
        line: 1,
        column: 1,
        line_text: text.into(),
        message: "file with no instructions".into(),
        suggestion: None,
    })
}
