//! Model files: what they would do when loaded.

use crate::blob::Blob;
use crate::findings::Finding;

/// Whether a file of this name and size, beginning like this, is worth taking apart.
pub(crate) fn wants(_path: &str, _size: u64, _head: &[u8]) -> bool {
    false
}

/// What is wrong with the file at `path`.
pub(crate) fn scan(_path: &str, _blob: &Blob, _allow: &[String]) -> Vec<Finding> {
    Vec::new()
}
