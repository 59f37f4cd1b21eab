//! `wharf prune`: removes what builds have left, least recently used first.

use serde_json::json;
use wharf_build::{Item, PruneError, PruneRequest, Pruned};
use wharf_oci::{Descriptor, MediaType};

use crate::building;
use crate::building::flags::bytes;
use crate::cli::Globals;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, size};
use crate::releases::place;
use crate::releases::retention::{self, Rules};
use crate::world::{World, now};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A repository of a registry to prune instead of this machine: a dry run, unless --force
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// In a repository: so many of the newest ships stay
    #[arg(long, value_name = "N", default_value_t = 10, requires = "repository")]
    keep: usize,
    /// In a repository: so many rollback targets of each environment stay
    #[arg(long, value_name = "N", default_value_t = 5, requires = "repository")]
    rollbacks: usize,
    /// In a repository: what is younger stays, such as `30d`
    #[arg(long, value_name = "AGE", default_value = "30d", requires = "repository")]
    older_than: String,
    /// In a repository: only images all of whose tags fit one of these patterns
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', requires = "repository")]
    tags: Vec<String>,
    /// Only what this matches: `until=24h`, `type=step|snapshot|cache-mount|blob`, `id=ID`
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Stop when what remains takes no more than this, such as `10gb`
    #[arg(long, value_name = "BYTES", visible_alias = "max-used-space")]
    keep_storage: Option<String>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Accepted for docker's sake: everything that no image and no container needs goes anyway
    #[arg(short, long)]
    all: bool,
    /// In a repository: really remove it. Elsewhere accepted for docker's sake, as nothing is asked
    #[arg(short, long)]
    force: bool,
}

/// Removes it, and says what it was.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if let Some(repository) = &args.repository {
        return in_repository(repository, &args, globals);
    }
    let request = request(&args)?;
    let world = World::sandboxed(globals)?;
    let engine = building::engine(&world)?;
    world.release();
    let request = PruneRequest { keep: images_of_containers(&world)?, ..request };
    let Pruned { removed, in_use } = engine.prune(&request).map_err(failed)?;
    let sum = |items: &[Item]| items.iter().map(|item| item.size).sum::<u64>();
    let total = sum(&removed);
    if globals.json {
        let document = json!({ "removed": removed, "bytes": total, "inUse": in_use, "dryRun": args.dry_run });
        output::print_json(&document)?;
    } else {
        let what = if args.dry_run { "Would reclaim" } else { "Total reclaimed space" };
        let list = if removed.is_empty() { String::new() } else { super::system::items(&removed) + "\n" };
        let kept = match in_use.len() {
            0 => String::new(),
            count => format!("In use by another wharf, and kept: {count} ({})\n", size::bytes(sum(&in_use))),
        };
        output::print(&format!("{list}{kept}{what}: {}\n", size::bytes(total)))?;
    }
    Ok(Exit::Done)
}

/// Removes from a registry what no environment and no rollback needs.
fn in_repository(repository: &str, args: &Args, globals: &Globals) -> Outcome {
    let older_than = args.older_than.parse().map_err(|error| {
        Failure::usage(format!("--older-than {}: {error}", args.older_than)).hint("such as `30d` or `12h`")
    })?;
    let rules = Rules { keep: args.keep, rollbacks: args.rollbacks, older_than, tags: args.tags.clone() };
    let world = World::open(globals)?;
    let place = place::places(&world, Some(repository))?.remove(0);
    let verdict = world.runtime.block_on(retention::decide(&place, &rules, now()))?;
    let dry_run = args.dry_run || !args.force;
    if !dry_run {
        world.runtime.block_on(retention::remove(&place, &verdict))?;
    }
    if globals.json {
        let document = json!({
            "repository": place.name(), "dryRun": dry_run, "remove": verdict.remove, "keep": verdict.keep
        });
        output::print_json(&document)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for (word, items) in
        [("keep", &verdict.keep), (if dry_run { "would remove" } else { "removed" }, &verdict.remove)]
    {
        for item in items {
            let short = wharf_oci::digest::short(&item.digest, 12);
            text.push_str(&format!("{word:<13} {short}  {}: {}\n", item.tags.join(", "), item.why));
        }
    }
    if dry_run && !verdict.remove.is_empty() {
        text.push_str(&format!("nothing was removed; to do it: wharf prune {} --force\n", place.name()));
    }
    output::print(&text)?;
    Ok(Exit::Done)
}

fn failed(error: PruneError) -> Failure {
    match error {
        PruneError::Build(error) => building::failed(error),
        error => Failure::from(error),
    }
}

/// What containers were made from stays, with or without a name: they may be started again.
fn images_of_containers(world: &World) -> Result<Vec<Descriptor>, Failure> {
    let mut images = Vec::new();
    for container in Containers::new(&world.data_dir).list()? {
        if let Ok(digest) = container.digest.parse()
            && let Some(size) = world.store.size(&digest)
        {
            // An index reads like a manifest here: both lead on.
            images.push(Descriptor::new(MediaType::ImageManifest, digest, size));
        }
    }
    Ok(images)
}

fn request(args: &Args) -> Result<PruneRequest, Failure> {
    let mut request = PruneRequest { dry_run: args.dry_run, ..PruneRequest::default() };
    if let Some(text) = &args.keep_storage {
        request.keep_storage = bytes(text, "--keep-storage")?;
    }
    for filter in &args.filter {
        request.filter(filter, now().as_second()).map_err(|error| {
            Failure::usage(format!("--filter is `{filter}`: {error}"))
                .hint("filters are until=24h, type=step|snapshot|cache-mount|blob and id=ID")
        })?;
    }
    Ok(request)
}
