//! `wharf doctor`: what this host allows, and what would change it.

use serde_json::json;

use wharf_sandbox::Rung;

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::settings::host;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Looks, and says what it sees. Exit code 3 where builds are not possible.
pub(crate) fn run(_args: Args, globals: &Globals) -> Outcome {
    let entered = wharf_sandbox::enter();
    let uid =
        entered.as_ref().map_or_else(|_| rustix::process::getuid().as_raw(), |sandbox| sandbox.caller().0);
    let data_dir = host::data_dir(globals, uid);
    let space = rustix::fs::statvfs(existing(&data_dir)).map(|fs| fs.f_bavail * fs.f_frsize).ok();
    let (rung, refusals) = match &entered {
        Ok(sandbox) => (Some(sandbox.rung().to_string()), sandbox.refusals().to_vec()),
        Err(unavailable) => (None, unavailable.refusals.clone()),
    };
    let overlay = entered.as_ref().ok().map(|sandbox| match std::fs::create_dir_all(&data_dir) {
        Ok(()) => sandbox.probe_overlay(&data_dir).map_err(|error| output::error::chain(&error)),
        Err(error) => Err(format!("{}: {error}", data_dir.display())),
    });
    // Without overlayfs the trees of layers are copied, which takes time and room and works.
    let lacks = entered.as_ref().map_or(&[][..], |sandbox| lacks(sandbox.rung()));
    let runs = entered.as_ref().is_ok_and(|sandbox| sandbox.require_processes().is_ok());
    let usable = runs && (matches!(overlay, Some(Ok(()))) || data_dir.is_dir());
    if globals.json {
        output::print_json(&json!({
            "usable": usable,
            "sandbox": rung,
            "lacks": lacks,
            "refused": refusals.iter().map(|r| json!({ "rung": r.rung.to_string(), "reason": r.reason })).collect::<Vec<_>>(),
            "overlay": overlay.as_ref().map(|result| result.as_ref().err()),
            "dataDir": data_dir,
            "freeBytes": space,
        }))?;
    } else {
        let mut lines = vec![format!(
            "sandbox   {}",
            rung.as_deref().unwrap_or("none: this host lets wharf run nothing")
        )];
        lines.extend(
            refusals.iter().map(|refusal| format!("          not {}: {}", refusal.rung, refusal.reason)),
        );
        lines.extend(lacks.iter().map(|what| format!("          lacks {what}")));
        lines.push(match &overlay {
            Some(Ok(())) => "overlay   works".to_owned(),
            Some(Err(reason)) if usable => {
                format!(
                    "overlay   does not work: {reason}\n          so the files below a step are copied for it"
                )
            }
            Some(Err(reason)) => format!("overlay   does not work: {reason}"),
            None => "overlay   not tried".to_owned(),
        });
        let space =
            space.map_or_else(|| "unknown".to_owned(), |free| format!("{} free", output::size::bytes(free)));
        lines.push(format!("data      {}, {space}", data_dir.display()));
        lines.push(format!("logins    {}", host::docker_config().display()));
        output::print(&(lines.join("\n") + "\n"))?;
    }
    Ok(if usable { Exit::Done } else { Exit::Environment })
}

/// What a build on this rung does without.
fn lacks(rung: Rung) -> &'static [&'static str] {
    match rung {
        Rung::Root => &[],
        Rung::SubIds => &["devices in layers"],
        Rung::SingleId => &["files of other users than root in a RUN"],
        Rung::Chroot => &[
            "/proc and /sys in a RUN",
            "--network=none, --memory and --cpu-quota",
            "a filter of system calls of its own",
            "--host-ca",
            "wharf run",
        ],
        Rung::Files => &["RUN that is not in a cache (COPY, ADD, WORKDIR and pushing work)", "wharf run"],
    }
}

/// The nearest directory that exists.
fn existing(path: &std::path::Path) -> &std::path::Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path)
}
