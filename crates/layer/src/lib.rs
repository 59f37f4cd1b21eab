//! File trees as layers: deterministic tar, whiteouts, compress and hash in one pass, diff, split, apply.

mod apply;
pub mod archive;
mod blob;
mod compression;
mod diff;
mod entry;
mod error;
mod overlay;
mod writer;

pub use apply::{Applied, ApplyOptions, Form, Limits, apply};
pub use blob::{recompress, verify_blob};
pub use compression::{Compression, Family, Format};
pub use diff::{Change, DiffOptions, diff, write_diff};
pub use entry::{Device, Entry, Kind, Metadata, Timestamp};
pub use error::Error;
pub use overlay::{OWNER_XATTR, OpaqueXattr, Ownership};
pub use writer::{LayerInfo, LayerWriter, Precision, WriteOptions};
