//! What tests of several crates need: registries that fail on command, a real one beside ours, a token server,
//! and small images.
//!
//! Nothing here is shipped. Failures of the kit itself are panics: a test that cannot be set up has failed.

mod background;
mod cutter;
mod debian_registry;
mod fault;
mod faulty_registry;
pub mod fixture;
mod small_server;
mod token_server;

pub use cutter::Cutter;
pub use debian_registry::{DebianRegistry, Doorman};
pub use fault::{Fault, When};
pub use faulty_registry::{FaultyRegistry, Seen};
pub use small_server::{Call, SmallServer};
pub use token_server::TokenServer;
