//! Where a copy goes.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use wharf_oci::{Digest, Platform, Reference};
use wharf_registry::{ArchiveWriter, Copied, Layout, Outcome, Progress};

use super::place::{Format, Place};
use super::source::{Found, Image, for_platform};
use crate::commands::registry_failure;
use crate::exit::Failure;
use crate::world::World;

/// One image that has been copied.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    pub(crate) digest: Digest,
    /// What it is called there.
    pub(crate) names: Vec<String>,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_mounted: u64,
    pub(crate) bytes_existing: u64,
}

impl Done {
    pub(crate) fn new(copied: &Copied, names: Vec<String>) -> Self {
        Self {
            digest: copied.digest.clone(),
            names,
            bytes_sent: copied.bytes(Outcome::Transferred),
            bytes_mounted: copied.bytes(Outcome::Mounted),
            bytes_existing: copied.bytes(Outcome::Existing),
        }
    }
}

/// Copies everything found to `place`.
pub(crate) async fn copy(
    world: &World,
    found: &Found,
    place: &Place,
    platform: Option<&Platform>,
    progress: Progress<'_>,
) -> Result<Vec<Done>, Failure> {
    match place {
        Place::Registry(to) => to_registry(world, found, to, platform, progress).await,
        Place::Layout { path, name } => {
            let layout = Layout::open(path)?;
            let mut all = Vec::new();
            for image in &found.images {
                let document = for_platform(found.origin.as_ref(), image.document.clone(), platform).await?;
                let descriptor = document.descriptor.clone();
                let copied = wharf_registry::copy_to_layout(
                    found.origin.as_ref(),
                    document,
                    &layout,
                    world.client.parallelism(),
                    progress,
                );
                let copied = copied.await.map_err(registry_failure)?;
                let names = tags(image, name.as_deref());
                for name in &names {
                    layout.tag(name, &descriptor)?;
                }
                all.push(Done::new(&copied, names));
            }
            Ok(all)
        }
        Place::Archive { format, path, name } => {
            let host = Platform::host();
            // Docker's format holds images for one platform.
            let platform = platform.or((*format == Format::Docker).then_some(&host));
            to_archive(found, path, name.as_deref(), platform, progress).await
        }
    }
}

async fn to_registry(
    world: &World,
    found: &Found,
    to: &Reference,
    platform: Option<&Platform>,
    progress: Progress<'_>,
) -> Result<Vec<Done>, Failure> {
    let mut all = Vec::new();
    for image in &found.images {
        let document = for_platform(found.origin.as_ref(), image.document.clone(), platform).await?;
        let tags = match (to.tag(), to.digest()) {
            (None, Some(digest)) if *digest != document.descriptor.digest => {
                let found = &document.descriptor.digest;
                return Err(Failure::usage(format!("`{to}` is to be {digest}, and the image is {found}")));
            }
            (None, Some(_)) => Vec::new(),
            (Some(tag), _) => vec![tag.to_owned()],
            (None, None) if found.all && !image.tags.is_empty() => image.tags.clone(),
            (None, None) => vec!["latest".to_owned()],
        };
        let origin = found.origin.as_ref();
        let copied =
            wharf_registry::copy_to_registry(origin, document, &world.client, to, &tags, progress).await;
        let copied = copied.map_err(registry_failure)?;
        let names = tags.iter().map(|tag| format!("{}:{tag}", to.familiar_name())).collect();
        all.push(Done::new(&copied, names));
    }
    Ok(all)
}

/// The tags under which an image goes into a directory.
fn tags(image: &Image, name: Option<&str>) -> Vec<String> {
    match (name, image.tags.as_slice()) {
        (Some(name), _) => vec![name.to_owned()],
        (None, []) => vec!["latest".to_owned()],
        (None, tags) => tags.to_vec(),
    }
}

async fn to_archive(
    found: &Found,
    path: &Path,
    name: Option<&str>,
    platform: Option<&Platform>,
    progress: Progress<'_>,
) -> Result<Vec<Done>, Failure> {
    let output = Output::create(path)?;
    let mut writer = ArchiveWriter::new(output.open()?, path);
    let mut all = Vec::new();
    for image in &found.images {
        let document = for_platform(found.origin.as_ref(), image.document.clone(), platform).await?;
        let names: Vec<String> = match name {
            Some(name) => vec![name.to_owned()],
            None if image.references.is_empty() => image.tags.clone(),
            None => image.references.iter().map(Reference::canonical).collect(),
        };
        let copied = writer.add(found.origin.as_ref(), document, &names, progress).await;
        all.push(Done::new(&copied.map_err(registry_failure)?, names));
    }
    writer.finish().await.map_err(registry_failure)?;
    output.keep(path)?;
    Ok(all)
}

/// A file that appears whole or not at all; what is no regular file, such as a pipe, is written directly. So is standard
/// output, which may be a file: it would begin anew if it were opened, and a new one in its place would be in
/// everybody's place.
pub(crate) enum Output {
    Whole(tempfile::NamedTempFile),
    Direct(File),
}

impl Output {
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("/dev/stdout") {
            let stdout = io::stdout().as_fd().try_clone_to_owned().context("opening standard output")?;
            return Ok(Self::Direct(File::from(stdout)));
        }
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(path);
            return Ok(Self::Direct(file.with_context(|| format!("opening {}", path.display()))?));
        }
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory)
            .with_context(|| format!("making a file in {}", directory.display()))?;
        Ok(Self::Whole(file))
    }

    pub(crate) fn open(&self) -> Result<File, Failure> {
        match self {
            Self::Whole(file) => Ok(file.reopen().context("opening a temporary file")?),
            Self::Direct(file) => Ok(file.try_clone().context("opening the output")?),
        }
    }

    pub(crate) fn keep(self, path: &Path) -> Result<(), Failure> {
        if let Self::Whole(file) = self {
            file.persist(path).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}
