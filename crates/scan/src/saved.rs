//! Images that are not in a store: OCI layouts as directories, and what `docker save` and its kin write.
//!
//! A tar archive is not unpacked: its entries are found once and read where they lie. What is read under a digest is checked
//! against it, as what is learnt of a layer is kept by its digest, and must hold for that layer wherever it turns up.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wharf_oci::{
    Descriptor, Digest, Hashing, ImageConfig, Index, Manifest, MediaType, Platform, digest, media,
};

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
            Ok(Box::new(Checked::new(self.files.open_file(&path)?.reader(0), &layer.digest)))
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
            let inner: Index = files.blob_document(&descriptor.digest)?;
            descriptor = pick(&inner, platform)?;
        }
        let manifest: Manifest = files.blob_document(&descriptor.digest)?;
        let config = files.blob_document(&manifest.config.digest)?;
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
            let content = files.open_file(&path)?;
            // Such a layer is a plain tar archive, unless somebody meant well.
            let digest = match Codec::detect(&content.bytes(0, 512)?) {
                None => diff_id.clone(),
                Some(_) => {
                    let mut hashing = Hashing::new(io::sink());
                    io::copy(&mut content.reader(0), &mut hashing)?;
                    hashing.digest()
                }
            };
            layers.push(Descriptor::new(MediaType::from(media::DOCKER_LAYER), digest.clone(), content.len()));
            by_path.insert(digest, path);
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

    fn blob_document<T: DeserializeOwned>(&self, digest: &Digest) -> io::Result<T> {
        let bytes = self.open_file(&blob_path(digest))?.bytes(0, MAX_DOCUMENT)?;
        match digest::matches(digest, &bytes) {
            true => Ok(serde_json::from_slice(&bytes)?),
            false => Err(damaged(digest)),
        }
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.open_file(name)?.bytes(0, MAX_DOCUMENT)?)?)
    }
}

/// A layer that ends with an error if it is not the one that was meant.
struct Checked {
    content: Hashing<blob::Reader>,
    digest: Digest,
}

impl Checked {
    fn new(content: blob::Reader, digest: &Digest) -> Self {
        Self { content: Hashing::new(content), digest: digest.clone() }
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.content.read(buffer)?;
        match n == 0 && !buffer.is_empty() && self.content.digest() != self.digest {
            true => Err(damaged(&self.digest)),
            false => Ok(n),
        }
    }
}

fn damaged(digest: &Digest) -> io::Error {
    invalid(&format!("it is not what its digest says, {digest}"))
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::archive::test_tar as archive;
    use crate::{Checks, Kind};

    /// A layout of one layer, which holds a key.
    fn layout(root: &Path) -> PathBuf {
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8]| {
            let digest = digest::sha256(bytes);
            fs::write(blobs.join(digest.digest()), bytes).unwrap();
            (digest, bytes.len())
        };
        let (layer, size) = put(&archive(&[("key", b"AKIAQ3EGRIFFYZ7HTWXB\n")]));
        let config = format!(
            r#"{{"architecture": "amd64", "os": "linux", "rootfs": {{"type": "layers", "diff_ids": ["{layer}"]}}}}"#
        );
        let (config, config_size) = put(config.as_bytes());
        let kind = "application/vnd.oci.image";
        let manifest = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{kind}.manifest.v1+json", "config": {{"mediaType": "{kind}.config.v1+json",
            "digest": "{config}", "size": {config_size}}}, "layers": [{{"mediaType": "{kind}.layer.v1.tar", "digest": "{layer}", "size": {size}}}]}}"#
        );
        let (manifest, size) = put(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "{kind}.manifest.v1+json", "digest": "{manifest}", "size": {size}}}]}}"#
        );
        fs::write(root.join("index.json"), index).unwrap();
        blobs.join(layer.digest())
    }

    #[test]
    fn a_layer_that_is_another_one_is_no_pass_and_not_remembered() {
        let (root, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layer = layout(root.path());
        let real = fs::read(&layer).unwrap();
        let options = Options { checks: Checks { secrets: true, ..Checks::NONE }, ..Options::default() };
        let shelf = Shelf::at(kept.path());
        let scan = || {
            let image = SavedImage::open(root.path(), &Platform::host()).unwrap().unwrap();
            image.scan("x", None, &options, &Database::default(), &shelf)
        };
        // Whoever makes a layout can give a layer another's name.
        fs::write(&layer, archive(&[("key", b"nothing\n")])).unwrap();
        let error = scan().unwrap_err();
        assert!(format!("{:?}", error).contains("not what its digest says"), "{error:?}");
        fs::write(&layer, real).unwrap();
        assert_eq!(scan().unwrap().findings[0].kind, Kind::Secret);
    }
}
