//! `docker buildx bake`: several builds from one file, in HCL, in JSON, or the build sections of compose.
//!
//! [`read`] turns files into a [`Definition`]; [`Definition::plan`] picks targets, resolves what they inherit
//! and applies `--set`; [`flags`] says what each one is on the command line of `wharf build`. Nothing here
//! builds: see [`crate::docker`]'s `buildx bake`.

mod compose;
mod definition;
mod evaluate;
mod files;
pub(crate) mod flags;
mod functions;
mod hcl;
mod overrides;

pub(crate) use definition::{Definition, Plan};
pub(crate) use files::{found, read};

/// A file that does not read, or a target that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BakeError {
    /// It does not read.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: String,
        /// Why not.
        why: String,
    },
    /// No such target, a circle, a value of the wrong kind.
    #[error("{0}")]
    Target(String),
}
