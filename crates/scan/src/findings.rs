//! What a scan finds, and what follows from it.

mod finding;
mod policy;
mod report;
mod severity;

pub use finding::{Advisory, Finding, Kind, LayerRef, Location, Suppression};
pub use policy::{Outcome, Policy, Thresholds, Unfixed, Verdict};
pub use report::{Report, Subject};
pub use severity::{Severity, UnknownSeverity};
