//! BuildKit's own keys of steps, so that a cache is found by either builder.
//!
//! BuildKit knows a step by what it does (the JSON of its operation) and by the steps or files that it starts
//! from. [`lower`] writes an operation as BuildKit's Dockerfile frontend would, [`content`] hashes files as
//! BuildKit does, and a [`Node`] is a step with everything below it.
//!
//! Not every operation is lowered: one that is not, and all that follow it, have no node, and are found by
//! wharf's keys alone. A wrong node could only miss, or find what BuildKit itself would have found.
//!
//! [`lower`]: lower()

mod content;
mod file;
mod json;
mod lower;
mod node;
mod process;
mod source;

pub(crate) use content::{Selected, content};
pub(crate) use lower::{From, lower};
pub(crate) use node::{Input, Node, matches};
pub(crate) use source::{git, url};
