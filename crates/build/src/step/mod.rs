//! One step: found in the cache, or done.

mod changes;
mod copy;
mod inputs;
mod key;
mod node;
mod reason;
mod run;
mod workdir;

use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use wharf_oci::Platform;

use crate::cache::Made;
use crate::copy::Listing;
use crate::error::{Cause, StepError};
use crate::event::{Event, Reason, StepNumber};
use crate::finish::Job;
use crate::id::{Hasher, Id};
use crate::llb::Node;
use crate::plan::Op;
use crate::session::{Session, StepResult};
use crate::snapshot::{Chain, Layer, Written};
use crate::state::StepRecord;
use inputs::Inputs;
use key::{BASE, PARENT, Parts, SOURCE};

/// A step to be performed.
pub(crate) struct Request<'s> {
    pub(crate) number: StepNumber,
    /// As it is called in messages.
    pub(crate) title: String,
    /// The step before it, likewise.
    pub(crate) before: Option<String>,
    pub(crate) op: Option<Op>,
    /// The layers it starts from.
    pub(crate) parent: &'s Chain,
    /// They are those of a base image.
    pub(crate) parent_is_image: bool,
    /// Nobody will need the files of the layers below: what is seen at a glance will do.
    pub(crate) sketch: bool,
    /// Nothing is taken from the cache.
    pub(crate) no_cache: bool,
    pub(crate) platform: &'s Platform,
    /// Where it is remembered from one build to the next.
    pub(crate) slot: Id,
}

/// What an operation did.
struct Done {
    written: Written,
    /// The result must not be found again: it may not be what the key says.
    forget: bool,
    /// What a copy put where, and what it may be remembered by.
    listing: Option<(Id, Listing)>,
}

/// Gives the layer of the step. Steps with the same key are done once, and the others wait.
pub(crate) fn perform(
    session: &Session<'_>,
    request: Request<'_>,
    jobs: &Sender<Job>,
) -> Result<StepResult, StepError> {
    let Some(op) = &request.op else {
        return Err(Cause::Refused("a step without an operation".into()).into());
    };
    let mut inputs = Inputs::new(session, op)?;
    let parts = parts(session, &request, op, &mut inputs)?;
    let node = node::of_step(session, &request, op, &inputs)?;
    let result = session
        .known
        .get(parts.key(), || find_or_do(session, &request, op, &mut inputs, &parts, node.as_ref(), jobs))?;
    let result = StepResult { node, ..result };
    session.note(Made {
        keys: result.keys.clone(),
        result: result.id,
        chain: request.parent.with(result.id, result.layer.clone(), result.node.clone()),
    });
    match op {
        // Its layer may be found on other layers, where what follows is another thing.
        Op::Copy(copy) if copy.link => {
            let id = Hasher::new("link").id(&request.parent.id).id(&result.id).finish();
            Ok(StepResult { id, ..result })
        }
        _ => Ok(result),
    }
}

/// The parts of the key, as far as they are known without unpacking anything.
fn parts(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &Op,
    inputs: &mut Inputs,
) -> Result<Parts, StepError> {
    let mut parts = key::of_operation(op, session.request, session.plan.epoch);
    let platform = Hasher::new("platform").text(&request.platform.to_string()).finish();
    parts.push("platform", platform);
    let stands_alone = matches!(op, Op::Copy(copy) if copy.link);
    if !stands_alone {
        parts.push(if request.parent_is_image { BASE } else { PARENT }, request.parent.id);
    }
    inputs.add_to(&mut parts)?;
    Ok(parts)
}

