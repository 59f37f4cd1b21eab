//! An OCI image layout on disk (OCI image-spec 1.1, `image-layout.md`): content by digest, names in
//! `index.json`.
//!
//! Plain synchronous files, so that build threads use it without a runtime. Invariants:
//! - a file under `blobs/` was complete and had the digest it is named by when it got that name;
//! - what is unfinished lives under `ingest/`, locked by whoever writes it. The kernel drops the lock with
//!   the process, so a left-over is recognised by being free, not by guessing from ages or process ids;
//! - `index.json` changes by rename under a lock file, so any number of processes share a layout.

mod adopt;
mod error;
mod index;
mod manifests;
mod partial;
mod prune;
mod seen;
mod store;
mod writer;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use wharf_oci::digest::{self, DigestAlgorithm};
use wharf_oci::{Descriptor, Digest, MediaType};

use crate::hasher::Hasher;
pub(crate) use error::Doing;
pub use error::LayoutError;
pub use index::REF_NAME;
pub use partial::{Claim, Partial};
pub use prune::Pruned;
pub(crate) use store::read_ahead;
pub use writer::BlobWriter;

/// The most that [`Layout::read`] takes into memory: manifests, indexes and configs are far smaller.
pub const DOCUMENT_MAX: u64 = 16 << 20;

/// How long the bytes of a broken-off download are kept for the next attempt.
const PARTIAL_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

const LAYOUT_FILE: &str = "oci-layout";
pub(crate) const LAYOUT_VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// An OCI image layout directory. Cheap to clone; clones share a cache of the parsed index.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    cached: Arc<Mutex<Option<index::Cached>>>,
    notes_use: bool,
}

/// What was stored: its digest and its size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The sha256 digest of the bytes.
    pub digest: Digest,
    /// How many bytes there are.
    pub size: u64,
}

impl Content {
    /// A descriptor of this content as `media_type`.
    pub fn descriptor(&self, media_type: impl Into<MediaType>) -> Descriptor {
        Descriptor::new(media_type, self.digest.clone(), self.size)
    }
}

