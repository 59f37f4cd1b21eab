//! A step as BuildKit knows it, and what caches that BuildKit wrote know of it.

use std::sync::Arc;

use super::Request;
use super::inputs::Inputs;
use crate::error::StepError;
use crate::id::Id;
use crate::llb::{self, From, Input, Node};
use crate::plan::{CopyOp, Op, Source};
use crate::session::{Session, StepResult};
use crate::snapshot::Layer;
use crate::state::StepRecord;

/// What BuildKit knows the step by, if anybody wants to know, and if it is known here.
pub(super) fn of_step(
    session: &Session<'_>,
    request: &Request<'_>,
    op: &Op,
    inputs: &Inputs,
) -> Result<Option<Arc<Node>>, StepError> {
    let on_scratch = request.parent.layers.is_empty();
    if !session.wants_nodes() || is_own(op) || (!on_scratch && request.parent.node.is_none()) {
        return Ok(None);
    }
    let Some(lowered) = llb::lower(op, request.platform, on_scratch, session.plan.epoch, session.request)
    else {
        return Ok(None);
    };
    let link =
        |selector: &str, node: &Arc<Node>| vec![Input { selector: selector.into(), node: node.clone() }];
    let below = request.parent.node.as_ref();
    let is_laid = matches!(op, Op::Copy(copy) if copy.link);
    let mut links: Vec<Vec<Input>> =
        below.filter(|_| !is_laid).map(|node| link(&lowered.parent_selector, node)).into_iter().collect();
    for source in &lowered.sources {
        let input = match &source.from {
            From::Place(place) => match session.source_chain(place)? {
                Some(chain) => chain.node.map(|node| link(&source.selector, &node)),
                None => inputs.content(place)?.map(|content| link("", &Node::of_content(&content))),
            },
            From::Made(node) => Some(link(&source.selector, node)),
            From::Remote(remote) => inputs.remote(remote).map(|node| link(&source.selector, &node)),
        };
        match input {
            Some(input) => links.push(input),
            None => return Ok(None),
        }
    }
    let node = Node::of_operation(&lowered.digest, links);
    Ok(Some(match below.filter(|_| is_laid) {
        Some(below) => Node::of_merge(below.clone(), node),
        None => node,
    }))
}

/// Whether BuildKit does it in another way: a stage that starts from a context has no step there.
fn is_own(op: &Op) -> bool {
    matches!(op, Op::Copy(CopyOp { from: Source::NamedContext(_), dest, .. }) if dest == "/")
}

/// What a cache that BuildKit wrote knows of the step. It counts where it has the layers that the step starts
/// from here; what is laid upon them counts on any.
pub(super) fn look_up(
    session: &Session<'_>,
    request: &Request<'_>,
    node: &Arc<Node>,
    keys: &[Id],
) -> Result<Option<StepResult>, StepError> {
    let below: Option<Vec<_>> =
        request.parent.layers.iter().map(|layer| Some(layer.known()?.diff_id.clone())).collect();
    let whole = below.and_then(|below| session.imports.record(node, &below));
    let laid = || node.laid().and_then(|node| session.imports.record(node, &[]));
    let Some(known) = whole.or_else(laid) else { return Ok(None) };
    let Some((layer, origin)) = known.layer else { return Ok(None) };
    let state = &session.engine.state;
    state.keep_origin(&layer.blob.digest, &origin)?;
    let record = StepRecord { result: known.result, layer: layer.clone(), created: known.created };
    state.keep_step(keys, &record)?;
    Ok(Some(StepResult {
        id: known.result,
        keys: keys.to_vec(),
        layer: Arc::new(Layer::cached(layer, Some(origin), known.created)),
        node: None,
        cached: true,
    }))
}
