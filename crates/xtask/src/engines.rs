//! Docker engines for the tests of remote builds, unpacked from Debian's packages (`crates/testkit/src/engine`).

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{command, root, target_dir};

/// The directory that holds them, filled where it is not yet.
pub(crate) fn ensure() -> Result<PathBuf> {
    let directory = target_dir().join("wharf-engines");
    let script = root().join("crates/testkit/src/engine/install.sh");
    command("sh", &[script, directory.clone()]).run()?;
    Ok(directory)
}
