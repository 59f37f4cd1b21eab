//! `wharf ship`: the whole line from a commit to a running, traceable image.
//!
//! A [`Plan`] is made first and says everything that will be done; `--dry-run` ends there. The pipeline
//! then works on one digest: what is built is what is started, scanned, pushed and recorded. No name is
//! put on it, here or in a registry, before every gate is green.

mod early;
mod github;
mod naming;
mod pipeline;
mod plan;
mod record;
mod report;

pub(crate) use naming::metadata;
pub(crate) use pipeline::run;
pub(crate) use plan::{Asked, Plan, image_name, places};
