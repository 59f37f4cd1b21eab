//! Builds on an existing BuildKit. What comes back is an image in the store like any other: smoke test, scan, push
//! policy and ledger do not know where it was built.

mod export;
mod failure;
mod keyring;
mod news;
mod request;
mod result;
mod store;

use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use wharf_build::{BuildRequest, BuildResult, Event};
use wharf_buildkit::session::Offer;
use wharf_buildkit::{Address, Answer, Builder, News, Solve};
use wharf_oci::{Descriptor, Reference};

pub(crate) use request::Verbatim;

use crate::builders::{self, flags::Elsewhere};
use crate::building::View;
use crate::exit::{Exit, Failure};
use crate::local;
use crate::world::World;

/// What a shell makes of a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// A build to be done elsewhere.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) verbatim: &'a Verbatim,
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
    let Asked { request, verbatim, keep_at } = asked;
    let address = builder.one()?;
    let began = Instant::now();
    let work = async {
        let builder = reach(world, &address, request).await?;
        let prepared = request::prepare(world, &builder, request, verbatim)?;
        let view = View::new(&world.progress);
        let translator = news::Translator::default();
        let tell = |news: News| {
            if let Some(event) = translator.event(news) {
                hear(&event);
                view.tell(event);
            }
        };
        let line = Line { world, builder: &builder, tell: &tell };
        let exported = match keep_at {
            None => export::all(&line, &prepared, request).await?,
            Some(repository) => export::at_registry(&line, &prepared, request, repository).await?,
        };
        prepared.keep_caches(&exported.answer)?;
        let counts = translator.counts();
        let result = match exported.image {
            None => None,
            Some(image) => {
                for tag in &request.tags {
                    world.store.tag(&local::key(tag), &image)?;
                }
                let told = result::Told { counts, took: began.elapsed(), outputs: exported.outputs };
                Some(result::describe(world, image, told)?)
            }
        };
        let warnings = prepared.warnings.clone();
        Ok::<_, Failure>(Built { result, answer: exported.answer, warnings })
    };
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

/// The first that answers of those that an address stands for. The image's name decides who is asked first, so that a
/// project finds its cache.
async fn reach(world: &World, address: &Address, request: &BuildRequest) -> Result<Builder, Failure> {
    let key = request.tags.first().map(|tag| tag.name()).unwrap_or_default();
    let candidates = builders::candidates(address, &key).await?;
    let note = |text: &str| world.progress.note(&format!("warning: {text}"));
    let (candidate, channel, _) = builders::reach(&candidates, &note).await?;
    Builder::over(&candidate.address, channel).await.map_err(failure::of_builder)
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

/// What exporters made.
struct Exported {
    image: Option<Descriptor>,
    /// What each output of the request is.
    outputs: Vec<Descriptor>,
    answer: Answer,
}
