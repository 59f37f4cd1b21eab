//! Everything CI runs, in the order in which it fails fastest, with one summary at the end.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::shell::{cargo, target_dir};
use crate::{bases, conformance, engines, moto, shell, system, tidy, validators};

/// More failures than this are no coincidence, and are not tried again.
const CHANCE_MAX: usize = 5;

/// Counts over all test binaries.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// The names of those that failed.
    failures: Vec<String>,
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
    // Without them the tests that need them say that they are skipped.
    let validators = validators::ensure().unwrap_or_else(|error| {
        println!("no validators: {error:#}");
        Default::default()
    });
    let engines = engines::ensure().unwrap_or_else(|error| {
        println!("no Docker engines: {error:#}");
        Default::default()
    });
    let peers: [(&str, &Path); 4] = [
        ("WHARF_TEST_BASES", &bases),
        ("WHARF_TEST_MOTO", &moto),
        ("WHARF_TEST_VALIDATORS", &validators),
        ("WHARF_TEST_ENGINES", &engines),
    ];
    let mut tally = tests(&peers, &[])?;
    let unsteady = second_try(&mut tally, |names| tests(&peers, names))?;
    let score = conformance::run(&wharf)?;

    println!();
    for (name, line) in &score.lines {
        println!("conformance {name}: {line}");
    }
    for name in &unsteady {
        println!("unsteady: {name} passed only at the second try");
    }
    tally.passed += score.agreed;
    tally.failed += score.lost;
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs what failed once more, alone: what then passes was disturbed by the load of the first run, and is told from
/// what is broken. It returns the names of those, and leaves the others in the count of the failed.
fn second_try(tally: &mut Tally, run: impl FnOnce(&[String]) -> Result<Tally>) -> Result<Vec<String>> {
    let failures = std::mem::take(&mut tally.failures);
    if failures.is_empty() || failures.len() > CHANCE_MAX || failures.len() as u64 != tally.failed {
        return Ok(Vec::new());
    }
    let again = run(&failures)?;
    // A name that is not run again is no success; one that two binaries share may be counted twice.
    let unsteady: Vec<String> = failures.into_iter().filter(|name| !again.failures.contains(name)).collect();
    if again.passed + again.failed < tally.failed {
        return Ok(Vec::new());
    }
    tally.passed += unsteady.len() as u64;
    tally.failed -= unsteady.len() as u64;
    Ok(unsteady)
}

/// All of cargo's tests, or those of these names. Their output is shown as it comes, and read for the counts and for
/// the lines in which a test says why it could not run. `peers` are what was made for them, and the names they know it
/// by.
fn tests(peers: &[(&str, &Path)], only: &[String]) -> Result<Tally> {
    let mut run = cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"]);
    if !only.is_empty() {
        run = run.arg("--exact").args(only);
    }
    let run = peers.iter().fold(run, |run, (name, place)| run.env(name, place));
    let mut command = run.env("CARGO_TARGET_DIR", target_dir()).into_inner();
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
    /// Adds what a line says, such as `test result: ok. 14 passed; 0 failed; 1 ignored; …` or `test name ... FAILED`.
    fn count(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.count(line));
        tally
    }

    #[test]
    fn what_passes_alone_is_unsteady_and_what_fails_again_has_failed() {
        let mut first = tally(&[
            "test a::disturbed ... FAILED",
            "test b::broken ... FAILED",
            "test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured",
        ]);
        let again = ["test b::broken ... FAILED", "test result: FAILED. 1 passed; 1 failed; 0 ignored"];
        let unsteady = second_try(&mut first, |_| Ok(tally(&again))).unwrap();
        assert_eq!(unsteady, ["a::disturbed"]);
        assert_eq!((first.passed, first.failed, first.skipped), (8, 1, 1));
    }

    #[test]
    fn a_test_that_does_not_run_again_and_one_that_died_unnamed_stay_failed() {
        let lost = ["test a::lost ... FAILED", "test result: FAILED. 0 passed; 1 failed; 0 ignored"];
        let mut first = tally(&lost);
        assert!(second_try(&mut first, |_| Ok(Tally::default())).unwrap().is_empty());
        assert_eq!(first.failed, 1);
        let mut died = Tally { failed: 1, ..Tally::default() };
        assert!(second_try(&mut died, |_| panic!("there is no name to run")).unwrap().is_empty());
    }
}
