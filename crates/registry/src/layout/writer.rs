//! Blobs whose digest is known only when the last byte is written.

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;
use wharf_oci::{Digest, Hashing};

use super::{Content, Doing, Layout, LayoutError};

/// Gathers small writes; compressors hand out a few kilobytes at a time.
const BUFFER: usize = 256 << 10;

/// A blob being written: hashed as it passes, named when [committed](Self::commit), gone when dropped.
#[derive(Debug)]
pub struct BlobWriter {
    layout: Layout,
    out: Hashing<BufWriter<NamedTempFile>>,
}

impl BlobWriter {
    pub(super) fn new(layout: &Layout) -> Result<Self, LayoutError> {
        let file = temporary(&layout.ingest())?;
        Ok(Self { layout: layout.clone(), out: Hashing::new(BufWriter::with_capacity(BUFFER, file)) })
    }

    /// How many bytes have been written so far.
    pub fn written(&self) -> u64 {
        self.out.count()
    }

    /// Ends the blob and gives it its name. Bytes that are already here are replaced, which heals a blob
    /// that went bad.
    ///
    /// Fails with [`LayoutError::Corrupt`], leaving nothing, when the digest is not the `expected` one.
    pub fn commit(self, expected: Option<&Digest>) -> Result<Content, LayoutError> {
        let (out, digest, size) = self.out.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(LayoutError::Corrupt {
                digest: expected.clone(),
                found: digest.to_string(),
                root: self.layout.root.clone(),
            });
        }
        let path = self.layout.path(&digest);
        let file = out.into_inner().map_err(|error| error.into_error()).doing("writing", &path)?;
        file.persist(&path).map_err(|error| error.error).doing("naming", &path)?;
        Ok(Content { digest, size })
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// A locked temporary file in `directory`, removed when dropped, or by the next process once this one is dead.
pub(super) fn temporary(directory: &Path) -> Result<NamedTempFile, LayoutError> {
    loop {
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory)
            .doing("creating a file in", directory)?;
        file.as_file().lock().doing("locking", file.path())?;
        // A sweep may have come between the creation and the lock.
        if file.as_file().metadata().doing("examining", file.path())?.nlink() > 0 {
            return Ok(file);
        }
    }
}
