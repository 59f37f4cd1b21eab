//! A share of a build, at the first of its builders that lives through it.
//!
//! A builder that does not answer is passed over, and one that goes away in the middle hands on to the next. That is
//! safe, since nothing of an unfinished build counts: blobs in the store are whole or not there, what the builder
//! pushes has no tag, and an output is written again from its beginning. A step that fails, or a disk that is full,
//! would be the same elsewhere, and ends the build.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use anyhow::anyhow;
use wharf_build::{BuildRequest, Event};
use wharf_buildkit::fleet::Share;
use wharf_buildkit::{Builder, News};
use wharf_oci::Reference;

use super::news::{Counts, Translator};
use super::product::{self, Product};
use super::request::Prepared;
use super::{Line, failure};
use crate::builders::{self, Candidate};
use crate::exit::Failure;
use crate::output::error;
use crate::world::World;

/// What all shares of a build have in common.
pub(super) struct Job<'a> {
    pub(super) world: &'a World,
    pub(super) request: &'a BuildRequest,
    pub(super) prepared: &'a Prepared,
    /// The builders push there by digest.
    pub(super) keep_at: Option<&'a Reference>,
    /// By this a project is known to builders that share the work.
    pub(super) key: &'a str,
    /// There are other shares.
    pub(super) is_shared: bool,
    pub(super) hear: &'a (dyn Fn(Event) + Send + Sync),
    /// How many steps have been heard of, at all builders.
    pub(super) steps: AtomicUsize,
}

/// What came of a share.
pub(super) struct Made {
    pub(super) product: Product,
    pub(super) counts: Counts,
}

/// Builds it.
pub(super) async fn build(job: &Job<'_>, share: &Share) -> Result<Made, Failure> {
    let places = places(job, share).await?;
    for (n, place) in places.iter().enumerate() {
        match (at(job, share, place).await, places.get(n + 1)) {
            (Err(failure), Some(next)) if failure::is_lost(&failure) => {
                let why = error::chain(failure.error.as_ref());
                job.world.progress.note(&format!("warning: {why}; trying the next one, {}", next.address));
            }
            (Err(failure), _) if job.is_shared => {
                let platforms: Vec<String> = share.platforms.iter().map(ToString::to_string).collect();
                return Err(failure.context(format!(
                    "building {} at {}",
                    platforms.join(", "),
                    place.address
                )));
            }
            (ended, _) => return ended,
        }
    }
    Err(anyhow!("there is no builder to try").into())
}

/// Where it may be built. Of several addresses, those that cannot be looked up are passed over.
async fn places(job: &Job<'_>, share: &Share) -> Result<Vec<Candidate>, Failure> {
    let (mut places, mut failed) = (Vec::new(), Vec::new());
    for address in &share.builders {
        match builders::candidates(address, job.key).await {
            Ok(found) => places.extend(found),
            Err(failure) => failed.push(failure),
        }
    }
    if places.is_empty() && !failed.is_empty() {
        return Err(failed.swap_remove(0));
    }
    for failure in failed {
        job.world.progress.note(&format!("warning: {}", error::chain(failure.error.as_ref())));
    }
    Ok(places)
}

async fn at(job: &Job<'_>, share: &Share, place: &Candidate) -> Result<Made, Failure> {
    let channel = place.connect().await.map_err(builders::failed)?;
    let builder = Builder::over(&place.address, channel).await.map_err(failure::of_builder)?;
    job.prepared.demand(&builder, job.request)?;
    let label = job.is_shared.then(|| share.platforms.first().map(ToString::to_string)).flatten();
    let translator = Mutex::new(Translator::new(&job.steps, label));
    let tell = |news: News| {
        let event = lock(&translator).event(news);
        if let Some(event) = event {
            (job.hear)(event);
        }
    };
    let line = Line { world: job.world, builder: &builder, tell: &tell };
    let product = product::make(&line, job, share).await;
    if product.is_err() {
        let open = lock(&translator).abandoned();
        open.into_iter().for_each(job.hear);
    }
    let counts = lock(&translator).counts();
    Ok(Made { product: product?, counts })
}

fn lock<'a, 'b>(translator: &'a Mutex<Translator<'b>>) -> std::sync::MutexGuard<'a, Translator<'b>> {
    translator.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
