//! Layers written from trees, read by others, and made into trees again.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "a test that cannot run says why")]

mod archives;
mod changes;
mod determinism;
mod hostile;
mod outlines;
mod overlay;
mod round_trip;
mod trees;
mod whiteouts;
