//! `moto`, a stand-in for Amazon's API, in a Python environment of its own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell::{command, target_dir};

/// What is installed; the version is part of the stamp.
const REQUIREMENT: &str = "moto[ecr,sts,server]==5.2.5";

/// The server's program, installed where it is not there yet.
pub(crate) fn ensure() -> Result<PathBuf> {
    let directory = target_dir().join("wharf-moto");
    let (stamp, program) = (directory.join("requirement"), directory.join("bin/moto_server"));
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == REQUIREMENT) {
        return Ok(program);
    }
    println!("installing {REQUIREMENT} into {}", directory.display());
    let at = directory.display().to_string();
    command("python3", &["-m", "venv", "--clear", &at]).run().context("making a Python environment")?;
    command(directory.join("bin/pip"), &["install", "--quiet", "--disable-pip-version-check", REQUIREMENT])
        .run()?;
    std::fs::write(&stamp, REQUIREMENT)?;
    Ok(program)
}
