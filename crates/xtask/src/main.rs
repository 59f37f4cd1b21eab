//! The index of tasks: `cargo xtask TASK`.
//!
//! ```text
//! demo          build wharf and ship examples/churn-model to two registries
//! test          everything CI runs: format, clippy, tidy, all tests, the public conformance shares
//! prepare       install the system packages that demo and tests need
//! bases         make the base images of the example where Docker Hub cannot be reached
//! tidy          check the architecture: crate edges, file sizes, docs
//! conformance   run the public conformance shares against the built binary
//! bench         measure the builder on the workloads of docs/performance.md
//! docs          write docs/reference/cli.md from the code
//! bless         accept the current output as the golden one (snapshots)
//! ```

mod bases;
mod bench;
mod conformance;
mod demo;
mod engines;
mod moto;
mod registries;
mod shell;
mod suite;
mod system;
mod tidy;
mod validators;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str =
    "usage: cargo xtask demo | test | prepare | bases | tidy | conformance | bench | docs | bless";

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    match run(&task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes what is generated from the code.
fn docs() -> Result<()> {
    let reference = shell::command(shell::build_wharf("debug")?, &["reference"]).read()?;
    std::fs::write(shell::root().join("docs/reference/cli.md"), reference + "\n")?;
    Ok(())
}

fn run(task: &str) -> Result<ExitCode> {
    match task {
        "demo" => demo::run()?,
        "test" => return suite::run(),
        "prepare" => system::prepare()?,
        "bases" => println!("{}", bases::ensure(&shell::build_wharf("debug")?)?.display()),
        "tidy" => tidy::run()?,
        "conformance" => return Ok(conformance::run(&shell::build_wharf("debug")?)?.exit_code()),
        "bench" => bench::run()?,
        "docs" => docs()?,
        "bless" => shell::cargo(&["test", "--workspace"]).env("INSTA_UPDATE", "always").run()?,
        _ => bail!("{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
