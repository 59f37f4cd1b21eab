//! `wharf build`: a Dockerfile becomes an image.

use std::path::Path;

use anyhow::Context;
use serde_json::json;
use wharf_build::{BuildRequest, CacheExport, OutputKind};

use crate::building::call::{self, Method};
use crate::building::{self, Asked, Flags, metadata, timings};
use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::settings::project;
use crate::world::World;
use crate::{cli, local, output, remote};

/// Build an image from a Dockerfile, with the flags of `docker buildx build`
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
    let Asked { mut request, pushes, inventory, warnings } = flags.request()?;
    let elsewhere = match &flags.builder.builder {
        Some(_) => flags.builder.elsewhere(None),
        // A script that says docker means docker's builders.
        None if args.as_docker => None,
        None => flags.builder.elsewhere(project::read(Path::new("."))?.build.builder.as_deref()),
    };
    // A builder elsewhere may know what wharf does not, and says itself what it does not.
    for warning in warnings.iter().filter(|_| elsewhere.is_none()) {
        world.progress.note(&format!("warning: {warning}"));
    }
    if inventory {
        request.attestations.inventory = Some(building::inventory(&world));
    }
    let call = flags.call()?;
    globals.json = call.json.unwrap_or(globals.json);
    match call.method {
        Method::Build => {}
        Method::Check => return check(&world, &request, &globals),
        Method::Outline => return outline(&world, &request, &globals),
        Method::Targets => return targets(&world, &request, &globals),
    }
    let (result, times) = match &elsewhere {
        None => building::timed(&world, &request)?,
        Some(builder) => {
            let name = request.tags.first().map(wharf_oci::Reference::name);
            let verbatim = flags.verbatim()?;
            let asked = remote::Asked { request: &request, verbatim: &verbatim, name, keep_at: None };
            let built = remote::build(&world, builder, &asked, &|_| {})?;
            built.warnings.iter().for_each(|text| world.progress.note(&format!("warning: {text}")));
            match built.result {
                Some(result) => (result, Vec::new()),
                None => return without_image(&flags, &built.answer, &globals),
            }
        }
    };
    for warning in &result.warnings {
        world.progress.note(&format!("warning: {warning}"));
    }
    building::push_all(&world, &pushes, &result)?;
    let in_store_only = request.outputs.iter().all(|output| output.kind == OutputKind::Image);
    if request.tags.is_empty() && in_store_only {
        local::keep_nameless(&world.store, &result.image)?;
    }
    let id = metadata::id(&result);
    if let Some(path) = &flags.iidfile {
        std::fs::write(path, &id).with_context(|| format!("writing {}", path.display()))?;
    }
    if flags.timings && !globals.json {
        world.progress.note(&timings::render(&result.timings, &times));
    }
    let mut document = metadata::document(&request, &result);
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
    } else if in_store_only && (flags.quiet || !args.as_docker) {
        output::print(&format!("{id}\n"))?;
    }
    Ok(Exit::Done)
}

/// Files or a cache were asked for, and there is no image to tell of.
fn without_image(flags: &Flags, answer: &wharf_buildkit::Answer, globals: &Globals) -> Outcome {
    let document = json!(answer);
    if let Some(path) = &flags.metadata_file {
        let text = serde_json::to_vec_pretty(&document)?;
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    if globals.json {
        output::print_json(&document)?;
    }
    Ok(Exit::Done)
}

/// A cache that was written, or why it was not.
fn cache_export(export: &CacheExport) -> serde_json::Value {
    let digest = export.manifest.as_ref().map(|manifest| &manifest.digest);
    json!({"place": export.place, "digest": digest, "failure": export.failure})
}

/// Says what can be given to the build.
fn outline(world: &World, request: &BuildRequest, globals: &Globals) -> Outcome {
    let (outline, described) =
        building::engine(world)?.outline(request, &|_| {}).map_err(building::failed)?;
    match globals.json {
        true => output::print_json(&call::outline_json(&outline, &described))?,
        false => output::print(&call::outline_text(&outline))?,
    }
    Ok(Exit::Done)
}

/// Says what can be built.
fn targets(world: &World, request: &BuildRequest, globals: &Globals) -> Outcome {
    let described = building::engine(world)?.describe(request, &|_| {}).map_err(building::failed)?;
    match globals.json {
        true => output::print_json(&call::targets_json(&described))?,
        false => output::print(&call::targets_text(&described.dockerfile))?,
    }
    Ok(Exit::Done)
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
