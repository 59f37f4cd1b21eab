//! Credentials in files and in the image config.

use wharf_oci::ImageConfig;

use crate::findings::Finding;

/// Longer files are data, not configuration.
pub(crate) const MAX_SIZE: u64 = 4 << 20;

/// Whether a file of this name and size, beginning like this, is worth reading.
pub(crate) fn wants(_path: &str, _size: u64, _head: &[u8]) -> bool {
    false
}

/// The credentials in a file.
pub(crate) fn scan(_path: &str, _content: &[u8]) -> Vec<Finding> {
    Vec::new()
}

/// The credentials in an image's config.
pub(crate) fn scan_config(_config: &ImageConfig) -> Vec<Finding> {
    Vec::new()
}
