//! The public shares of the conformance corpora, where they are there (`../shared/conformance`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{command, root, target_dir};

/// What the shares agreed on.
#[derive(Default)]
pub(crate) struct Score {
    /// Per share: its name and the runner's last line, `N/M agree`.
    pub(crate) lines: Vec<(String, String)>,
    /// Cases that agree.
    pub(crate) agreed: u64,
    /// Cases that do not.
    pub(crate) differed: u64,
}

impl Score {
    /// Failure where anything differs.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.differed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs every share there is against `wharf`.
pub(crate) fn run(wharf: &Path) -> Result<Score> {
    let mut score = Score::default();
    let Some(shares) = shares() else {
        println!("conformance: skipped, there is no ../shared/conformance beside the repository");
        return Ok(score);
    };
    let cache = target_dir().join("conformance-cache").display().to_string();
    let wharf = wharf.display().to_string();
    score.add("metadata", &shares.join("metadata/check.py"), &[&wharf])?;
    let dockerfile = ["check", "--wharf", &wharf, "--cache", &cache, "--jobs", "2"];
    score.add("dockerfile", &shares.join("dockerfile/conformance.py"), &dockerfile)?;
    Ok(score)
}

impl Score {
    fn add(&mut self, name: &str, runner: &Path, args: &[&str]) -> Result<()> {
        println!("conformance: {name}");
        let output = command("python3", &["-B"]).arg(runner).args(args).output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}{}", String::from_utf8_lossy(&output.stderr));
        let last = printed.lines().rev().find(|line| line.ends_with(" agree")).unwrap_or("0/1 agree");
        let (agreed, total) = last.trim_end_matches(" agree").split_once('/').unwrap_or(("0", "1"));
        let (agreed, total): (u64, u64) = (agreed.trim().parse().unwrap_or(0), total.trim().parse().unwrap_or(1));
        self.agreed += agreed;
        self.differed += total - agreed;
        self.lines.push((name.to_owned(), last.to_owned()));
        Ok(())
    }
}

/// The folder of the shares: beside the repository, or where the environment says.
fn shares() -> Option<PathBuf> {
    let beside = root().parent().map(|parent| parent.join("shared/conformance"));
    let folder = std::env::var_os("WHARF_CONFORMANCE").map(PathBuf::from).or(beside)?;
    folder.is_dir().then_some(folder)
}
