//! Deployment configs that name an image: finding the references, rewriting them losslessly, and the git commit
//! that carries the change.
//!
//! - [`rewrite`] is pure: a file's text in, the text with `name:tag@digest` out, and what was changed.
//! - [`Repository`] makes the commit: on the branch that is checked out, on another one, or as a patch.
//!
//! Invariants:
//! - no byte outside of a reference changes: comments, anchors, quotes and line ends are as they were;
//! - what is written parses to the same document, but for the references;
//! - a file that does not parse is an error, never half-edited;
//! - files are changed after the commit exists, and only files that had no changes of their own.

mod dockerfile;
mod edit;
mod git;
mod image;
mod marked;
mod rewrite;
mod yaml;

pub use edit::{Edit, Rewritten};
pub use git::{Commit, Destination, GitError, Repository, Rewriter};
pub use image::Target;
pub use rewrite::{RewriteError, rewrite};
