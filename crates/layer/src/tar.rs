//! The tar format: POSIX.1-2001 (ustar with PAX records) written; that, GNU and the older ones read.
//!
//! Our own rather than a crate's, since three things must be exact: which bytes are written (they are
//! the layer's identity), names as bytes (they need not be UTF-8), and what a hostile archive can make
//! us allocate (see [`MAX_EXTENSION`]).

mod extensions;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub(crate) use reader::{Chunk, TarReader};
pub(crate) use writer::{TRAILER, encode, padding};

/// The unit of the format, in bytes.
pub(crate) const BLOCK: usize = 512;

/// The largest extension (PAX records, GNU long name, sparse map) that is read, in bytes.
pub(crate) const MAX_EXTENSION: u64 = 1 << 20;

/// Sizes from here on are taken for errors: no file has an exabyte, and sums of sizes stay in range.
const MAX_SIZE: u64 = 1 << 60;
