//! What was typed, made complete: flags over environment over files over conventions.

pub(crate) mod certificates;
pub(crate) mod condition;
pub(crate) mod document;
pub(crate) mod host;
pub(crate) mod project;