fn find_or_do(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &Op,
    inputs: &mut Inputs,
    parts: &Parts,
    node: Option<&Arc<Node>>,
    jobs: &Sender<Job>,
) -> Result<StepResult, StepError> {
    let mut keys = vec![parts.key()];
    if !request.no_cache {
        if let Some(found) = look_up(session, &keys[0])? {
            return Ok(found);
        }
        if let Some(node) = node
            && let Some(found) = node::look_up(session, request, node, &keys)?
        {
            return Ok(found);
        }
        // The stage it copies from was made anew, or is seen for the first time; its files may still be the same.
        if let Some(contents) = inputs.contents_of_sources(session)? {
            keys.push(parts.with(SOURCE, contents).key());
            if let Some(found) = look_up(session, &keys[1])? {
                remember(session, &keys[..1], &found)?;
                return Ok(StepResult { keys, ..found });
            }
        }
    }
    let record = reason::record(parts, &inputs.files);
    let why = match request.no_cache {
        true => Reason::Disabled,
        false => {
            let parent = session.origin(&request.parent.id).or_else(|| request.before.clone());
            let names = reason::Names { parent, sources: session.source_names(op) };
            reason::find(session.engine.state.slot(&request.slot)?.as_ref(), &record, names)
        }
    };
    let origin = match &why {
        Reason::Parent { step: Some(step) } => step.clone(),
        _ => request.title.clone(),
    };
    if session.is_cancelled() {
        return Err(Cause::Cancelled.into());
    }
    (session.events)(Event::Executing { step: request.number, reason: why });
    let done = match op {
        Op::Run(op) => run::run(session, request, op)?,
        Op::Copy(op) => copy::copy(session, request, op, inputs, parts)?,
        Op::Workdir(op) => workdir::workdir(session, request, op)?,
    };
    let created = now();
    let stands_alone = matches!(op, Op::Copy(copy) if copy.link);
    let layer = Arc::new(match session.engine.is_flat() && stands_alone {
        // What was written is not the tree of the stack that the layer is put on.
        true => Layer::unplaced(created),
        false => Layer::fresh(done.written.place(), created),
    });
    session.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(layer.clone());
    let keys = if done.forget { Vec::new() } else { keys };
    let result = StepResult { id: Id::unique(), keys: keys.clone(), layer, node: None, cached: false };
    session.keep_origin(result.id, origin);
    let job = Job {
        step: request.number,
        layer: result.layer.clone(),
        written: done.written,
        keys,
        result: result.id,
        created,
        slot: Some((request.slot, record)),
        listing: done.listing,
    };
    // The queue is open as long as steps run.
    let _ = jobs.send(job);
    Ok(result)
}

/// What the cache has under `key`: this machine's, or one that was imported.
fn look_up(session: &Session<'_>, key: &Id) -> Result<Option<StepResult>, StepError> {
    match look_up_here(session, key)? {
        Some(found) => Ok(Some(found)),
        None => look_up_elsewhere(session, key),
    }
}

/// What was done or used here before, if its layer is still in the store, or where it came from.
fn look_up_here(session: &Session<'_>, key: &Id) -> Result<Option<StepResult>, StepError> {
    let (store, state) = (&session.engine.store, &session.engine.state);
    let Some(record) = state.step(key)? else { return Ok(None) };
    let blob = &record.layer.blob;
    let origin = match store.size(&blob.digest) == Some(blob.size) {
        true => None,
        false => match state.origin(&blob.digest)? {
            Some(origin) => Some(origin),
            None => return Ok(None),
        },
    };
    session.used.lock().unwrap_or_else(PoisonError::into_inner).push(*key);
    let layer = Arc::new(Layer::cached(record.layer, origin, record.created));
    Ok(Some(StepResult { id: record.result, keys: vec![*key], layer, node: None, cached: true }))
}

/// What an imported cache knows. Its layer stays where it is until somebody needs the files.
fn look_up_elsewhere(session: &Session<'_>, key: &Id) -> Result<Option<StepResult>, StepError> {
    let state = &session.engine.state;
    let Some(known) = session.imports.step(key) else { return Ok(None) };
    let found = |layer| {
        Some(StepResult {
            id: known.result,
            keys: known.keys.clone(),
            layer: Arc::new(layer),
            node: None,
            cached: true,
        })
    };
    let Some((layer, origin)) = known.layer.clone() else { return Ok(found(Layer::absent(known.created))) };
    state.keep_origin(&layer.blob.digest, &origin)?;
    let record = StepRecord { result: known.result, layer: layer.clone(), created: known.created };
    state.keep_step(&known.keys, &record)?;
    Ok(found(Layer::cached(layer, Some(origin), known.created)))
}

/// Lets what was found be found under further keys.
fn remember(session: &Session<'_>, keys: &[Id], found: &StepResult) -> Result<(), StepError> {
    if found.layer.is_absent() {
        return Ok(());
    }
    let layer = found.layer.record()?.clone();
    let created = found.layer.created.unwrap_or_default();
    let record = StepRecord { result: found.id, layer, created };
    Ok(session.engine.state.keep_step(keys, &record)?)
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
