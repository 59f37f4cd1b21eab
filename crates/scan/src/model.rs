//! Model files: what they would do when loaded.
//!
//! A file is told by its bytes and not by its name, and what is inside it is looked at like a file of its own:
//! members of archives, compressed streams, pickles within pickles. [`walk`] goes down, one module per format
//! says what is wrong with it.

mod gguf;
mod hdf5;
mod issue;
mod json;
mod keras;
mod kind;
mod npy;
mod onnx;
mod protobuf;
mod safetensors;
mod skops;
mod template;
mod tensorflow;
mod walk;
mod yaml;

pub(crate) use issue::Issue;
pub(crate) use kind::{needed, wants};
pub(crate) use walk::scan;
