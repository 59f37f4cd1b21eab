//! Turns what steps wrote into layers in the store, while later steps already run.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use wharf_layer::{Compression, DiffOptions, Earlier, LayerInfo, LayerWriter, WriteOptions};

use crate::copy::Listing;
use crate::engine::Engine;
use crate::error::StepError;
use crate::event::{Event, StepNumber};
use crate::id::Id;
use crate::session::Session;
use crate::snapshot::{Layer, Written};
use crate::state::{LayerRecord, SlotRecord, StepRecord};
use crate::witness;

/// So many layers are written at once. Each keeps a thread busy with compression and one with hashing.
const THREADS: usize = 2;

/// Of layers with fewer blocks than this, compressing them again takes no longer than remembering them.
const WORTH_REUSE: usize = 4;

/// For layers that stay on this machine: several times as fast as gzip, and smaller than what gzip makes as fast.
const QUICK: Compression = Compression::Zstd { level: 1 };

/// A layer to be written.
pub(crate) struct Job {
    pub(crate) step: StepNumber,
    pub(crate) layer: Arc<Layer>,
    pub(crate) written: Written,
    /// What the layer is remembered by; nothing when it must not be found again.
    pub(crate) keys: Vec<Id>,
    /// What following steps know it by.
    pub(crate) result: Id,
    pub(crate) created: i64,
    pub(crate) slot: Option<(Id, SlotRecord)>,
    /// What a copy put where, and what it may be remembered by.
    pub(crate) listing: Option<(Id, Listing)>,
}

/// Starts threads that write layers until the queue is closed.
pub(crate) fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    queue: Receiver<Job>,
    session: &'scope Session<'env>,
) {
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..THREADS {
        let queue = queue.clone();
        scope.spawn(move || {
            while let Some(job) = next(&queue) {
                let layer = job.layer.clone();
                layer.finish(write(job, session));
            }
        });
    }
}

fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Writes the layer, then what it can be found by.
fn write(job: Job, session: &Session<'_>) -> Result<LayerRecord, StepError> {
    let engine = session.engine;
    let mut lowers = job.written.lowers;
    lowers.reverse(); // the topmost first
    let options = DiffOptions {
        ownership: engine.ownership(),
        upper: job.written.form,
        beneath: job.written.beneath.as_deref(),
    };
    let how = WriteOptions {
        compression: compression(session, job.step),
        outline: !engine.is_flat(),
        earlier: job.slot.as_ref().and_then(|(slot, _)| earlier(engine, slot)),
        ..WriteOptions::default()
    };
    let published = session.is_published(job.step);
    let out = engine.store.writer()?;
    let write = |shown| -> Result<LayerInfo, StepError> {
        let layer = LayerWriter::new(out, &how).shown_to(shown);
        let (out, info) = wharf_layer::write_diff(&job.written.upper, &lowers, &options, layer)?;
        out.commit(Some(&info.digest))?;
        Ok(info)
    };
    let witness = engine.witness.as_ref().filter(|_| published);
    let info = witness::shown(witness, write, |info| info.digest.clone())?;
    if how.outline {
        engine.keep_outline(&info.diff_id, info.outline.as_ref())?;
    }
    let blob = info.descriptor(session.request.image.family);
    let (digest, size) = (blob.digest.clone(), blob.size);
    (session.events)(Event::Layer { step: job.step, digest, size, published });
    let record = LayerRecord { blob, diff_id: info.diff_id };
    if !job.keys.is_empty() {
        let step = StepRecord { result: job.result, layer: record.clone(), created: job.created };
        engine.state.keep_step(&job.keys, &step)?;
        if let Some((slot, record)) = &job.slot {
            engine.state.keep_slot(slot, record)?;
        }
        if let Some((slot, _)) = job.slot.as_ref().filter(|_| info.blocks.len() >= WORTH_REUSE) {
            engine.state.keep_blocks(slot, &info.digest, &info.blocks)?;
        }
        if let Some((key, listing)) = &job.listing {
            engine.state.keep_copy(key, &record.diff_id, &listing.encode())?;
        }
    }
    Ok(record)
}

/// How the layer is compressed: as the image wants it, but one of a stage that only helps along is in no image, so
/// for it the quickest compression that is worth its while does. A cache takes it as it is, or says beforehand how it
/// wants it; whatever else exports it after all converts it.
fn compression(session: &Session<'_>, step: StepNumber) -> Compression {
    let wanted = session.request.image.compression;
    let in_caches = session.request.cache_to.iter().filter(|target| target.all_stages);
    let mut in_caches = in_caches.filter_map(|target| target.compression_of_helpers(wanted));
    let is_gzip = |compression: &Compression| matches!(compression, Compression::Gzip { .. });
    match is_gzip(&wanted) && !session.is_published(step) && !in_caches.any(|wanted| is_gzip(&wanted)) {
        true => QUICK,
        false => wanted,
    }
}

/// The layer that the step made the last time, if it is still there: most of it may be the same.
fn earlier(engine: &Engine, slot: &Id) -> Option<Arc<Earlier>> {
    let (blob, blocks) = engine.state.blocks(slot).ok().flatten()?;
    let blob = engine.store.open_blob(&blob).ok()?;
    Some(Arc::new(Earlier::new(blob, &blocks)))
}

/// Keeps the directories of layers that were just made, so that nobody need unpack them. Called when nothing
/// uses them any more.
pub(crate) fn keep_snapshots(session: &Session<'_>) {
    let fresh = std::mem::take(&mut *session.fresh.lock().unwrap_or_else(PoisonError::into_inner));
    // Asked last, since finding out takes a trial mount, which a build with nothing new need not pay for.
    if fresh.is_empty() || session.engine.is_flat() {
        // A tree that everything is merged in is no snapshot of one layer.
        return;
    }
    for layer in fresh {
        if let (Ok(record), Some(place)) = (layer.record(), layer.place().take()) {
            // A snapshot that is not kept is unpacked from its layer when somebody needs it.
            let _ = session.engine.keep_snapshot(&place, &record.diff_id, session.snapshots.work);
        }
    }
}
