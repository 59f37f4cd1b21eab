//! Reading an archive in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use wharf_oci::{Descriptor, Digest, Index};

use super::{ArchiveError, DOCKER_FILE, INDEX_FILE, blob_path, docker};
use crate::copy::{Listed, Origin, described};
use crate::layout::read_ahead;
use crate::store::{BlobStream, Document, Pending, Source};
use crate::{Cause, DOCUMENT_MAX, Error, Task};

/// More members than this are no image.
const MEMBERS_MAX: usize = 100_000;
/// A link that leads on more often than this leads nowhere.
const LINKS_MAX: usize = 8;

/// An image archive, open for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    file: Arc<File>,
    members: HashMap<String, Member>,
    /// Blobs that do not lie under their digest, as in docker's old form.
    elsewhere: HashMap<Digest, Section>,
    /// Manifests that were made here, because the archive has none.
    made: HashMap<Digest, Bytes>,
    images: Vec<Listed>,
}

#[derive(Debug, Clone)]
enum Member {
    File { position: u64, size: u64 },
    Link(String),
}

/// A part of a file.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) file: Arc<File>,
    pub(super) position: u64,
    pub(super) end: u64,
}

impl Section {
    pub(super) fn size(&self) -> u64 {
        self.end - self.position
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.size()).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..length], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Archive {
    /// Opens the archive at `path`, an uncompressed tar in a regular file, and reads what is in it.
    ///
    /// Fails with [`ArchiveError::NoImages`] when no index of either format is in it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Self::of_file(file, path),
            Err(source) => Err(ArchiveError::Io { action: "opening", path, source }),
        }
    }

    /// The same for a file that is open; `path` is for errors.
    pub fn of_file(file: File, path: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let (file, path) = (Arc::new(file), path.into());
        let members = members(&file).map_err(|source| ArchiveError::Io {
            action: "reading the archive",
            path: path.clone(),
            source,
        })?;
        let (elsewhere, made, images) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut shared = Shared { path, file, members, elsewhere, made, images };
        shared.images = shared.find_images()?;
        if shared.images.is_empty() {
            return Err(shared.wrong("it lists no images"));
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is in it, in the order of its index.
    pub fn images(&self) -> &[Listed] {
        &self.shared.images
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whether the image came without a manifest, as in docker's old form, so that this one was made here.
    pub fn is_without_manifest(&self, digest: &Digest) -> bool {
        self.shared.made.contains_key(digest)
    }

    /// The bytes of a blob, if it is here.
    pub fn reader(&self, descriptor: &Descriptor) -> Option<impl Read + Send + 'static> {
        self.shared.section(&descriptor.digest)
    }

    /// Whether everything that an index lists is here; docker saves an index of which it has only some images.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        self.shared.made.contains_key(&descriptor.digest) || self.shared.section(&descriptor.digest).is_some()
    }
}

/// Where in the file each member lies.
fn members(file: &File) -> std::io::Result<HashMap<String, Member>> {
    let mut members = HashMap::new();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let name = clean(&entry.path()?);
        let kind = entry.header().entry_type();
        let member = if kind.is_file() {
            Member::File { position: entry.raw_file_position(), size: entry.size() }
        } else if let (true, Some(target)) = (kind.is_symlink() || kind.is_hard_link(), entry.link_name()?) {
            let from = Path::new(&name).parent().filter(|_| kind.is_symlink()).unwrap_or(Path::new(""));
            Member::Link(clean(&from.join(target)))
        } else {
            continue;
        };
        // Of two members of one name the later one counts, as when a tar is unpacked.
        members.insert(name, member);
        if members.len() > MEMBERS_MAX {
            return Err(std::io::Error::other(format!("it has more than {MEMBERS_MAX} members")));
        }
    }
    Ok(members)
}

