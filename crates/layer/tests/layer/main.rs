//! Layers written from trees, read by others, and made into trees again.

mod archives;
mod changes;
mod determinism;
mod hostile;
mod overlay;
mod round_trip;
mod trees;
mod whiteouts;
