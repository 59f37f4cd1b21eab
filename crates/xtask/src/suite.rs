//! Everything CI runs, in the order in which it fails fastest, with one summary at the end.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::shell::{cargo, target_dir};
use crate::{bases, conformance, moto, shell, system, tidy};

/// Counts over all test binaries.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs the suite.
pub(crate) fn run() -> Result<ExitCode> {
    system::prepare().context("preparing the machine")?;
    cargo(&["fmt", "--all", "--check"]).run()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()?;
    tidy::run()?;

    let wharf = shell::build_wharf("debug")?;
    let bases = bases::ensure(&wharf).context("making the base images")?;
    let moto = moto::ensure().context("installing moto")?;
    let mut tally = tests(&bases, &moto)?;
    let score = conformance::run(&wharf)?;

    println!();
    for (name, line) in &score.lines {
        println!("conformance {name}: {line}");
    }
    tally.passed += score.agreed;
    tally.failed += score.lost;
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All of cargo's tests. Their output is shown as it comes, and read for the counts and for the lines in
/// which a test says why it could not run.
fn tests(bases: &std::path::Path, moto: &std::path::Path) -> Result<Tally> {
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"])
        .env("WHARF_TEST_BASES", bases)
        .env("WHARF_TEST_MOTO", moto)
        .env("CARGO_TARGET_DIR", target_dir())
        .into_inner();
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().context("starting cargo test")?;
    let mut tally = Tally::default();
    let mut skips = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)) {
            let line = line?;
            tally.count(&line);
            // Some say `skipped: why`, and those that run in a process of their own `skipped NAME: why`.
            if line.starts_with("skipped: ") || line.starts_with("skipped ") {
                skips.push(line.clone());
            }
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        // It did not build, or a test binary died: no line says so, the exit code does.
        tally.failed += 1;
    }
    for skip in &skips {
        println!("{skip}");
    }
    tally.skipped += skips.len() as u64;
    tally.passed -= tally.passed.min(skips.len() as u64);
    Ok(tally)
}

impl Tally {
    /// Adds the counts of a line such as `test result: ok. 14 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        for part in rest.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((n, "passed")) => self.passed += n.parse::<u64>().unwrap_or(0),
                Some((n, "failed")) => self.failed += n.parse::<u64>().unwrap_or(0),
                Some((n, "ignored")) => self.skipped += n.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
}
