//! Builds on an existing BuildKit, or on several at once. What comes back is an image in the store like any other: smoke
//! test, scan, push policy and ledger do not know where it was built.

mod export;
mod failure;
mod joined;
mod keyring;
mod news;
mod product;
mod request;
mod result;
mod share;
mod store;

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio::signal::unix::{SignalKind, signal};
use wharf_build::{BuildRequest, BuildResult, ContextSource, Event};
use wharf_buildkit::session::Offer;
use wharf_buildkit::{Answer, Builder, News, Solve};
use wharf_oci::Reference;

pub(crate) use request::Verbatim;

use crate::builders::{self, flags::Elsewhere};
use crate::building::View;
use crate::exit::{Exit, Failure, OrFail};
use crate::local;
use crate::world::World;

/// What a shell makes of a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// A build to be done elsewhere.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) verbatim: &'a Verbatim,
    /// The project's name, by which it keeps its builder; where it has none, its context says which one it is.
    pub(crate) name: Option<String>,
    /// The builder pushes the image there by digest, without a tag, and it comes here from there.
    pub(crate) keep_at: Option<&'a Reference>,
}

/// What came of a build elsewhere.
pub(crate) struct Built {
    /// The image, unless nothing of it was asked for but files or a cache.
    pub(crate) result: Option<BuildResult>,
    /// What the builder's exporters said.
    pub(crate) answer: Answer,
    /// What a person should put right.
    pub(crate) warnings: Vec<String>,
}

/// Builds at `builder`, showing what goes on; `hear` hears the news, too.
pub(crate) fn build(
    world: &World,
    builder: &Elsewhere,
    asked: &Asked<'_>,
    hear: &(dyn Fn(&Event) + Send + Sync),
) -> Result<Built, Failure> {
    let view = View::new(&world.progress);
    let hear = |event: Event| {
        hear(&event);
        view.tell(event);
    };
    let work = work(world, builder, asked, &hear);
    world.runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // What is dropped in the middle, the builder hears of by the end of its calls, and stops.
        tokio::select! {
            built = work => built,
            _ = interrupt.recv() => Err(interrupted()),
            _ = terminate.recv() => Err(interrupted()),
        }
    })
}

async fn work(
    world: &World,
    builder: &Elsewhere,
    asked: &Asked<'_>,
    hear: &(dyn Fn(Event) + Send + Sync),
) -> Result<Built, Failure> {
    let began = Instant::now();
    let request = asked.request;
    let key = asked.name.clone().unwrap_or_else(|| project(&request.context));
    let note = |text: &str| world.progress.note(&format!("warning: {text}"));
    let fleet = builders::placed(builder.fleet()?, &request.platforms, &note).await?;
    let shares = fleet.share(&request.platforms, &key).or_usage()?;
    let prepared = request::prepare(world, request, asked.verbatim, shares.len())?;
    let job = share::Job {
        world,
        request,
        prepared: &prepared,
        keep_at: asked.keep_at,
        key: &key,
        is_shared: shares.len() > 1,
        hear,
        steps: AtomicUsize::new(0),
    };
    let made = try_join_all(shares.iter().map(|share| share::build(&job, share))).await?;
    let share::Made { product, counts } = joined::join(&world.store, request, made)?;
    prepared.keep_caches(&product.answer)?;
    let outputs = export::outputs(&world.store, request, &product).await?;
    let result = match product.images.into_iter().next() {
        None => None,
        Some((_, image)) => {
            for tag in &request.tags {
                world.store.tag(&local::key(tag), &image)?;
            }
            Some(result::describe(world, image, result::Told { counts, took: began.elapsed(), outputs })?)
        }
    };
    Ok(Built { result, answer: product.answer, warnings: prepared.warnings })
}

/// What a project without a name is known by.
fn project(context: &ContextSource) -> String {
    match context {
        ContextSource::Directory(path) => {
            std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
        ContextSource::Git(url) | ContextSource::Url(url) => url.clone(),
        ContextSource::Archive(_) | ContextSource::Empty => String::new(),
    }
}

fn interrupted() -> Failure {
    Failure::new(
        Exit::Process(INTERRUPTED),
        anyhow::anyhow!("the build was interrupted, and is stopped at the builder"),
    )
    .hint("run it again: the steps that were done are in that builder's cache")
}

/// A builder, and who hears what it says.
struct Line<'a> {
    world: &'a World,
    builder: &'a Builder,
    tell: &'a (dyn Fn(News) + Send + Sync),
}

impl Line<'_> {
    async fn run(&self, solve: Solve, offer: Offer) -> Result<Answer, Failure> {
        solve.run(self.builder, offer, self.tell).await.map_err(failure::of_solve)
    }
}
