//! Moving blobs: patience with what breaks, and nothing sent twice that arrived.

mod patience;
mod pour;
mod receive;

pub(crate) use patience::Patience;
pub(crate) use pour::pour;
pub(crate) use receive::receive;
