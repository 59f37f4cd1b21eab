//! Look inside images: inventory, advisories, model-file safety, secrets; what is found, and what it means.
//!
//! The way through: a layer is read once, as a stream ([`read_layer`]), into a [`LayerReport`], which is
//! data and may be kept by the layer's digest. [`assemble`] puts the reports of an image's layers together:
//! which package is still there, who brought it, what was removed again; it matches the packages against
//! a [`Database`] of advisories and gives a [`Report`]. [`image`] does both, and [`SavedImage`] for what lies in a directory or an
//! archive; [`directory`] and [`file()`] look at what is no image. A [`Policy`] turns a report into a [`Verdict`], and [`output`] into text.
//!
//! Invariants:
//! - nothing that is looked at is executed, imported or written to disk under its own name;
//! - whatever the input, there is no panic, and memory and work are bounded: a bound that is reached is a
//!   finding or an error, never silence;
//! - no network, no environment, no clock: the same input and database give the same report;
//! - what could not be judged is said ([`Outcome::Unjudged`]), and is not a pass.

mod ahead;
mod archive;
mod blob;
mod directory;
pub mod eol;
mod error;
mod examine;
pub mod findings;
pub mod image;
mod inventory;
mod licences;
mod model;
pub mod osv;
pub mod output;
mod pickle;
mod practice;
mod saved;
mod scan;
mod secrets;
mod shelf;
pub mod suppress;
mod version;
mod vulnerabilities;
mod waste;

pub use directory::directory;
pub use error::Error;
pub use findings::{
    Advisory, Finding, Kind, LayerRef, Location, Outcome, Policy, Report, Severity, Suppression, Thresholds,
    Unfixed, Verdict,
};
pub use image::{DirectoryRecord, DockerfileSource, Image, LayerReport, OpenBlob};
pub use inventory::{Distribution, Found, Inventory, Package, PackageFile, SourcePackage, System};
pub use licences::LicenceRules;
pub use osv::{Database, DatabaseError, Ecosystem};
pub use practice::{BuildContext, practice};
pub use saved::SavedImage;
pub use scan::{Checks, Options, assemble, bytes, file, image, read_layer, rematch};
pub use secrets::{SecretRules, without_secrets};
pub use shelf::Shelf;
pub use suppress::{SuppressError, Suppressions};
pub use waste::{LayerWaste, PathWaste, Waste, waste};
