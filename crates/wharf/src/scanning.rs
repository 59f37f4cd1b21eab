//! The scan gate of a ship.

use std::io;
use std::path::Path;

use anyhow::Context;
use wharf_oci::Descriptor;
use wharf_scan::{Checks, Database, Options, Outcome, Policy, Report, Severity, Unfixed, output};

use crate::exit::{Exit, Failure, OrFail};
use crate::local;
use crate::settings::project::{self, Project};
use crate::ship::Plan;
use crate::world::World;

/// Scans `image` under the project's policy; says in a few words why it passes.
pub(crate) fn gate(
    world: &World,
    plan: &Plan,
    project: &Project,
    image: &local::Image,
) -> Result<String, Failure> {
    let database = database(&plan.directory, &project.scan)?;
    let policy = policy(&project.scan)?;
    let options = Options { checks: Checks::default(), ..Options::default() };
    let dockerfile = std::fs::read(plan.directory.join(&plan.dockerfile)).ok();
    let dockerfile_path = plan.dockerfile.display().to_string();
    let subject = wharf_scan::Image {
        name: &plan.image.0.to_string(),
        digest: &image.descriptor.digest,
        manifest: &image.manifest,
        config: &image.config,
        dockerfile: dockerfile
            .as_deref()
            .map(|text| wharf_scan::DockerfileSource { path: &dockerfile_path, text }),
    };
    let open = |blob: &Descriptor| -> io::Result<Box<dyn io::Read + Send>> {
        Ok(Box::new(world.store.open_blob(&blob.digest).map_err(io::Error::other)?))
    };
    let report = wharf_scan::image(&subject, &open, &options, &database)?;
    let verdict = policy.judge(&report);
    if let Some(path) = &project.scan.sarif {
        let path = plan.directory.join(path);
        let sarif = output::sarif(&report, &policy);
        std::fs::write(&path, sarif).with_context(|| format!("writing {}", path.display()))?;
    }
    match verdict.outcome {
        Outcome::Pass => Ok(summary(&report)),
        Outcome::Fail => {
            let table = output::table(&report, &policy);
            Err(Failure::gate(format!(
                "the scan found {} findings that stop the ship\n{table}",
                verdict.stopping
            ))
            .hint("fix them, or raise `fail-on` in [scan] of wharf.toml; --no-scan ships without the gate"))
        }
        Outcome::Unjudged => Err(Failure::new(
            Exit::Environment,
            anyhow::anyhow!("the scan cannot judge the image: {}", verdict.unjudged.join("; ")),
        )
        .hint("give it advisories: `db` in [scan] of wharf.toml; --no-scan ships without the gate")),
    }
}

fn summary(report: &Report) -> String {
    let packages = report.inventory.packages.len();
    let counts: Vec<String> =
        report.counts().iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
    let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    format!("{packages} packages, {found}")
}

/// The advisories that the project names; none is an empty database, which judges nothing.
fn database(directory: &Path, settings: &project::Scan) -> Result<Database, Failure> {
    match &settings.db {
        Some(db) => Ok(Database::open(&directory.join(db))?),
        None => Ok(Database::default()),
    }
}

fn policy(settings: &project::Scan) -> Result<Policy, Failure> {
    let unfixed = settings.unfixed.as_deref().map(str::parse::<Unfixed>).transpose();
    let unfixed =
        unfixed.map_err(|why| Failure::usage(format!("`unfixed` in [scan]: {why}")))?.unwrap_or_default();
    match &settings.fail_on {
        Some(text) => Ok(Policy::at(text.parse::<Severity>().or_usage()?, unfixed)),
        None => Ok(Policy { unfixed, ..Policy::default() }),
    }
}
