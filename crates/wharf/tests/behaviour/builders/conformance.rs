//! The public conformance cases on a builder: what wharf gives there is what it gives here, and what BuildKit gave
//! when the cases were recorded.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine;
use crate::world::WHARF;

/// Those that an engine of 2024 on a network of its own can give: it knows no later flags, writes no values of `ARG` into
/// history, and does not reach the loopback on which the corpus serves its bases.
const CASES: [&str; 5] = [
    "copy-symlink-in-dir-kept",
    "ignore-not-for-stages",
    "parse-error-no-from",
    "run-error-child-signal",
    "stage-copy-from-name",
];

/// The corpus: beside the repository, or where the environment says.
fn corpus() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let beside = repository.parent().map(|parent| parent.join("shared/conformance"));
    let folder = std::env::var_os("WHARF_CONFORMANCE").map(PathBuf::from).or(beside)?;
    Some(folder.join("dockerfile/conformance.py")).filter(|script| script.is_file())
}

#[test]
fn the_same_image_comes_from_here_and_from_a_builder() {
    let engine = engine!();
    let Some(script) = corpus() else { crate::skip!("there is no ../shared/conformance") };
    let scratch = tempfile::tempdir().unwrap();
    let check = |place: &str| -> (bool, String) {
        let mut command = Command::new("python3");
        command.arg("-B").arg(&script).args(["check", "--wharf", WHARF, "--jobs", "2", "--level", "layers"]);
        command.arg("--cache").arg(scratch.path().join("bases")).args(CASES);
        command.env("WHARF_DATA_DIR", scratch.path().join("data")).env("WHARF_BUILDER", place);
        let ran = command.output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    for place in ["default", &engine.address()] {
        let (agree, said) = check(place);
        assert!(agree, "at {place}:\n{said}");
        assert!(said.contains(&format!("{0}/{0} agree", CASES.len())), "at {place}:\n{said}");
    }
}