impl Layout {
    /// Opens the layout at `root`, creating what is missing, and removes what killed processes left behind.
    ///
    /// Fails when the directory cannot be made, or holds a layout of another version.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let layout = Self::at(root.into());
        for directory in [layout.root.join("blobs/sha256"), layout.ingest()] {
            fs::create_dir_all(&directory).doing("creating directory", &directory)?;
        }
        let version = layout.root.join(LAYOUT_FILE);
        if !version.exists() {
            layout.replace(&version, LAYOUT_VERSION.as_bytes())?;
        }
        layout.check_version()?;
        layout.create_index()?;
        layout.sweep(PARTIAL_KEPT)?;
        Ok(layout)
    }

    /// Opens the layout at `root` only if there is one.
    pub fn existing(root: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let layout = Self::at(root.into());
        layout.check_version()?;
        Ok(layout)
    }

    fn at(root: PathBuf) -> Self {
        Self { root, cached: Arc::default(), notes_use: false }
    }

    /// The same layout, of which every blob that is asked for gets the time of now: whoever finds one here counts
    /// on it, and [`take_away`](Self::take_away) spares it.
    pub fn noting_use(self) -> Self {
        Self { notes_use: true, ..self }
    }

    fn check_version(&self) -> Result<(), LayoutError> {
        let not_a_layout = || LayoutError::NotALayout { path: self.root.clone() };
        let text = fs::read(self.root.join(LAYOUT_FILE)).map_err(|_| not_a_layout())?;
        let document: serde_json::Value = serde_json::from_slice(&text).map_err(|_| not_a_layout())?;
        if document["imageLayoutVersion"] == "1.0.0" { Ok(()) } else { Err(not_a_layout()) }
    }

    /// The directory of the layout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the blob is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().as_ref()).join(digest.digest())
    }

    fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    /// Whether the blob is here. Its bytes are not looked at.
    pub fn has(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// The size of the blob in bytes, if it is here.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        let path = self.path(digest);
        if self.notes_use {
            // Who may not write here does not count, and is told so by what it does next.
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Opens the blob for reading. What is read is not verified.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, LayoutError> {
        let path = self.path(digest);
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(LayoutError::Missing { digest: digest.clone(), root: self.root.clone() })
            }
            result => result.doing("opening", &path),
        }
    }

    /// Reads a document (manifest, index, config) into memory and verifies it.
    ///
    /// Fails with [`LayoutError::Corrupt`] when the bytes are not the digest's, and with
    /// [`LayoutError::TooLarge`] beyond [`DOCUMENT_MAX`].
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let path = self.path(digest);
        let file = self.open_blob(digest)?;
        let size = file.metadata().doing("examining", &path)?.len();
        if size > DOCUMENT_MAX {
            return Err(LayoutError::TooLarge { digest: digest.clone(), size, limit: DOCUMENT_MAX });
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(DOCUMENT_MAX).read_to_end(&mut bytes).doing("reading", &path)?;
        if digest::matches(digest, &bytes) { Ok(bytes) } else { Err(self.corrupt(digest, &bytes)) }
    }

    fn corrupt(&self, digest: &Digest, bytes: &[u8]) -> LayoutError {
        LayoutError::Corrupt {
            digest: digest.clone(),
            found: digest::sha256(bytes).to_string(),
            root: self.root.clone(),
        }
    }

    /// Reads the whole blob and checks size and digest, in constant memory.
    pub fn verify(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let digest = &descriptor.digest;
        let mut hasher = Hasher::like(digest).ok_or(LayoutError::Algorithm { digest: digest.clone() })?;
        let size =
            hash_file(&mut self.open_blob(digest)?, &mut hasher).doing("reading", &self.path(digest))?;
        let corrupt = |found| LayoutError::Corrupt { digest: digest.clone(), found, root: self.root.clone() };
        if size != descriptor.size {
            return Err(corrupt(format!("{size} bytes instead of {}", descriptor.size)));
        }
        let found = hasher.finish();
        if found == digest.as_ref() { Ok(()) } else { Err(corrupt(found)) }
    }

    /// Starts a blob whose digest is not known yet.
    pub fn writer(&self) -> Result<BlobWriter, LayoutError> {
        BlobWriter::new(self)
    }

    /// Stores `bytes`.
    pub fn put(&self, bytes: &[u8]) -> Result<Content, LayoutError> {
        let digest = digest::sha256(bytes);
        self.put_as(&digest, bytes)?;
        Ok(Content { digest, size: bytes.len() as u64 })
    }

    /// Stores `bytes` under `digest`, which may be of either algorithm.
    ///
    /// Fails with [`LayoutError::Corrupt`] when the bytes are not the digest's.
    pub fn put_as(&self, digest: &Digest, bytes: &[u8]) -> Result<(), LayoutError> {
        if !digest::matches(digest, bytes) {
            return Err(self.corrupt(digest, bytes));
        }
        if self.size(digest) == Some(bytes.len() as u64) {
            return self.touch(digest);
        }
        let path = self.path(digest);
        self.make_blob_directory(digest)?;
        self.replace(&path, bytes)
    }

    /// Says that the blob is in use again, so that [`prune`](Self::prune) spares it for its grace period.
    pub fn touch(&self, digest: &Digest) -> Result<(), LayoutError> {
        let path = self.path(digest);
        self.open_blob(digest)?.set_modified(SystemTime::now()).doing("updating the time of", &path)
    }

    /// Removes a blob that turned out corrupt, so that it can be fetched again. It is no error if it is gone.
    pub fn discard(&self, digest: &Digest) -> Result<(), LayoutError> {
        self.remove(digest).map(drop)
    }

    /// Removes a blob; returns whether it was there. Names that lead to it are the caller's concern.
    pub fn remove(&self, digest: &Digest) -> Result<bool, LayoutError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            result => result.doing("removing", &path).map(|()| true),
        }
    }

    /// Moves a blob to `aside`, unless somebody has used it since `since`. Returns whether it is here no more;
    /// names that lead to it are the caller's concern.
    ///
    /// The time is looked at when the blob has been moved, and cannot change any more: what was used in the last
    /// moment comes back.
    pub fn take_away(&self, digest: &Digest, aside: &Path, since: SystemTime) -> Result<bool, LayoutError> {
        let path = self.path(digest);
        match fs::rename(&path, aside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            result => result.doing("moving", &path)?,
        }
        let modified = fs::metadata(aside).and_then(|metadata| metadata.modified());
        if modified.doing("examining", aside)? < since {
            return Ok(true);
        }
        fs::rename(aside, &path).doing("moving back", &path)?;
        Ok(false)
    }

    fn make_blob_directory(&self, digest: &Digest) -> Result<(), LayoutError> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Ok(()), // made when the layout was opened
            DigestAlgorithm::Sha512 => {
                let directory = self.root.join("blobs/sha512");
                fs::create_dir_all(&directory).doing("creating directory", &directory)
            }
            _ => Err(LayoutError::Algorithm { digest: digest.clone() }),
        }
    }

    /// Writes a file whole: readers see the old content or the new, never a part.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
        let mut file = writer::temporary(&self.ingest())?;
        file.write_all(bytes).doing("writing", path)?;
        file.persist(path).map_err(|error| error.error).doing("writing", path).map(drop)
    }

    /// Removes unfinished files that nobody holds: temporary ones at once, partial downloads after `kept`.
    fn sweep(&self, kept: Duration) -> Result<(), LayoutError> {
        let directory = self.ingest();
        for entry in fs::read_dir(&directory).doing("listing", &directory)?.flatten() {
            let Ok(file) = File::open(entry.path()) else { continue };
            let resumable = partial::is_partial(&entry.file_name());
            let age = file.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            if (!resumable || age.is_some_and(|age| age > kept)) && file.try_lock().is_ok() {
                // Another process may have removed it in between, which is as good.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Feeds a file to `hasher` from where it stands; returns the number of bytes.
fn hash_file(file: &mut File, hasher: &mut Hasher) -> std::io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(size),
            n => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}
