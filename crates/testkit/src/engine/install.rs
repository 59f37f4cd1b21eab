//! Where the engines' programs are, and how they come there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the test set-up has put them; its saying so is a promise that they run.
const PLACE: &str = "WHARF_TEST_ENGINES";

const SCRIPT: &str = include_str!("install.sh");

/// The directory with the programs of all releases.
pub(crate) fn ensure() -> Result<PathBuf, String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n");
    if !root {
        return Err("an engine needs root".into());
    }
    for program in ["ip", "unshare", "flock", "apt-get", "dpkg-deb"] {
        if !on_path(program) {
            return Err(format!("there is no `{program}`"));
        }
    }
    let place = std::env::var_os(PLACE).map(PathBuf::from).or_else(beside_the_tests);
    let place = place.ok_or("the test program lies in no target directory")?;
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "install.sh"]).arg(&place).stdin(Stdio::null());
    let output = shell.output().map_err(|error| format!("starting a shell: {error}"))?;
    match output.status.success() {
        true => Ok(place),
        false => {
            Err(format!("the engines cannot be installed:\n{}", String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Whether the test set-up has said that there are engines.
pub(super) fn promised() -> bool {
    std::env::var_os(PLACE).is_some()
}

/// `target/wharf-engines`, seen from a test program in `target/PROFILE/deps`.
fn beside_the_tests() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().nth(3).map(|target| target.join("wharf-engines"))
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|place| place.join(program).exists())
}
