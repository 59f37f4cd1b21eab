//! Values of the OCI world: digest, reference, descriptor, manifest, index, config, platform.
//!
//! Nothing here touches a file or the network. [`Digest`] and [`MediaType`] are `oci-spec`'s; the JSON
//! documents are our own, because the ones in `oci-spec` keep annotations in a hash map (so the same
//! manifest would get another digest on every run) and drop the fields that Docker adds to the image
//! config (`Healthcheck`, `OnBuild`, `Shell`, `ArgsEscaped`). See `docs/decisions/0001-oci-types.md`.
//!
//! Invariants:
//! - serialising a value twice gives the same bytes;
//! - a [`Reference`] that exists is valid under the distribution grammar.

mod config;
pub mod digest;
mod manifest;
pub mod media;
mod platform;
mod reference;

pub use config::{ContainerConfig, Empty, Healthcheck, History, ImageConfig, RootFs};
pub use digest::{Digest, Hashing};
pub use manifest::{Descriptor, Index, Manifest};
pub use oci_spec::image::MediaType;
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError, is_valid_tag};
