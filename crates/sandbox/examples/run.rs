//! Runs a command on a directory, which stays as it is: `cargo run --example run -- DIRECTORY COMMAND...`.

#![allow(clippy::print_stderr, reason = "it talks to the person who runs it")]

use std::path::PathBuf;
use std::process::ExitCode;

use wharf_sandbox::{Overlay, Root, Spec, Stdio, Upper, enter};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("which directory?")?);
    let sandbox = enter()?;
    eprintln!("rung: {}", sandbox.rung());

    let place = tempfile::tempdir()?;
    let upper = Upper { dir: place.path().join("upper"), work: place.path().join("work") };
    std::fs::create_dir(&upper.dir)?;
    std::fs::create_dir(&upper.work)?;
    let overlay = Overlay { lowers: vec![directory], upper: Some(upper), volatile: true };
    let spec = Spec {
        stdin: Stdio::Inherit,
        stdout: Stdio::Inherit,
        stderr: Stdio::Inherit,
        ..Spec::new(Root::Overlay(overlay), arguments.collect())
    };
    let status = sandbox.spawn(&spec)?.wait()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)))
}
