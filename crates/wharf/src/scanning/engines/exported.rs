//! An image of the store where another program can read it, and nothing else.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use wharf_registry::{ArchiveWriter, Condition, Document, Layout, Name};

use crate::exit::{Exit, Failure};
use crate::local;
use crate::world::World;

/// A layout of one image, by links where the file system has them; it goes away with the value.
pub(super) struct Exported {
    directory: tempfile::TempDir,
    image: Document,
}

impl Exported {
    pub(super) fn new(image: &local::Image, world: &World) -> Result<Self, Failure> {
        let parent = world.data_dir.join("tmp");
        std::fs::create_dir_all(&parent)?;
        let directory = tempfile::tempdir_in(parent)?;
        std::fs::create_dir(directory.path().join("home"))?;
        let layout = Layout::open(directory.path().join("image"))?;
        for blob in std::iter::once(&image.manifest.config).chain(&image.manifest.layers) {
            if !layout.take_from(&world.store, &blob.digest)? {
                let missing = anyhow!("{} is not in the store", blob.digest);
                return Err(Failure::new(Exit::Environment, missing));
            }
        }
        let bytes = world.store.read(&image.descriptor.digest)?;
        let document = Document { descriptor: image.descriptor.clone(), bytes: bytes.into() };
        layout.put_manifest(Name::Tag("scan"), &document, Condition::Always)?;
        Ok(Self { directory, image: document })
    }

    /// The layout.
    pub(super) fn layout(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// An empty home for whoever reads it.
    pub(super) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The same image as an archive, written where it is not there yet.
    pub(super) async fn archive(&self, world: &World) -> Result<PathBuf> {
        let path = self.directory.path().join("image.tar");
        if !path.is_file() {
            let mut writer = ArchiveWriter::new(std::fs::File::create(&path)?, &path);
            writer.add(&world.store, self.image.clone(), &["scan".to_owned()], &|_| {}).await?;
            writer.finish().await?;
        }
        Ok(path)
    }
}
