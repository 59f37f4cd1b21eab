//! Scans as commands need them: what the project's settings say, where advisories are, and the gate of a ship.

pub(crate) mod advisories;
pub(crate) mod alerts;
pub(crate) mod attest;
pub(crate) mod engines;
pub(crate) mod format;
pub(crate) mod github;
mod setup;
mod target;
mod witness;

use std::io;
use std::path::Path;

use anyhow::Context;
use wharf_oci::{Descriptor, Digest};
use wharf_registry::Layout;
use wharf_scan::{BuildContext, DockerfileSource, Outcome, Report, output};

use attest::Attestation;
pub(crate) use setup::{Answers, Asked, Setup};
pub(crate) use target::{Target, scan};
pub(crate) use witness::witness;

use crate::exit::{Exit, Failure};
use crate::local;
use crate::settings::project::{Alerts, Project};
use crate::ship::Plan;
use crate::world::World;

/// What the gate found where it lets an image pass.
pub(crate) struct Passed {
    /// In a few words.
    pub(crate) detail: String,
    /// To be put beside the image once it is published.
    pub(crate) attestation: Attestation,
}

/// Scans `image` under the project's policy. `subject` is the digest that is published.
pub(crate) fn gate(
    world: &World,
    plan: &Plan,
    project: &Project,
    image: &local::Image,
    subject: &Digest,
) -> Result<Passed, Failure> {
    let setup = Setup::new(&Asked::default(), &project.scan, &plan.directory, world)?;
    let text = std::fs::read(plan.directory.join(&plan.dockerfile)).ok();
    let path = plan.dockerfile.display().to_string();
    let context =
        BuildContext::read(&plan.directory.join(&plan.context), &plan.directory.join(&plan.dockerfile));
    let source = |text| DockerfileSource { path: &path, text, context: Some(&context) };
    let dockerfile = text.as_deref().map(source);
    let name = plan.image.0.to_string();
    let report = scan_image(Judges::Named(world), &name, image, dockerfile, &setup)?;
    if let Some(path) = &project.scan.sarif {
        write(&plan.directory.join(path), &output::sarif(&report, &setup.policy))?;
    }
    if project.scan.upload {
        upload(&report, &setup, world)?;
    }
    alert(&project.scan.alerts, &name, &report, &setup, world)?;
    let verdict = setup.policy.judge(&report);
    match verdict.outcome {
        Outcome::Pass => {
            let attestation = Attestation::new(&report, &setup.policy, subject, setup.database.as_of());
            Ok(Passed { detail: summary(&report), attestation })
        }
        Outcome::Fail => {
            let table = output::table(&report, &setup.policy);
            let what = match verdict.stopping {
                1 => "1 finding that stops".to_owned(),
                several => format!("{several} findings that stop"),
            };
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

/// Posts SARIF to code scanning. Where the repository does not take it, that is a warning, and the job's summary has it.
pub(crate) fn upload(report: &Report, setup: &Setup, world: &World) -> Result<(), Failure> {
    let github = github::GitHub::from_environment()?;
    let sarif = output::sarif(report, &setup.policy);
    match world.runtime.block_on(github.upload(&sarif))? {
        github::Uploaded::Done { id } => world.progress.note(&format!("code scanning has the report ({id})")),
        github::Uploaded::Refused { why } => {
            world.progress.note(&format!("warning: code scanning does not take the report: {why}"));
            github::summarize(&output::markdown(report, &setup.policy))?;
        }
    }
    Ok(())
}

/// Tells what is new and stops a ship.
pub(crate) fn alert(
    settings: &Alerts,
    name: &str,
    report: &Report,
    setup: &Setup,
    world: &World,
) -> Result<(), Failure> {
    if settings.webhook.is_none() && settings.slack.is_none() && !settings.github_issue {
        return Ok(());
    }
    let memory = alerts::Memory::of(name, world);
    alerts::tell(settings, name, report, &setup.policy, memory, world).map(drop)
}

/// Who judges an image of a store.
#[derive(Clone, Copy)]
pub(crate) enum Judges<'a> {
    /// The built-in scanner, whatever engines the setup names.
    Builtin(&'a Layout),
    /// All that the setup names.
    Named(&'a World),
}

/// Scans an image of a store.
pub(crate) fn scan_image(
    judges: Judges<'_>,
    name: &str,
    image: &local::Image,
    dockerfile: Option<DockerfileSource<'_>>,
    setup: &Setup,
) -> Result<Report, Failure> {
    let store = match judges {
        Judges::Builtin(store) => store,
        Judges::Named(world) => &world.store,
    };
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
    if let Judges::Named(world) = judges
        && !setup.engines.is_empty()
    {
        engines::consult(&setup.engines, image, &mut report, world)?;
    }
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
    let noun = if packages == 1 { "package" } else { "packages" };
    format!("{packages} {noun}, {found}")
}
