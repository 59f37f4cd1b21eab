//! `wharf build`: a Dockerfile becomes an image.

use anyhow::Context;
use serde_json::json;
use wharf_build::{BuildRequest, BuildResult, CacheExport};
use wharf_oci::Reference;

use crate::building::{self, Asked, Flags, timings};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{cli, local, output};

/// What `wharf build` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Print nothing but what docker prints
    #[arg(long, hide = true)]
    as_docker: bool,
}

/// Builds it, and tells what came of it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let flags = args.flags;
    let mut globals = globals.clone();
    if flags.quiet {
        globals.progress = cli::Progress::Quiet;
    }
    let world = World::sandboxed(&globals)?;
    let Asked { request, push, warnings } = flags.request()?;
    for warning in &warnings {
        world.progress.note(&format!("warning: {warning}"));
    }
    if flags.check()? {
        return check(&world, &request, &globals);
    }
    let (result, times) = building::timed(&world, &request)?;
    for warning in &result.warnings {
        world.progress.note(&format!("warning: {warning}"));
    }
    if push {
        push_all(&world, &request.tags, &result)?;
    }
    if request.tags.is_empty() && request.outputs.is_empty() {
        local::keep_nameless(&world.store, &result.image)?;
    }
    let id = result.images.first().map(|image| image.config_digest.to_string()).unwrap_or_default();
    if let Some(path) = &flags.iidfile {
        std::fs::write(path, &id).with_context(|| format!("writing {}", path.display()))?;
    }
    if flags.timings && !globals.json {
        world.progress.note(&timings::render(&result.timings, &times));
    }
    let mut document = json!({
        "containerimage.digest": result.image.digest,
        "containerimage.config.digest": id,
        "containerimage.descriptor": result.image,
        "image.name": request.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    });
    if !result.caches.is_empty() {
        document["wharf.caches"] = result.caches.iter().map(cache_export).collect();
    }
    if let Some(path) = &flags.metadata_file {
        let text = serde_json::to_vec_pretty(&document)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if flags.timings {
        document["timings"] = timings::document(&result.timings, &times);
    }
    if globals.json {
        output::print_json(&document)?;
    } else if request.outputs.is_empty() && (flags.quiet || !args.as_docker) {
        output::print(&format!("{id}\n"))?;
    }
    Ok(Exit::Done)
}

/// A cache that was written, or why it was not.
fn cache_export(export: &CacheExport) -> serde_json::Value {
    let digest = export.manifest.as_ref().map(|manifest| &manifest.digest);
    json!({"place": export.place, "digest": digest, "failure": export.failure})
}

/// Runs the checks and builds nothing.
fn check(world: &World, request: &BuildRequest, globals: &Globals) -> Outcome {
    let engine = building::engine(world)?;
    let checked = engine.check(request, &|_| {}).map_err(building::failed)?;
    for (image, why) in &checked.unknown {
        world.progress.note(&format!("{image} was not looked at: {why}"));
    }
    super::lint::report(&[checked], globals)
}

/// Pushes the image under every name it was given.
fn push_all(world: &World, names: &[Reference], result: &BuildResult) -> Result<(), Failure> {
    if names.is_empty() {
        return Err(
            Failure::usage("a push needs a name to push to").hint("say --tag registry.example/org/model:1.2")
        );
    }
    for name in names {
        let transfers = Transfers::new(&world.progress, format!("pushing {name}"));
        let news = |event| transfers.tell(event);
        let tags = [name.tag_or_latest().unwrap_or("latest").to_owned()];
        let pushed = wharf_registry::push(&world.store, &result.image, &world.client, name, &tags, &news);
        world.runtime.block_on(pushed).map_err(super::registry_failure)?;
        transfers.done();
    }
    Ok(())
}
