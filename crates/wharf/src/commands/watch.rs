//! `wharf watch`: released images against new advisories, without pulling them.

use std::path::Path;

use serde::Serialize;
use wharf_ledger::latest;
use wharf_oci::{Digest, Reference};
use wharf_registry::{Name, Store};
use wharf_scan::{Report, output};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output as out;
use crate::scanning::{Asked, Setup, alerts, attest};
use crate::settings::{host, project};
use crate::ship::places;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Repositories, or images in them by tag or digest; a repository means what its environments run and what was
    /// shipped last [default: every push
    /// target of wharf.toml]
    images: Vec<String>,
    /// Advisories [default: `db` in [scan] of wharf.toml, else what `wharf db update` fetched]
    #[arg(long, value_name = "PATH")]
    db: Option<String>,
    /// Tell nobody
    #[arg(long)]
    no_alerts: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Watched {
    image: String,
    digest: String,
    /// When it was scanned.
    scanned: String,
    /// What is known now and stops a ship, and was not told before.
    news: Vec<wharf_scan::Finding>,
    /// How much stops a ship in all.
    stopping: usize,
    alerts: usize,
}

/// Matches, tells, and ends with 1 where something in production has turned vulnerable.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let directory = Path::new(".");
    let project = project::read(directory)?;
    let asked = Asked { db: args.db.clone(), ..Asked::default() };
    let setup = Setup::new(&asked, &project.scan, directory, &world)?;
    let images = match args.images.is_empty() {
        false => {
            args.images.iter().map(|name| name.parse().or_usage()).collect::<Result<Vec<Reference>, _>>()?
        }
        true => from_project(directory, &project)?,
    };
    let mut all = Vec::new();
    for image in &images {
        let store = world.client.repository(image)?;
        for digest in resolve(image, &store, &world)? {
            all.push(watch(image, &store, digest, &args, &project, &setup, &world)?);
        }
    }
    let (watched, reports): (Vec<Watched>, Vec<Report>) = all.into_iter().unzip();
    match globals.json {
        true => out::print_json(&watched)?,
        false => {
            let text = watched.iter().zip(&reports).map(|(watched, report)| render(watched, report, &setup));
            out::print(&text.collect::<String>())?;
        }
    }
    Ok(if watched.iter().all(|watched| watched.news.is_empty()) { Exit::Done } else { Exit::Gate })
}

fn from_project(directory: &Path, project: &project::Project) -> Result<Vec<Reference>, Failure> {
    let snapshot = crate::snapshot::capture(directory, &std::env::vars().collect())?;
    let image = crate::ship::image_name(directory, project, &snapshot)?;
    let places = places(project, &image, &host::variable)?;
    if places.is_empty() {
        return Err(Failure::usage("wharf.toml names no registry to watch")
            .hint("say which repository: wharf watch registry.example/org/model"));
    }
    Ok(places)
}

fn watch(
    image: &Reference,
    store: &wharf_registry::Repository,
    digest: Digest,
    args: &Args,
    project: &project::Project,
    setup: &Setup,
    world: &World,
) -> Result<(Watched, Report), Failure> {
    let attested = world.runtime.block_on(attest::newest(store, &digest)).map_err(super::registry_failure)?;
    let attested = attested.ok_or_else(|| {
        Failure::new(Exit::Environment, anyhow::anyhow!("{}@{digest} has no stored inventory", image.name()))
            .hint("`wharf ship` stores one; for an image of another origin: wharf scan IMAGE --attach REFERENCE")
    })?;
    let name = image.name().to_string();
    let mut report =
        wharf_scan::rematch(&name, digest.as_ref(), attested.inventory, &setup.options, &setup.database);
    setup.finish(&mut report)?;
    let mut memory = alerts::Memory::of(&format!("{name}@{digest}"), world);
    // What stood against it when it was scanned was decided upon then.
    memory.know(report.findings.iter().filter(|finding| attested.stopping.contains(&finding.rule)));
    let news: Vec<wharf_scan::Finding> = memory.news(&report, &setup.policy).into_iter().cloned().collect();
    let sent = match args.no_alerts {
        true => 0,
        false => alerts::tell(&project.scan.alerts, &name, &report, &setup.policy, memory, world)?,
    };
    let stopping = setup.policy.judge(&report).stopping;
    let scanned = attested.time.to_string();
    Ok((Watched { image: name, digest: digest.to_string(), scanned, news, stopping, alerts: sent }, report))
}

/// The digests that a name means; of a repository alone, what runs in its environments and what was shipped last.
fn resolve(
    image: &Reference,
    store: &wharf_registry::Repository,
    world: &World,
) -> Result<Vec<Digest>, Failure> {
    if let Some(digest) = image.digest() {
        return Ok(vec![digest.clone()]);
    }
    if let Some(tag) = image.tag() {
        let head = world.runtime.block_on(store.head(Name::Tag(tag))).map_err(super::registry_failure)?;
        let head = head.ok_or_else(|| anyhow::anyhow!("there is no image `{image}`"))?;
        return Ok(vec![head.digest]);
    }
    let released = world.runtime.block_on(released(store)).map_err(|error| anyhow::anyhow!(error))?;
    if released.is_empty() {
        return Err(anyhow::anyhow!("nothing was shipped to {}", image.name()).into());
    }
    Ok(released)
}

/// What the logs of a repository say is out, each digest once.
async fn released(store: &dyn Store) -> Result<Vec<Digest>, wharf_ledger::ViewError> {
    let mut digests: Vec<Digest> = Vec::new();
    for log in wharf_ledger::logs(store).await? {
        let Some(newest) = latest(store, &log).await? else { continue };
        let current = newest.record.state.as_ref().and_then(|state| state.current.as_ref());
        let digest = match log.is_ship() {
            true => newest.record.release.as_ref().map(|release| release.digest.clone()),
            false => current.map(|placed| placed.release.digest.clone()),
        };
        digests.extend(digest.filter(|digest| !digests.contains(digest)));
    }
    Ok(digests)
}

fn render(watched: &Watched, report: &Report, setup: &Setup) -> String {
    if watched.news.is_empty() {
        return format!("{}@{}: nothing new\n", watched.image, watched.digest);
    }
    format!(
        "{}: {} new since it was scanned on {}\n{}",
        watched.image,
        watched.news.len(),
        watched.scanned,
        output::table(report, &setup.policy)
    )
}
