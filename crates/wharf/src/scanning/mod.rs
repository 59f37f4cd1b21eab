//! Scans as commands need them: what the project's settings say, where advisories are, and the gate of a ship.

pub(crate) mod advisories;
pub(crate) mod format;
mod setup;
mod target;

use std::io;
use std::path::Path;

use anyhow::Context;
use wharf_oci::Descriptor;
use wharf_registry::Layout;
use wharf_scan::{DockerfileSource, Outcome, Report, output};

pub(crate) use setup::{Asked, Setup};
pub(crate) use target::{Target, scan};

use crate::exit::{Exit, Failure};
use crate::local;
use crate::settings::project::Project;
use crate::ship::Plan;
use crate::world::World;

/// Scans `image` under the project's policy; says in a few words why it passes.
pub(crate) fn gate(
    world: &World,
    plan: &Plan,
    project: &Project,
    image: &local::Image,
) -> Result<String, Failure> {
    let setup = Setup::new(&Asked::default(), &project.scan, &plan.directory, world)?;
    let text = std::fs::read(plan.directory.join(&plan.dockerfile)).ok();
    let path = plan.dockerfile.display().to_string();
    let dockerfile = text.as_deref().map(|text| DockerfileSource { path: &path, text });
    let report = scan_stored(&world.store, &plan.image.0.to_string(), image, dockerfile, &setup)?;
    if let Some(path) = &project.scan.sarif {
        write(&plan.directory.join(path), &output::sarif(&report, &setup.policy))?;
    }
    let verdict = setup.policy.judge(&report);
    match verdict.outcome {
        Outcome::Pass => Ok(summary(&report)),
        Outcome::Fail => {
            let table = output::table(&report, &setup.policy);
            let what = if verdict.stopping == 1 { "1 finding that stops" } else { "findings that stop" };
            let what = if verdict.stopping == 1 { what.to_owned() } else { format!("{} {what}", verdict.stopping) };
            Err(Failure::gate(format!("the scan found {what} the ship\n{table}"))
                .hint("fix them, or answer for them in .wharfignore; --no-scan ships without the gate"))
        }
        Outcome::Unjudged => Err(Failure::new(
            Exit::Environment,
            anyhow::anyhow!("the scan cannot judge the image: {}", verdict.unjudged.join("; ")),
        )
        .hint("give it advisories: `wharf db update`, or `db` in [scan] of wharf.toml; --no-scan ships without the gate")),
    }
}

/// Scans an image of the store.
pub(crate) fn scan_stored(
    store: &Layout,
    name: &str,
    image: &local::Image,
    dockerfile: Option<DockerfileSource<'_>>,
    setup: &Setup,
) -> Result<Report, Failure> {
    let subject = wharf_scan::Image {
        name,
        digest: &image.descriptor.digest,
        manifest: &image.manifest,
        config: &image.config,
        dockerfile,
    };
    let open = |blob: &Descriptor| -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(store.open_blob(&blob.digest).map_err(io::Error::other)?))
    };
    let mut report = wharf_scan::image(&subject, &open, &setup.options, &setup.database, &setup.shelf)?;
    setup.finish(&mut report)?;
    Ok(report)
}

/// Writes a report to a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    Ok(std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?)
}

fn summary(report: &Report) -> String {
    let packages = report.inventory.packages.len();
    let counts: Vec<String> =
        report.counts().iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
    let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    format!("{packages} packages, {found}")
}
