//! Docker's verbs for images, in its shapes.

pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod tag;
