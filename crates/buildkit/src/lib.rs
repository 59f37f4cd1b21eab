//! The same build handed to an existing BuildKit over gRPC, and the session it calls back through.
//!
//! A build on a BuildKit is two conversations over one connection. In the one, wharf is the client: it asks what
//! the builder can do ([`Builder`]), hands over the build and listens to its progress ([`Solve`]). In the other, the
//! [`session`], the builder is the client, and wharf serves what only this machine has: the files of the context,
//! secrets, agents, credentials, and the places that results are written to.
//!
//! Invariants:
//! - nothing waits for ever: a builder that goes away ends every call over its connection with an error;
//! - a connection that is lost is not made again behind the back of a build, as its session would be gone;
//! - the builder sees of this machine only what the request names.

pub mod address;
mod builder;
pub mod buildx;
mod error;
pub mod fleet;
mod images;
pub mod rendezvous;
pub mod session;
mod solve;
mod status;
pub mod transport;
pub mod upkeep;

pub use address::{Address, AddressError};
pub use builder::{About, Builder, Feature, Version};
pub use error::Error;
pub use images::save;
pub use solve::{Answer, Disk, Entry, Frontend, News, Place, Solve, SolveError, Vertex, Warning};
pub use status::{Refusal, is_lost, reason};
pub use tonic::Status;
