//! Other people's readers of the documents that wharf writes, in a Python environment of their own; and SARIF's schema, which
//! comes with a package of npm's.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell::{command, target_dir};

/// What is installed; the versions are part of the stamp.
const REQUIREMENTS: [&str; 3] =
    ["cyclonedx-python-lib[json-validation]==11.12.0", "spdx-tools==0.8.5", "jsonschema==4.26.0"];
const SARIF: &str = "@microsoft/jest-sarif@1.0.0-beta.0";
/// Where npm's registry has it.
const SARIF_ARCHIVE: &str = "https://registry.npmjs.org/@microsoft/jest-sarif/-/jest-sarif-1.0.0-beta.0.tgz";

/// The directory of the environment, made where it is not there yet.
pub(crate) fn ensure() -> Result<PathBuf> {
    let directory = target_dir().join("wharf-validators");
    let (stamp, wanted) = (directory.join("requirements"), format!("{} {SARIF}", REQUIREMENTS.join(" ")));
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(directory);
    }
    println!("installing {wanted} into {}", directory.display());
    let at = directory.display().to_string();
    command("python3", &["-m", "venv", "--clear", &at]).run().context("making a Python environment")?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    command(directory.join("bin/pip"), &[&pip[..], &REQUIREMENTS[..]].concat()).run()?;
    // npm knows how its registry is reached from here; Debian's nodejs comes without it.
    let archive = directory.join("sarif.tgz").display().to_string();
    let schema = match command("npm", &["view", SARIF, "dist.tarball"]).read() {
        Ok(url) if !url.is_empty() => url,
        _ => SARIF_ARCHIVE.to_owned(),
    };
    command("curl", &["--fail", "--silent", "--show-error", "--location", "--output", &archive, &schema])
        .run()
        .context("fetching SARIF's schema")?;
    let member = "package/lib/schemas/sarif-2.1.0-rtm.5.json";
    command("tar", &["xzf", &archive, "-C", &at, "--strip-components=3", member]).run()?;
    std::fs::write(&stamp, wanted)?;
    Ok(directory)
}
