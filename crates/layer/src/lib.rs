//! File trees as layers: deterministic tar, whiteouts, compress and hash in one pass, diff, split, apply.

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
mod overlay;
mod reader;
mod remove;
mod stack;
mod stream;
mod tar;
mod tree;
mod unpack;
mod whiteout;
mod writer;

pub use apply::{Applied, ApplyOptions, Form, Limits, apply};
pub use blob::{recompress, verify_blob};
pub use compression::{Compression, Family, Format};
pub use decode::Decoder;
pub use diff::{Change, DiffOptions, Upper, diff, write_diff};
pub use entry::{Device, Entry, Kind, Metadata, Timestamp};
pub use error::Error;
pub use overlay::{DEVICE_XATTR, OWNER_XATTR, OpaqueXattr, Ownership};
pub use reader::LayerReader;
pub use writer::{LayerInfo, LayerWriter, Precision, WriteOptions};
