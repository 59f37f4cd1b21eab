//! The public shares of the conformance corpora, where they are there (`../shared/conformance`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{command, root, target_dir};

/// How many cases must agree. A lower number is a step back and fails; a higher one is written here.
const FLOORS: [(&str, u64); 2] = [("metadata", 579), ("dockerfile", 166)];

/// What the shares agreed on.
#[derive(Default)]
pub(crate) struct Score {
    /// Per share: its name and the runner's last line, `N/M agree`.
    pub(crate) lines: Vec<(String, String)>,
    /// Cases that agree.
    pub(crate) agreed: u64,
    /// Cases below the floor of their share.
    pub(crate) lost: u64,
}

impl Score {
    /// Failure where a share fell below its floor.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
        // A store of its own: what another version of wharf cached is not what this one makes.
        let data = target_dir().join("conformance-data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let run = command("python3", &["-B"]).arg(runner).args(args);
        let output = run.env("WHARF_DATA_DIR", &data).output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}{}", String::from_utf8_lossy(&output.stderr));
        let last = printed.lines().rev().find(|line| line.ends_with(" agree")).unwrap_or("0/? agree");
        let agreed: u64 = last.split('/').next().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
        let floor = FLOORS.iter().find(|(share, _)| *share == name).map_or(0, |(_, floor)| *floor);
        self.agreed += agreed;
        self.lost += floor.saturating_sub(agreed);
        self.lines.push((name.to_owned(), format!("{last} (at least {floor} must)")));
        Ok(())
    }
}

/// The folder of the shares: beside the repository, or where the environment says.
fn shares() -> Option<PathBuf> {
    let beside = root().parent().map(|parent| parent.join("shared/conformance"));
    let folder = std::env::var_os("WHARF_CONFORMANCE").map(PathBuf::from).or(beside)?;
    folder.is_dir().then_some(folder)
}