/// A path without `.`, with `..` resolved by name; nothing is opened by it, so it may say what it likes.
fn clean(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

impl Shared {
    fn wrong(&self, reason: impl Into<String>) -> ArchiveError {
        ArchiveError::NoImages { path: self.path.clone(), reason: reason.into() }
    }

    /// The bytes of the member `name`.
    fn member(&self, name: &str) -> Option<Section> {
        let mut name = name.to_owned();
        for _ in 0..LINKS_MAX {
            match self.members.get(&name)? {
                Member::File { position, size } => {
                    let end = position.checked_add(*size)?;
                    return Some(Section { file: self.file.clone(), position: *position, end });
                }
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    fn section(&self, digest: &Digest) -> Option<Section> {
        self.elsewhere.get(digest).cloned().or_else(|| self.member(&blob_path(digest)))
    }

    /// A document by its member's name, in memory.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.member(name).map(|section| self.read_section(section, name)).transpose()
    }

    fn read_section(&self, mut section: Section, name: &str) -> Result<Vec<u8>, ArchiveError> {
        if section.size() > DOCUMENT_MAX {
            return Err(self.wrong(format!("`{name}` is larger than a document may be")));
        }
        let mut bytes = Vec::new();
        let failed = |source| ArchiveError::Io { action: "reading", path: self.path.clone(), source };
        section.read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn find_images(&mut self) -> Result<Vec<Listed>, ArchiveError> {
        if let Some(text) = self.read(INDEX_FILE)? {
            let index: Index = serde_json::from_slice(&text)
                .map_err(|error| self.wrong(format!("`{INDEX_FILE}` does not parse: {error}")))?;
            let images = Listed::in_index(&index);
            if !images.is_empty()
                && images.iter().all(|image| self.section(&image.descriptor.digest).is_some())
            {
                return Ok(images);
            }
        }
        let Some(text) = self.read(DOCKER_FILE)? else {
            return Err(self.wrong(format!("there is neither `{INDEX_FILE}` nor `{DOCKER_FILE}` in it")));
        };
        let entries = docker::parse(&text)
            .map_err(|error| self.wrong(format!("`{DOCKER_FILE}` does not parse: {error}")))?;
        entries.into_iter().map(|entry| self.adopt(entry)).collect()
    }

    /// Makes a manifest for an image of docker's old form. Its layers are read once, for their digests.
    fn adopt(&mut self, entry: docker::Entry) -> Result<Listed, ArchiveError> {
        let missing = |name: &str| self.wrong(format!("`{name}` is not in it"));
        let config = self.member(&entry.config).ok_or_else(|| missing(&entry.config))?;
        let layers: Vec<Section> = entry
            .layers
            .iter()
            .map(|name| self.member(name).ok_or_else(|| missing(name)))
            .collect::<Result<_, _>>()?;
        let failed = |source| ArchiveError::Io { action: "reading", path: self.path.clone(), source };
        let (manifest, blobs) = docker::manifest(config, layers).map_err(failed)?;
        self.elsewhere.extend(blobs);
        let document = Document::of_manifest(&manifest);
        self.made.insert(document.descriptor.digest.clone(), document.bytes);
        Ok(Listed { descriptor: document.descriptor, names: entry.repo_tags })
    }
}

impl Origin for Archive {
    fn document<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Document> {
        let (shared, descriptor) = (self.shared.clone(), descriptor.clone());
        async move {
            let task = Task::new(
                "reading",
                format!("manifest {}", descriptor.digest),
                format!("in `{}`", shared.path.display()),
            );
            let wrong = |cause: Cause| Error::new(task.clone(), cause);
            let digest = &descriptor.digest;
            let bytes: Bytes = match (shared.made.get(digest), shared.section(digest)) {
                (Some(bytes), _) => bytes.clone(),
                (None, Some(section)) => {
                    let read = shared.read_section(section, digest.as_ref());
                    read.map_err(|error| wrong(Cause::Archive(error)))?.into()
                }
                (None, None) => {
                    let missing = ArchiveError::Missing { digest: digest.clone(), path: shared.path.clone() };
                    return Err(wrong(Cause::Archive(missing)));
                }
            };
            if !wharf_oci::digest::matches(digest, &bytes) {
                let found = wharf_oci::digest::sha256(&bytes).to_string();
                return Err(wrong(Cause::Corrupt { expected: digest.clone(), found }));
            }
            Ok(described(Descriptor { size: bytes.len() as u64, ..descriptor }, bytes))
        }
        .boxed()
    }

    fn content(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        Arc::new(Part { archive: self.clone(), descriptor: descriptor.clone() })
    }
}

/// A blob of an archive as a source of bytes.
struct Part {
    archive: Archive,
    descriptor: Descriptor,
}

impl Source for Part {
    fn open(&self, offset: u64) -> Pending<'_, BlobStream> {
        async move {
            let shared = self.archive.shared.clone();
            let place = format!("in `{}`", shared.path.display());
            let task = Task::blob("reading", &self.descriptor, place);
            let Some(mut section) = shared.section(&self.descriptor.digest) else {
                let (digest, path) = (self.descriptor.digest.clone(), shared.path.clone());
                return Err(Error::new(task, Cause::Archive(ArchiveError::Missing { digest, path })));
            };
            section.position = section.position.saturating_add(offset).min(section.end);
            let failed = move |source| {
                let path = shared.path.clone();
                Error::new(task.clone(), Cause::Archive(ArchiveError::Io { action: "reading", path, source }))
            };
            Ok(read_ahead(section).map(move |piece| piece.map_err(&failed)).boxed())
        }
        .boxed()
    }
}
