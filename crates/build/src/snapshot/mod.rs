//! Layers as directories that overlayfs can stack, and stacks of them.
//!
//! A layer of an image is unpacked only when somebody needs its files, once, into a directory named by the
//! digest of its content. The directory into which a step wrote becomes the snapshot of the layer it made; a copy
//! that was made anew writes only what has changed, and is a delta on the snapshot of the copy before.

mod delta;
mod flat;
mod layer;
mod outline;
mod sketch;
mod unpack;
mod view;

pub(crate) use delta::{make_delta, stands_on};
pub(crate) use flat::Cloning;
pub(crate) use layer::{Chain, Layer, Origin, Place};
pub(crate) use outline::MEDIA_TYPE as OUTLINE_MEDIA_TYPE;
pub(crate) use sketch::{Glance, Sketch};
pub(crate) use unpack::{Snapshots, copy_blob, publish};
pub(crate) use view::{View, Views, Workspace, Written};
