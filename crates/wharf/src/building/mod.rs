//! Builds, from what was typed or what the project says to an image in the store.

mod annotations;
mod attestations;
mod caches;
pub(crate) mod call;
pub(crate) mod checks;
mod failure;
mod fields;
pub(crate) mod flags;
mod interrupt;
mod inventory;
mod limits;
pub(crate) mod metadata;
mod outputs;
mod pushing;
pub(crate) mod timings;
mod view;

use std::path::Path;

use wharf_build::{BuildRequest, BuildResult, ContextSource, DockerfileSource, Engine, Event};
use wharf_oci::{Descriptor, Digest, Hashing};

use crate::exit::{Failure, OrFail};
use crate::remote::{self, Verbatim};
use crate::scanning;
use crate::settings::host;
use crate::settings::project::Project;
use crate::ship::Plan;
use crate::world::World;

pub(crate) use failure::of_build as failed;
pub(crate) use flags::{Asked, Flags, bytes};
pub(crate) use inventory::inventory;
pub(crate) use limits::ulimit;
pub(crate) use outputs::Push;
pub(crate) use pushing::push_all;
pub(crate) use view::View;

/// A finished build.
pub(crate) struct Built {
    /// The image or index.
    pub(crate) image: Descriptor,
    /// Steps that ran.
    pub(crate) executed: usize,
    /// Steps whose result was there already.
    pub(crate) cached: usize,
}

/// The engine on this world's data.
pub(crate) fn engine(world: &World) -> Result<Engine, Failure> {
    let runtime = world.runtime.handle().clone();
    Engine::open(&world.data_dir, world.sandbox().clone(), world.client.clone(), runtime)
        .map_err(failure::of_build)
}

/// Builds what a ship has planned, without a name.
///
/// `layers` hears of each layer of the image as soon as it is in the store.
pub(crate) fn of_plan(
    world: &World,
    plan: &Plan,
    project: &Project,
    layers: &(dyn Fn(&Digest, u64) + Send + Sync),
) -> Result<Built, Failure> {
    let context = plan.directory.join(&plan.context);
    let mut request = BuildRequest::new(ContextSource::Directory(context));
    request.dockerfile = DockerfileSource::File(plan.directory.join(&plan.dockerfile));
    request.options.target = plan.target.clone();
    request.options.build_args = project.build.args.clone();
    request.options.labels = plan.labels.clone();
    request.image.annotations = wharf_build::Annotation::of_manifests(&plan.annotations);
    if let Some(platform) = &project.build.platform {
        request.platforms = vec![platform.parse().or_usage()?];
    }
    if plan.no_cache {
        request.options.no_cache = wharf_build::plan::NoCache::All;
    }
    request.proxies = proxies();
    let news = |event: &Event| {
        if let Event::Layer { digest, size, published: true, .. } = event {
            layers(digest, *size);
        }
    };
    if let Some(builder) = &plan.builder {
        let keep_at = plan.push.first().filter(|_| plan.gate_remote).map(|target| &target.repository);
        let name = Some(plan.image.0.name());
        let asked = remote::Asked { request: &request, verbatim: &Verbatim::default(), name, keep_at };
        let built = remote::build(world, builder, &asked, &news)?;
        let result = built.result.ok_or_else(|| anyhow::anyhow!("the builder has made no image"))?;
        return Ok(Built { image: result.image, executed: result.executed, cached: result.cached });
    }
    // The gate comes next, and need not read again what was looked at while it was written.
    let engine = engine(world)?.watched_by(scanning::witness(world));
    let (result, _) = told(world, &engine, &request, &news)?;
    Ok(Built { image: result.image, executed: result.executed, cached: result.cached })
}

/// Builds, showing what goes on; gives the time that each step took, too.
pub(crate) fn timed(
    world: &World,
    request: &BuildRequest,
) -> Result<(BuildResult, Vec<timings::StepTime>), Failure> {
    let engine = engine(world)?;
    let engine = match request.attestations.inventory {
        Some(_) => engine.watched_by(scanning::witness(world)),
        None => engine,
    };
    told(world, &engine, request, &|_| {})
}

/// The same for somebody who wants to hear the news, too.
fn told(
    world: &World,
    engine: &Engine,
    request: &BuildRequest,
    news: &(dyn Fn(&Event) + Send + Sync),
) -> Result<(BuildResult, Vec<timings::StepTime>), Failure> {
    let view = view::View::new(&world.progress);
    let watch = interrupt::Watch::start(world, engine);
    let result = engine.build(request, &|event| {
        news(&event);
        view.tell(event);
    });
    let result = result.map_err(|error| watch.explain(failure::of_build(error)))?;
    Ok((result, view.times()))
}

/// The proxy variables of the environment, in both spellings, as docker hands them to RUN.
pub(crate) fn proxies() -> std::collections::BTreeMap<String, String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), name.to_lowercase()])
        .filter_map(|name| Some((name.clone(), host::variable(&name)?)))
        .collect()
}

/// The digest of a file's content.
pub(crate) fn file_digest(path: &Path) -> std::io::Result<Digest> {
    let mut file = Hashing::new(std::fs::File::open(path)?);
    std::io::copy(&mut file, &mut std::io::sink())?;
    Ok(file.finish().1)
}
