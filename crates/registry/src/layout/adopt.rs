//! Blobs that are files already: received by somebody else, or in a layout next door.

use std::fs::{self, File};
use std::path::Path;

use wharf_oci::Digest;

use super::{Doing, Layout, LayoutError, hash_file, writer};
use crate::hasher::Hasher;

impl Layout {
    /// Takes the file at `path`, which must be on the same file system and is gone afterwards, as the blob of
    /// `digest`. `found` is the digest of the file where the caller has computed it already.
    ///
    /// Fails with [`LayoutError::Corrupt`], leaving the file, when the content is not the digest's.
    pub fn adopt(&self, path: &Path, digest: &Digest, found: Option<&Digest>) -> Result<(), LayoutError> {
        let found = match found.filter(|found| found.algorithm() == digest.algorithm()) {
            Some(found) => found.to_string(),
            None => {
                let mut hasher =
                    Hasher::like(digest).ok_or(LayoutError::Algorithm { digest: digest.clone() })?;
                let mut file = File::open(path).doing("opening", path)?;
                hash_file(&mut file, &mut hasher).doing("reading", path)?;
                hasher.finish()
            }
        };
        if found != digest.as_ref() {
            return Err(LayoutError::Corrupt { digest: digest.clone(), found, root: self.root.clone() });
        }
        self.make_blob_directory(digest)?;
        let target = self.path(digest);
        // No pruning that has just looked at an older file of this name takes the new one away.
        let _lock = self.lock_index()?;
        fs::rename(path, &target).doing("naming", &target)
    }

    /// Takes the blob over from `other`, without copying where the file system allows it. Returns whether it is
    /// here now: `other` may not have it.
    pub fn take_from(&self, other: &Layout, digest: &Digest) -> Result<bool, LayoutError> {
        if self.has(digest) {
            return Ok(true);
        }
        if !other.has(digest) {
            return Ok(false);
        }
        self.make_blob_directory(digest)?;
        let (source, target) = (other.path(digest), self.path(digest));
        match fs::hard_link(&source, &target) {
            Ok(()) => Ok(true),
            // Somebody else has been as quick.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(_) => {
                let mut file = writer::temporary(&self.ingest())?;
                let mut from = File::open(&source).doing("opening", &source)?;
                std::io::copy(&mut from, file.as_file_mut()).doing("copying", &source)?;
                file.persist(&target).map_err(|error| error.error).doing("naming", &target)?;
                Ok(true)
            }
        }
    }
}
