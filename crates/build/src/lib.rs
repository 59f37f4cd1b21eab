//! Plans and executes a Dockerfile: graph, cache keys, snapshots, layers, outputs.
//!
//! [`plan`] works out what is to be done, as a pure function. [`Engine::build`] does it: it works through the
//! steps of the plan side by side, takes what it can from the cache, and writes the image into the store.
//!
//! Invariants:
//! - a step's key covers everything its result depends on; a record is written only when its layer is whole;
//! - nothing is trusted that a killed process may have left half done: blobs and snapshots are written
//!   under a temporary name and renamed, the rest lies in a directory that is locked while its owner lives;
//! - no path of a context, a layer or an image leads outside its tree;
//! - secrets go into no key, no layer, no history and no event.

mod annotation;
mod attest;
mod bases;
mod build;
pub mod cache;
mod check;
mod contexts;
mod copy;
mod download;
mod engine;
mod error;
mod event;
mod export;
mod finish;
mod id;
mod image;
mod llb;
mod once;
mod output;
pub mod plan;
mod request;
mod result;
mod schedule;
mod session;
mod snapshot;
mod space;
mod state;
mod step;
mod tree;
mod trust;
mod unpack;
mod usage;
mod witness;
mod work;

pub use annotation::{Annotation, AnnotationLevel};
pub use attest::{Attestations, Inventory, MakeInventory, ProvenanceOptions};
pub use cache::{CachePlace, CacheSource, CacheTarget};
pub use check::{Checked, Described, check_alone};
pub use engine::Engine;
pub use error::{BuildError, Cause, End, StepError};
pub use event::{Event, Events, Reason, StepNumber};
pub use output::{FileOptions, Output, OutputKind};
pub use request::{
    BuildRequest, ContextSource, DockerfileSource, HostCa, ImageOptions, NamedContext, Secret,
};
pub use result::{BuildResult, CacheExport, Image, ImageLayer, Timings};
pub use state::StateError;
pub use usage::{FilterError, Item, ItemKind, PruneError, PruneRequest, Pruned, Share, Usage};
pub use witness::{Keep, Witness};
