//! The public conformance cases on a builder: it gives what BuildKit gave when the cases were recorded, and so what wharf
//! gives here, where `cargo xtask test` runs all of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine;
use crate::world::WHARF;

/// Those that the engine's BuildKit of 2024 can give. The others need what came later: flags (`--exclude`, `--parents`,
/// `--unpack`), checks, values of `ARG` in history, modes of directories that `--chmod` makes.
const CASES: &str = include_str!("conformance.cases");

/// The corpus's server answers what it does not understand in HTTP/0.9, without a status line. A Docker engine tries
/// TLS first, takes a status line for a registry without, and anything else for a broken one.
const RUN: &str = "import http.server, runpy, sys\n\
    http.server.BaseHTTPRequestHandler.default_request_version = 'HTTP/1.0'\n\
    sys.argv = sys.argv[1:]\n\
    runpy.run_path(sys.argv[0], run_name='__main__')\n";

/// The corpus: beside the repository, or where the environment says.
fn corpus() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let beside = repository.parent().map(|parent| parent.join("shared/conformance"));
    let folder = std::env::var_os("WHARF_CONFORMANCE").map(PathBuf::from).or(beside)?;
    Some(folder.join("dockerfile/conformance.py")).filter(|script| script.is_file())
}

#[test]
fn a_builder_gives_the_images_that_are_given_here() {
    let engine = engine!();
    let Some(script) = corpus() else { crate::skip!("there is no ../shared/conformance") };
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command.args(["-B", "-c", RUN]).arg(&script);
    command.args(["check", "--wharf", WHARF, "--jobs", "4", "--level", "layers", "--time-limit", "900"]);
    command.arg("--cache").arg(scratch.path().join("bases")).args(CASES.lines());
    command.env("WHARF_DATA_DIR", scratch.path().join("data")).env("WHARF_BUILDER", engine.address());
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(
        ran.status.success() && said.contains(&format!("{0}/{0} agree", CASES.lines().count())),
        "{said}"
    );
}
