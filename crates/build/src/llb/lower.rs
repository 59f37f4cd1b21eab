//! Operations as BuildKit's Dockerfile frontend writes them, and their digests.
//!
//! The order of the members is that of BuildKit's protocol buffers, as its JSON is what is hashed.

use std::sync::Arc;

use wharf_oci::{Digest, Platform};

use super::node::Node;
use super::{file, process};
use crate::plan::{CopySource, Op, Source as Place};
use crate::request::BuildRequest;

/// An operation, lowered.
#[derive(Debug)]
pub(crate) struct Lowered<'a> {
    pub(crate) digest: Digest,
    /// What a link to the step before says.
    pub(crate) parent_selector: String,
    /// What it reads besides what it starts from, in the order of BuildKit's inputs.
    pub(crate) sources: Vec<Source<'a>>,
}

/// Something that an operation reads besides what it starts from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) from: From<'a>,
    /// What a link to a step says of the paths that are looked at.
    pub(crate) selector: String,
}

/// Where an operation reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From<'a> {
    /// Files of a context, a stage or an image.
    Place(&'a Place),
    /// What the Dockerfile itself holds, or what is made for a cache to start as.
    Made(Arc<Node>),
    /// A URL or a repository among the sources of a copy.
    Remote(&'a CopySource),
}

/// `op` on top of something, or of nothing. `None` where it is not known how BuildKit writes it.
pub(crate) fn lower<'a>(
    op: &'a Op,
    platform: &Platform,
    on_scratch: bool,
    epoch: Option<i64>,
    request: &BuildRequest,
) -> Option<Lowered<'a>> {
    match op {
        Op::Run(run) if !on_scratch => process::lower(run, platform, request),
        Op::Run(_) => None,
        // With `--link` it is copied onto nothing, and laid upon what is below by a step of its own.
        Op::Copy(copy) => file::lower_copy(copy, on_scratch || copy.link),
        Op::Workdir(workdir) => Some(file::lower_workdir(workdir, on_scratch, epoch)),
    }
}
