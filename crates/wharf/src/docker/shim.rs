//! `wharf docker install-shim DIR`: a `docker` that is wharf, for scripts that look for it on `PATH`.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context, anyhow};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// What `install-shim` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A directory, which must come on PATH before any other `docker`
    directory: PathBuf,
    /// Replace a `docker` that is something else
    #[arg(short, long)]
    force: bool,
}

/// Puts a link to this binary there.
pub(crate) fn run(args: Args) -> Outcome {
    let binary = std::env::current_exe().context("finding wharf's own binary")?;
    let link = args.directory.join("docker");
    std::fs::create_dir_all(&args.directory)
        .with_context(|| format!("creating {}", args.directory.display()))?;
    if link.symlink_metadata().is_ok() {
        let ours = std::fs::canonicalize(&link).is_ok_and(|target| target == binary);
        if !ours && !args.force {
            return Err(Failure::from(anyhow!("{} is there already, and is not wharf", link.display()))
                .hint("choose another directory, or say --force to replace it"));
        }
        std::fs::remove_file(&link).with_context(|| format!("removing {}", link.display()))?;
    }
    symlink(&binary, &link).with_context(|| format!("creating {}", link.display()))?;
    output::print(&format!("{} is wharf\n", link.display()))?;
    if let Some(other) = earlier(&link) {
        let note = format!(
            "note: {} comes before it on PATH; say PATH={}:$PATH\n",
            other.display(),
            args.directory.display()
        );
        // The link is made all the same.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), note.as_bytes());
    }
    Ok(Exit::Done)
}

/// The `docker` that would be found instead.
fn earlier(link: &std::path::Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found =
        std::env::split_paths(&path).map(|directory| directory.join("docker")).find(|file| file.exists())?;
    let same = std::fs::canonicalize(&found).ok() == std::fs::canonicalize(link).ok();
    (!same).then_some(found)
}
