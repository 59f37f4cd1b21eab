//! File trees as layers: deterministic tar, whiteouts, compress and hash in one pass, diff, split, apply.
//!
//! A step of a build leaves an overlay upper directory. [`diff`] says what it changes in the layers below,
//! [`LayerWriter`] makes a layer of any entries, [`write_diff`] does both; [`apply`] makes a directory of a
//! layer again, and [`LayerReader`] looks into one without unpacking it; what [`watch`] gives looks at one
//! while another pass writes or reads it. [`archive`] is `ADD`'s extraction,
//! [`recompress`] and [`verify_blob`] treat layers as blobs. A layer is split by giving the changes of one
//! diff to several writers.
//!
//! Invariants:
//! - the bytes of a layer depend on its entries, their content and the options, never on how input was
//!   cut, how many threads ran, or who built it where; `tests/layer/determinism.rs` pins them;
//! - memory is a few blocks a thread, plus what each directory and hard-linked file of the layer takes;
//! - nothing is written outside the directory given, whatever an archive says: names and links are
//!   resolved below open directories ([`apply`], [`archive::extract`]);
//! - a layer that is malformed, too large or impossible here is an error that names the entry;
//! - bytes are read once: tar, both digests and compression are one pass.
//!
//! Nothing here reads the environment, prints, or syncs to disk.

mod apply;
pub mod archive;
mod attributes;
mod blob;
mod compression;
mod decode;
mod diff;
mod encode;
mod entry;
mod error;
mod inode;
mod member;
mod outline;
mod overlay;
mod reader;
mod remove;
mod stack;
mod stream;
mod tar;
mod tree;
mod unpack;
mod watch;
mod whiteout;
mod writer;

pub use apply::{Applied, ApplyOptions, Contents, Form, Limits, apply, apply_shown};
pub use blob::{recompress, verify_blob};
pub use compression::{Compression, Family, Format};
pub use decode::Decoder;
pub use diff::{Change, DiffOptions, Upper, diff, write_diff};
pub use encode::{Blocks, Earlier};
pub use entry::{Device, Entry, Kind, Metadata, Timestamp};
pub use error::Error;
pub use outline::{Named, Outline, Part, View};
pub use overlay::{DEVICE_XATTR, OWNER_XATTR, OpaqueXattr, Ownership};
pub use reader::LayerReader;
pub use unpack::lay_out;
pub use watch::{Shown, Watched, watch};
pub use writer::{LayerInfo, LayerWriter, Precision, WriteOptions};
