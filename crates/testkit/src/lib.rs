//! What tests of several crates need: registries that fail on command, a real one beside ours, a token server, clouds
//! to ask for a login, Docker engines with their BuildKit, and small images.
//!
//! Nothing here is shipped. Failures of the kit itself are panics: a test that cannot be set up has failed.

mod background;
mod certificates;
pub mod clouds;
mod cutter;
mod debian_registry;
mod engine;
mod fault;
mod faulty_registry;
pub mod fixture;
mod forwarder;
mod kube_server;
mod small_server;
mod ssh_server;
mod token_server;

pub use certificates::{Authority, Identity};
pub use cutter::Cutter;
pub use debian_registry::{DebianRegistry, Doorman};
pub use engine::{Engine, Release, Wishes};
pub use fault::{Fault, When};
pub use faulty_registry::{FaultyRegistry, Seen};
pub use forwarder::Forwarder;
pub use kube_server::KubeServer;
pub use small_server::{Call, SmallServer};
pub use ssh_server::SshServer;
pub use token_server::TokenServer;
