//! Images that are not in a store: OCI layouts as directories, and what `docker save` and its kin write.
//!
//! A tar archive is not unpacked: its entries are found once and read where they lie.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wharf_oci::{Descriptor, Digest, ImageConfig, Index, Manifest, MediaType, Platform, digest, media};

use crate::archive::{Codec, EntryKind, TarReader};
use crate::blob::{self, Blob};
use crate::{Database, DockerfileSource, Error, Image, Options, Report, Shelf};

/// The longest manifest or config that is read.
const MAX_DOCUMENT: usize = 16 << 20;
/// The longest archive that is unpacked to be read.
const MAX_ARCHIVE: u64 = 1 << 40;

/// An image in a directory or an archive.
#[derive(Debug)]
pub struct SavedImage {
    files: Files,
    digest: Digest,
    manifest: Manifest,
    config: ImageConfig,
    /// The layers of the old format, which names them by path.
    by_path: HashMap<Digest, String>,
}

#[derive(Debug)]
enum Files {
    Directory(PathBuf),
    Tar(Blob, HashMap<String, (u64, u64)>),
}

/// `manifest.json` of `docker save`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    layers: Vec<String>,
}

impl SavedImage {
    /// The image for `platform` in the OCI layout or archive at `path`; `None` where there is no image at all.
    ///
    /// # Errors
    /// If the directory or archive cannot be read, or its documents contradict one another.
    pub fn open(path: &Path, platform: &Platform) -> Result<Option<Self>, Error> {
        let failed = |source| Error::Path { path: path.to_owned(), source };
        let Some(files) = Files::open(path).map_err(failed)? else { return Ok(None) };
        if files.has("index.json") {
            return Self::from_layout(files, platform).map(Some).map_err(failed);
        }
        if files.has("manifest.json") {
            return Self::from_docker(files).map(Some).map_err(failed);
        }
        Ok(None)
    }

    /// Looks at the image.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn scan(
        &self,
        name: &str,
        dockerfile: Option<DockerfileSource<'_>>,
        options: &Options,
        database: &Database,
        shelf: &Shelf,
    ) -> Result<Report, Error> {
        let image =
            Image { name, digest: &self.digest, manifest: &self.manifest, config: &self.config, dockerfile };
        let open = |layer: &Descriptor| -> io::Result<Box<dyn Read + Send>> {
            let path = self.by_path.get(&layer.digest).cloned().unwrap_or_else(|| blob_path(&layer.digest));
            Ok(Box::new(self.files.open_file(&path)?.reader(0)))
        };
        crate::image(&image, &open, options, database, shelf)
    }

    fn from_layout(files: Files, platform: &Platform) -> io::Result<Self> {
        let index: Index = files.document("index.json")?;
        let mut descriptor = pick(&index, platform)?;
        // An index may name indexes; more levels than these are a loop.
        for _ in 0..4 {
            if !media::is_index(&descriptor.media_type) {
                break;
            }
            let inner: Index = files.document(&blob_path(&descriptor.digest))?;
            descriptor = pick(&inner, platform)?;
        }
        let manifest: Manifest = files.document(&blob_path(&descriptor.digest))?;
        let config = files.document(&blob_path(&manifest.config.digest))?;
        Ok(Self { files, digest: descriptor.digest, manifest, config, by_path: HashMap::new() })
    }

    fn from_docker(files: Files) -> io::Result<Self> {
        let entries: Vec<DockerEntry> = files.document("manifest.json")?;
        let entry = entries.into_iter().next().ok_or_else(|| invalid("the archive names no image"))?;
        let text = files.open_file(&entry.config)?.bytes(0, MAX_DOCUMENT)?;
        let config: ImageConfig = serde_json::from_slice(&text)?;
        let mut by_path = HashMap::new();
        let mut layers = Vec::new();
        for (path, diff_id) in entry.layers.into_iter().zip(&config.rootfs.diff_ids) {
            let size = files.open_file(&path)?.len();
            layers.push(Descriptor::new(MediaType::from(media::DOCKER_LAYER), diff_id.clone(), size));
            by_path.insert(diff_id.clone(), path);
        }
        let manifest = Manifest::new(Descriptor::of(MediaType::ImageConfig, &text), layers);
        Ok(Self { files, digest: digest::sha256(&text), manifest, config, by_path })
    }
}

/// The manifest for a platform, or the only one there is.
fn pick(index: &Index, platform: &Platform) -> io::Result<Descriptor> {
    let only = || if let [one] = index.manifests.as_slice() { Some(one) } else { None };
    let found = index.for_platform(platform).or_else(only).or_else(|| index.manifests.first());
    found.cloned().ok_or_else(|| invalid("the layout names no image"))
}

impl Files {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        if path.is_dir() {
            return Ok(Some(Self::Directory(path.to_owned())));
        }
        let mut blob = Blob::of_file(File::open(path)?)?;
        let head = blob.bytes(0, 512)?;
        if let Some(codec @ (Codec::Gzip | Codec::Zstd | Codec::Xz | Codec::Bzip2)) = Codec::detect(&head) {
            let mut start = Vec::new();
            let mut stream = BufReader::new(codec.decode(blob.reader(0))?);
            (&mut stream).take(512).read_to_end(&mut start)?;
            if !TarReader::<&[u8]>::detect(&start) {
                return Ok(None);
            }
            blob = blob::spool(start.as_slice().chain(stream), MAX_ARCHIVE)?.blob;
        } else if !TarReader::<&[u8]>::detect(&head) {
            return Ok(None);
        }
        let mut entries = HashMap::new();
        let mut reader = TarReader::new(blob.reader(0));
        while let Some(entry) = reader.next_entry()? {
            if entry.kind == EntryKind::File {
                entries.insert(entry.path, (reader.get_ref().position(), entry.size));
                reader.skip_content(|stream, length| stream.seek_to(stream.position() + length));
            }
        }
        Ok(Some(Self::Tar(blob, entries)))
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(root) => root.join(name).is_file(),
            Self::Tar(_, entries) => entries.contains_key(name),
        }
    }

    fn open_file(&self, name: &str) -> io::Result<Blob> {
        match self {
            Self::Directory(root) => Blob::of_file(File::open(root.join(name))?),
            Self::Tar(blob, entries) => {
                let (at, length) =
                    entries.get(name).ok_or_else(|| invalid(&format!("`{name}` is missing")))?;
                Ok(blob.slice(*at, *length))
            }
        }
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.open_file(name)?.bytes(0, MAX_DOCUMENT)?)?)
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
