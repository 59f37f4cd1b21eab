//! What is scanned: a path goes before an image of the same name.

use std::path::{Path, PathBuf};

use wharf_oci::Platform;
use wharf_scan::{DockerfileSource, Report, SavedImage};

use super::{Judges, Setup, scan_image};
use crate::commands::pull::find_or_pull;
use crate::exit::Failure;
use crate::local;
use crate::world::World;

/// What is scanned.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// As it was typed.
    pub(crate) name: String,
    /// Of an index, which image.
    pub(crate) platform: Platform,
    /// When an image is pulled: `missing`, `always` or `never`.
    pub(crate) pull: String,
}

/// What a target turns out to be.
enum Opened {
    /// An OCI layout or an archive.
    Saved(Box<SavedImage>),
    /// An image of the store.
    Stored(Box<local::Image>),
    Directory(PathBuf),
    File(PathBuf),
}

impl Target {
    pub(crate) fn parse(name: &str, platform: Option<&Platform>, pull: &str) -> Self {
        let platform = platform.cloned().unwrap_or_else(Platform::host);
        Self { name: name.to_owned(), platform, pull: pull.to_owned() }
    }

    /// Finds out what it is.
    fn open(&self, world: &World) -> Result<Opened, Failure> {
        let layout = self.name.strip_prefix("oci:").filter(|rest| !rest.starts_with("//"));
        let path = Path::new(layout.unwrap_or(&self.name));
        let is_layout = path.join("oci-layout").is_file() && path.join("index.json").is_file();
        if layout.is_some() || path.is_file() || is_layout {
            if let Some(image) = SavedImage::open(path, &self.platform)? {
                return Ok(Opened::Saved(Box::new(image)));
            }
            if layout.is_some() {
                return Err(Failure::usage(format!("{} is no OCI image layout", path.display())));
            }
            return Ok(Opened::File(path.to_owned()));
        }
        if path.is_dir() {
            return Ok(Opened::Directory(path.to_owned()));
        }
        if self.name.starts_with(['.', '/', '~']) {
            return Err(Failure::usage(format!("there is no file or directory `{}`", self.name)));
        }
        let (_, image) = find_or_pull(world, &self.name, &self.pull, &self.platform)?;
        Ok(Opened::Stored(Box::new(image)))
    }
}

/// Scans a target as `setup` says.
pub(crate) fn scan(
    target: &Target,
    dockerfile: Option<DockerfileSource<'_>>,
    setup: &Setup,
    world: &World,
) -> Result<Report, Failure> {
    let (options, database) = (&setup.options, &setup.database);
    let mut report = match target.open(world)? {
        Opened::Stored(image) => {
            return scan_image(Judges::Named(world), &target.name, &image, dockerfile, setup);
        }
        _ if !setup.engines.is_empty() => {
            let why = "other engines are asked about images of this machine only";
            return Err(Failure::usage(why).hint("bring it here first: wharf pull, wharf load"));
        }
        Opened::Saved(image) => image.scan(&target.name, dockerfile, options, database, &setup.shelf)?,
        Opened::Directory(path) => wharf_scan::directory(&path, options, database)?,
        Opened::File(path) => wharf_scan::file(&path, options)?,
    };
    setup.finish(&mut report)?;
    Ok(report)
}
