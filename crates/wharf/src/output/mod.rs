//! What people and scripts see.

pub(crate) mod error;
