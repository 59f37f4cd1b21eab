//! One build from the request to the result.

use std::sync::atomic::Ordering;
use std::time::Instant;

use wharf_dockerfile::Dockerfile;
use wharf_oci::{Descriptor, Index, Platform};
use wharf_registry::Document;

use crate::bases::{Bases, store_name};
use crate::contexts::Contexts;
use crate::engine::Engine;
use crate::error::{BuildError, Cause, StepError};
use crate::event::{Event, Events};
use crate::finish;
use crate::image::{self, Part};
use crate::output::{self, OutputKind};
use crate::plan::{self, ContextKind, Plan};
use crate::request::{BuildRequest, ImageOptions, NamedContext};
use crate::result::{BuildResult, Image, Timings};
use crate::session::{Parts, Session, task_count};
use crate::snapshot::{Chain, Snapshots};
use crate::work::WorkDirectory;

/// A build whose cache turns out damaged is begun again, with what is damaged forgotten, at most so often.
const ATTEMPTS: usize = 5;

/// Builds what `request` asks for.
pub(crate) fn build(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<BuildResult, BuildError> {
    let mut attempt = 1;
    loop {
        let result = attempt_build(engine, request, events);
        let Some(digest) = result.as_ref().err().and_then(damaged) else { return result };
        if attempt == ATTEMPTS {
            return result;
        }
        engine.store.discard(&digest)?;
        let text = format!("layer {digest} in the store was damaged; its step runs again");
        events(Event::Warning { text });
        attempt += 1;
    }
}

/// The blob that a build failed over because it is damaged.
fn damaged(error: &BuildError) -> Option<wharf_oci::Digest> {
    let (BuildError::Step { source, .. } | BuildError::Output { source, .. } | BuildError::Export(source)) =
        error
    else {
        return None;
    };
    match source.cause() {
        Cause::Damaged { digest } => Some(digest.clone()),
        _ => None,
    }
}

fn attempt_build(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<BuildResult, BuildError> {
    let work = WorkDirectory::create(&engine.data.join("work"))?;
    let contexts = Contexts::new(engine, &work, request, events);
    let bases = Bases::new(engine, request);
    let started = Instant::now();
    let (name, text) = contexts.dockerfile()?;
    let parsed = wharf_dockerfile::parse(&text);
    let dockerfile = parsed.map_err(|source| BuildError::Parse { name: name.clone(), source })?;
    let plans = plans(request, &name, &dockerfile, &contexts, &bases)?;
    bases.preflight().map_err(BuildError::Export)?;
    events(Event::Planned { steps: plans.iter().map(task_count).sum() });
    let planned = Instant::now();

    let snapshots = Snapshots { engine, work: &work, events };
    let mut first = 0;
    let mut sessions = Vec::new();
    for plan in &plans {
        let parts =
            Parts { request, plan, dockerfile: &name, snapshots, contexts: &contexts, bases: &bases, first };
        first += task_count(plan);
        sessions.push(Session::new(parts));
    }
    let built = sessions.iter().map(Session::run).collect::<Result<Vec<Chain>, BuildError>>();
    let saved = contexts.save().map_err(BuildError::Export);
    let worked = Instant::now();
    let exported = built.and_then(|chains| {
        saved?;
        export(engine, request, &snapshots, &plans, &chains)
    });
    for session in &mut sessions {
        session.close_views();
        finish::keep_snapshots(session);
    }
    let (image, images) = exported?;
    Ok(BuildResult {
        image,
        images,
        warnings: warnings(&plans),
        cached: sessions.iter().map(|session| session.cached.load(Ordering::Relaxed)).sum(),
        executed: sessions.iter().map(|session| session.executed.load(Ordering::Relaxed)).sum(),
        timings: Timings { plan: planned - started, steps: worked - planned, export: worked.elapsed() },
    })
}

/// The plans, one per platform.
fn plans(
    request: &BuildRequest,
    name: &str,
    dockerfile: &Dockerfile,
    contexts: &Contexts<'_>,
    bases: &Bases<'_>,
) -> Result<Vec<Plan>, BuildError> {
    let options = options(request, contexts)?;
    let platforms: Vec<Option<Platform>> = match request.platforms.as_slice() {
        [] => vec![options.platform.clone()],
        platforms => platforms.iter().cloned().map(Some).collect(),
    };
    let plan = |platform: Option<Platform>| {
        let options = plan::Request { platform, ..options.clone() };
        plan::plan(dockerfile, &options, &|references| bases.resolve(references))
            .map_err(|source| BuildError::Plan { name: name.to_owned(), source })
    };
    platforms.into_iter().map(plan).collect()
}

/// The options of the plan, with what the request says elsewhere.
pub(crate) fn options(request: &BuildRequest, contexts: &Contexts<'_>) -> Result<plan::Request, BuildError> {
    let kind = |context: &NamedContext| match context {
        NamedContext::Files(_) => ContextKind::Files,
        NamedContext::Image(_) | NamedContext::Layout { .. } => ContextKind::Image,
        NamedContext::Scratch => ContextKind::Scratch,
    };
    let mut options = request.options.clone();
    options.contexts = request.contexts.iter().map(|(name, context)| (name.clone(), kind(context))).collect();
    options.ignore = contexts
        .ignore_text()
        .map_err(|source| BuildError::Context { name: "of the build".into(), source })?;
    options.multi_platform = request.platforms.len() > 1;
    Ok(options)
}

/// Writes the image into the store under its names, and the outputs.
fn export(
    engine: &Engine,
    request: &BuildRequest,
    snapshots: &Snapshots<'_>,
    plans: &[Plan],
    chains: &[Chain],
) -> Result<(Descriptor, Vec<Image>), BuildError> {
    let write = |options: &ImageOptions| -> Result<(Descriptor, Vec<Image>), StepError> {
        let mut images = Vec::new();
        for (plan, chain) in plans.iter().zip(chains) {
            let parts = parts(chain, plan, options, snapshots)?;
            images.push(image::write(plan.target(), &parts, plan.epoch, options, &engine.store)?);
        }
        Ok((top(&images, engine)?, images))
    };
    let result = write(&request.image).map_err(BuildError::Export)?;
    let needs_layers = request.outputs.is_empty()
        || request.outputs.iter().any(|output| output.kind != OutputKind::CacheOnly);
    if needs_layers {
        for layer in chains.iter().flat_map(|chain| &chain.layers) {
            layer
                .record()
                .and_then(|record| snapshots.fetch(layer, &record.blob))
                .map_err(BuildError::Export)?;
        }
    }
    for tag in &request.tags {
        engine.store.tag(&store_name(tag), &result.0)?;
    }
    for output in &request.outputs {
        let (top, images) = match output.image == request.image {
            true => result.clone(),
            false => write(&output.image).map_err(BuildError::Export)?,
        };
        let job = output::Job { engine, snapshots, tags: &request.tags, top: &top, images: &images, chains };
        output::write(&output.kind, &job)
            .map_err(|source| BuildError::Output { path: output.kind.path(), source })?;
    }
    Ok(result)
}

/// The layers of an image as its options want them.
fn parts(
    chain: &Chain,
    plan: &Plan,
    options: &ImageOptions,
    snapshots: &Snapshots<'_>,
) -> Result<Vec<Part>, StepError> {
    let mut parts = Vec::new();
    for layer in &chain.layers {
        let record = layer.record()?.clone();
        let is_new = layer.created.is_some();
        let latest = plan.epoch.filter(|_| options.rewrite_timestamp && is_new);
        let recompress =
            options.force_compression && !output::is_compressed_as(&record.blob, options.compression);
        let record = match latest.is_some() || recompress {
            true => {
                snapshots.fetch(layer, &record.blob)?;
                output::convert(snapshots.engine, &record, options, latest)?
            }
            false => record,
        };
        parts.push(Part { record, created: layer.created });
    }
    Ok(parts)
}

/// The image, or an index of the images.
fn top(images: &[Image], engine: &Engine) -> Result<Descriptor, StepError> {
    if let [only] = images {
        let mut descriptor = only.descriptor.clone();
        descriptor.platform = None;
        return Ok(descriptor);
    }
    let index = Index::new(images.iter().map(|image| image.descriptor.clone()).collect());
    let document = Document::of_index(&index);
    engine.store.put(&document.bytes)?;
    Ok(document.descriptor)
}

fn warnings(plans: &[Plan]) -> Vec<String> {
    let findings = plans.first().map(|plan| plan.findings.as_slice()).unwrap_or_default();
    let text = |finding: &wharf_dockerfile::lint::Finding| {
        format!("{}: {} (line {})", finding.rule.name, finding.message, finding.span.line)
    };
    findings.iter().map(text).collect()
}
