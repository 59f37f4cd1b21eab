//! A step as BuildKit knows it, and what caches that BuildKit wrote know of it.

use std::sync::Arc;

use super::Request;
use super::inputs::Inputs;
use crate::error::StepError;
use crate::id::Id;
use crate::llb::{self, Input, Node};
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
    if !session.wants_nodes() || is_own(session, op) || (!on_scratch && request.parent.node.is_none()) {
        return Ok(None);
    }
    let Some(lowered) = llb::lower(op, request.platform, on_scratch, session.plan.epoch) else {
        return Ok(None);
    };
    let link =
        |selector: &str, node: &Arc<Node>| vec![Input { selector: selector.into(), node: node.clone() }];
    let mut links: Vec<Vec<Input>> =
        request.parent.node.iter().map(|node| link(&lowered.parent_selector, node)).collect();
    for source in &lowered.sources {
        let input = match session.source_chain(source.place)? {
            Some(chain) => chain.node.map(|node| link(&source.selector, &node)),
            None => inputs.content(source)?.map(|content| link("", &Node::of_content(&content))),
        };
        match input {
            Some(input) => links.push(input),
            None => return Ok(None),
        }
    }
    Ok(Some(Node::of_operation(&lowered.digest, links)))
}

/// Whether BuildKit does it in another way: a stage that starts from a context has no step there, and what a
/// process is given by flags is not in its operation here.
fn is_own(session: &Session<'_>, op: &Op) -> bool {
    let request = session.request;
    match op {
        Op::Copy(CopyOp { from: Source::NamedContext(_), dest, .. }) => dest == "/",
        Op::Run(_) => {
            !request.extra_hosts.is_empty() || !request.ulimits.is_empty() || request.shm_size.is_some()
        }
        _ => false,
    }
}

/// What a cache that BuildKit wrote knows of the step. It counts where it has the layers that the step starts
/// from here.
pub(super) fn look_up(
    session: &Session<'_>,
    request: &Request<'_>,
    node: &Arc<Node>,
    keys: &[Id],
) -> Result<Option<StepResult>, StepError> {
    let below: Option<Vec<_>> =
        request.parent.layers.iter().map(|layer| Some(layer.known()?.diff_id.clone())).collect();
    let Some(known) = below.and_then(|below| session.imports.record(node, &below)) else { return Ok(None) };
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
