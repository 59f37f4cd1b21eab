//! Uploads in progress (distribution-spec 1.1, "Pushing Blobs"): a file each, which outlives the request, the
//! process, and is the same to every process on the directory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, RANGE};
use tokio::sync::mpsc;
use uuid::Uuid;
use wharf_oci::{Digest, Hashing};
use wharf_registry::Layout;

use crate::problem::{Code, Problem};

/// How long a request waits for another that is just letting go of its upload.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Uploads that nobody has touched for this long are abandoned.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The uploads of a repository's layout.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    layout: Layout,
    hashes: Hashes,
}

/// The hashes of what this process has received, so that an upload is not read again when it ends. An upload
/// that another process began, or this one before it was killed, is read again instead.
pub(crate) type Hashes = Arc<Mutex<HashMap<Uuid, Hashing<std::io::Sink>>>>;

/// How many bytes an upload has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received(pub(crate) u64);

impl Received {
    /// As the `Range` header says it: `0-last`, and `0-0` for nothing.
    pub(crate) fn to_range(self) -> String {
        format!("0-{}", self.0.saturating_sub(1))
    }
}

impl Uploads {
    pub(crate) fn of(layout: Layout, hashes: Hashes) -> Self {
        Self { layout, hashes }
    }

    fn directory(&self) -> PathBuf {
        self.layout.root().join("uploads")
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.directory().join(id.to_string())
    }

    /// Opens an upload and drops those that were abandoned.
    pub(crate) fn start(&self) -> Result<Uuid, Problem> {
        fs::create_dir_all(self.directory()).map_err(failed)?;
        self.sweep();
        let id = Uuid::new_v4();
        File::create_new(self.path(id)).map_err(failed)?;
        self.hashes().insert(id, Hashing::new(std::io::sink()));
        Ok(id)
    }

    fn sweep(&self) {
        for entry in fs::read_dir(self.directory()).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > KEPT) {
                // Another process may have been faster.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn hashes(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Hashing<std::io::Sink>>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the upload is.
    pub(crate) fn received(&self, id: Uuid) -> Result<Received, Problem> {
        fs::metadata(self.path(id)).map(|metadata| Received(metadata.len())).map_err(|_| unknown(id))
    }

    /// Forgets the upload.
    pub(crate) fn cancel(&self, id: Uuid) -> Result<(), Problem> {
        self.hashes().remove(&id);
        fs::remove_file(self.path(id)).map_err(|_| unknown(id))
    }

    /// Opens the upload for appending; nobody else can meanwhile. `start` is where the caller thinks it stands.
    pub(crate) fn append(&self, id: Uuid, start: Option<u64>) -> Result<Appending, Problem> {
        let mut file = self.lock(id)?;
        let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if start.is_some_and(|start| start != size) {
            return Err(out_of_order(Received(size)));
        }
        // Taken out while the bytes flow: should this request be cut off, its hash is lost, not wrong.
        let hash = self.hashes().remove(&id).filter(|hash| hash.count() == size);
        Ok(Appending { uploads: self.clone(), id, file, hash, size })
    }

    /// Ends the upload: it becomes the blob of `digest`.
    pub(crate) fn finish(&self, id: Uuid, digest: &Digest) -> Result<(), Problem> {
        // Held until the blob has its name, so that nobody appends to it any more.
        let file = self.lock(id)?;
        let size = file.metadata().map_err(failed)?.len();
        let hash = self.hashes().remove(&id).filter(|hash| hash.count() == size);
        let found = hash.map(|hash| hash.digest());
        let path = self.path(id);
        self.layout.adopt(&path, digest, found.as_ref()).map_err(|error| {
            // What was received is wrong as a whole; there is nothing to go on with.
            let _ = fs::remove_file(&path);
            Problem::from(error)
        })
    }

    /// The upload's file, locked against everybody else.
    fn lock(&self, id: Uuid) -> Result<File, Problem> {
        let path = self.path(id);
        let file = File::options().write(true).open(&path).map_err(|_| unknown(id))?;
        let since = Instant::now();
        while file.try_lock().is_err() {
            // A process that is just being started holds a copy of every open file until it runs.
            if since.elapsed() < PATIENCE {
                std::thread::sleep(PAUSE);
                continue;
            }
            let message = "another request is writing to this upload";
            return Err(Problem::new(Code::BlobUploadInvalid, message).with_status(StatusCode::CONFLICT));
        }
        // It may have become a blob between the opening and the lock.
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata().map(inode), fs::metadata(&path).map(inode)) {
            (Ok(locked), Ok(named)) if locked == named => Ok(file),
            _ => Err(unknown(id)),
        }
    }
}

/// An upload while bytes are added to it.
#[derive(Debug)]
pub(crate) struct Appending {
    uploads: Uploads,
    id: Uuid,
    file: File,
    hash: Option<Hashing<std::io::Sink>>,
    size: u64,
}

impl Appending {
    /// Writes what comes, until nothing more does. What was written counts, even if the sender broke off.
    pub(crate) fn write_all(mut self, mut pieces: mpsc::Receiver<Bytes>) -> Result<Received, Problem> {
        while let Some(piece) = pieces.blocking_recv() {
            self.file.write_all(&piece).map_err(failed)?;
            if let Some(hash) = &mut self.hash {
                // A sink takes everything.
                let _ = hash.write_all(&piece);
            }
            self.size += piece.len() as u64;
        }
        if let Some(hash) = self.hash.take() {
            self.uploads.hashes().insert(self.id, hash);
        }
        Ok(Received(self.size))
    }
}

fn unknown(id: Uuid) -> Problem {
    Problem::new(Code::BlobUploadUnknown, format!("there is no upload {id}"))
}

fn out_of_order(received: Received) -> Problem {
    let problem = Problem::new(Code::BlobUploadInvalid, format!("the upload has {} bytes", received.0))
        .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
    match received.to_range().try_into() {
        Ok(value) => problem.with_header(RANGE, value),
        Err(_) => problem,
    }
}

fn failed(error: std::io::Error) -> Problem {
    let error = wharf_registry::LayoutError::Io {
        action: "writing",
        path: PathBuf::from("an upload"),
        source: error,
    };
    error.into()
}

/// The name of the header that carries an upload's identity.
pub(crate) const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
