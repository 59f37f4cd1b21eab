//! What people and scripts see.

pub(crate) mod ask;
pub(crate) mod error;
pub(crate) mod progress;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod transfer;

use std::io::Write;

use crate::exit::Failure;

/// Writes a result to standard output. A reader that has gone away (`wharf images | head -1`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::from(error).context("writing to standard output"))
        }
        _ => Ok(()),
    }
}

/// Says something beside the result, on standard error, which may be closed.
pub(crate) fn note(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a result to standard output as one JSON document.
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    print(&format!("{}\n", serde_json::to_string_pretty(document)?))
}
