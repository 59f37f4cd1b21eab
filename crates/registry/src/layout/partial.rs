//! Blobs on their way in whose digest is known: one fetcher at a time, and what arrived survives a crash.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use wharf_oci::{Descriptor, Digest};

use super::{Doing, Layout, LayoutError, hash_file};
use crate::hasher::Hasher;

const SUFFIX: &str = ".partial";

pub(super) fn is_partial(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(SUFFIX)
}

/// The answer to wanting to fetch a blob.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Claim {
    /// It is here already.
    Present,
    /// Another thread or process is fetching it; ask again later.
    Busy,
    /// It is the caller's to fetch.
    Mine(Partial),
}

/// A blob being fetched. Dropped unfinished, its bytes stay for the next attempt.
#[derive(Debug)]
pub struct Partial {
    layout: Layout,
    digest: Digest,
    size: u64,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    received: u64,
}

impl Layout {
    /// Asks to fetch the blob of `descriptor`. Bytes left by an earlier attempt are hashed again, so that
    /// only the rest has to travel.
    pub fn claim(&self, descriptor: &Descriptor) -> Result<Claim, LayoutError> {
        let digest = &descriptor.digest;
        let path = self.ingest().join(format!("{}-{}{SUFFIX}", digest.algorithm(), digest.digest()));
        loop {
            if self.size(digest) == Some(descriptor.size) {
                return Ok(Claim::Present);
            }
            let hasher = Hasher::like(digest).ok_or(LayoutError::Algorithm { digest: digest.clone() })?;
            let file = open_or_create(&path).doing("creating", &path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Claim::Busy),
                Err(TryLockError::Error(error)) => return Err(error).doing("locking", &path),
            }
            // The file may have become the blob, or been swept, between opening and locking it.
            if is_still_at(&file, &path) {
                return Partial::resume(self, descriptor, path, file, hasher).map(Claim::Mine);
            }
        }
    }
}

fn open_or_create(path: &std::path::Path) -> std::io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn is_still_at(file: &File, path: &std::path::Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if identity(a.clone()) == identity(b.clone()))
}

impl Partial {
    fn resume(
        layout: &Layout,
        descriptor: &Descriptor,
        path: PathBuf,
        file: File,
        hasher: Hasher,
    ) -> Result<Self, LayoutError> {
        let (layout, digest, size) = (layout.clone(), descriptor.digest.clone(), descriptor.size);
        let mut partial = Self { layout, digest, size, path, file, hasher, received: 0 };
        partial.received =
            hash_file(&mut partial.file, &mut partial.hasher).doing("reading", &partial.path)?;
        if partial.received > partial.size {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// How many bytes are here; the next one to write is at this offset.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The root of the layout it belongs to.
    pub fn place(&self) -> &std::path::Path {
        self.layout.root()
    }

    /// Appends bytes. Fails with [`LayoutError::Corrupt`] beyond the size that the blob is to have.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        if self.received + bytes.len() as u64 > self.size {
            return Err(self.corrupt(format!("more than {} bytes", self.size)));
        }
        self.file.write_all(bytes).doing("writing", &self.path)?;
        self.hasher.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what was received.
    pub fn restart(&mut self) -> Result<(), LayoutError> {
        use std::io::Seek;
        self.file.set_len(0).doing("truncating", &self.path)?;
        self.file.rewind().doing("rewinding", &self.path)?;
        self.hasher =
            Hasher::like(&self.digest).ok_or(LayoutError::Algorithm { digest: self.digest.clone() })?;
        self.received = 0;
        Ok(())
    }

    /// Verifies size and digest and gives the blob its name. On [`LayoutError::Corrupt`] what was received
    /// is removed.
    pub fn commit(self) -> Result<(), LayoutError> {
        let found = match self.received {
            received if received == self.size => self.hasher.clone().finish(),
            received => format!("{received} bytes instead of {}", self.size),
        };
        if found != self.digest.as_ref() {
            let _ = fs::remove_file(&self.path);
            return Err(self.corrupt(found));
        }
        self.layout.make_blob_directory(&self.digest)?;
        let path = self.layout.path(&self.digest);
        fs::rename(&self.path, &path).doing("naming", &path)
    }

    fn corrupt(&self, found: String) -> LayoutError {
        LayoutError::Corrupt { digest: self.digest.clone(), found, root: self.layout.root.clone() }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.received == 0 && is_still_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
