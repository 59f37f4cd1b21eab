//! What a copy takes, found where it is.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{Archive, Document, Layout, Listed, Name, Origin, Parsed, Repository, Store};

use super::packed::Packed;
use super::place::{Format, Place};
use crate::commands::registry_failure;
use crate::exit::{Failure, OrFail};
use crate::world::World;

/// Images, and where their content comes from.
pub(crate) struct Found {
    pub(crate) origin: Box<dyn Origin>,
    pub(crate) images: Vec<Image>,
    /// Whether these are all that there are, and not one that was asked for.
    pub(crate) all: bool,
}

/// One of them.
pub(crate) struct Image {
    pub(crate) document: Document,
    /// Its full names, as far as it has any.
    pub(crate) references: Vec<Reference>,
    /// Its tags.
    pub(crate) tags: Vec<String>,
}

/// Looks up the image that `place` names, or all that have a tag, on their way to `destination`.
pub(crate) async fn find(
    world: &World,
    place: &Place,
    destination: &Place,
    all_tags: bool,
) -> Result<Found, Failure> {
    match place {
        Place::Registry(reference) => {
            let repository = world.client.mirrored(reference)?;
            let images = match all_tags {
                true => all_of(&repository).await?,
                false => vec![one_of(&repository).await?],
            };
            Ok(Found { origin: Box::new(repository), images, all: all_tags })
        }
        Place::Layout { path, name } => {
            let layout = Layout::existing(path)?;
            let listed = Listed::in_index(&*layout.index()?);
            let images = listed_images(&layout, chosen(listed, name.as_deref(), all_tags, place)?).await?;
            Ok(Found { origin: Box::new(layout), images, all: all_tags })
        }
        Place::Archive { path, name, .. } => {
            let archive = open_archive(world, path)?;
            let listed = chosen(archive.images().to_vec(), name.as_deref(), all_tags, place)?;
            if matches!(destination, Place::Archive { format: Format::Docker, .. }) {
                let images = listed_images(&archive, listed).await?;
                return Ok(Found { origin: Box::new(archive), images, all: all_tags });
            }
            let (packed, listed) = Packed::of(archive, listed, world.store.clone()).await?;
            let images = listed_images(&packed, listed).await?;
            Ok(Found { origin: Box::new(packed), images, all: all_tags })
        }
    }
}

async fn one_of(repository: &Repository) -> Result<Image, Failure> {
    let reference = repository.reference();
    let name = match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => Name::Digest(digest),
        (None, tag) => Name::Tag(tag.unwrap_or("latest")),
    };
    let document = read(repository, name).await?;
    let tag = reference.tag_or_latest().map(str::to_owned);
    let references = tag.iter().filter_map(|tag| reference.with_tag(tag).ok()).collect();
    Ok(Image { document, references, tags: tag.into_iter().collect() })
}

async fn all_of(repository: &Repository) -> Result<Vec<Image>, Failure> {
    let reference = repository.reference();
    if reference.tag().is_some() || reference.digest().is_some() {
        return Err(Failure::usage(format!("`{reference}` names one image, and --all-tags asks for all"))
            .hint(format!("say the repository alone: {}", reference.familiar_name())));
    }
    let tags = repository.tags().await.map_err(registry_failure)?;
    if tags.is_empty() {
        return Err(anyhow!("there are no tags in {}", reference.name()).into());
    }
    let mut images: Vec<Image> = Vec::new();
    for tag in tags {
        let document = read(repository, Name::Tag(&tag)).await?;
        let known =
            images.iter_mut().find(|image| image.document.descriptor.digest == document.descriptor.digest);
        let full = reference.with_tag(&tag).or_usage()?;
        match known {
            Some(image) => {
                image.references.push(full);
                image.tags.push(tag);
            }
            None => images.push(Image { document, references: vec![full], tags: vec![tag] }),
        }
    }
    Ok(images)
}

async fn read(repository: &Repository, name: Name<'_>) -> Result<Document, Failure> {
    let document = repository.manifest(name).await.map_err(registry_failure)?;
    document.ok_or_else(|| {
        Failure::from(anyhow!("there is no `{name}` in {}", repository.place()))
            .hint("check the name and the tag; a private repository also needs a login")
    })
}

/// What of a list is meant: all, the one of the name, or the only one.
fn chosen(
    mut all: Vec<Listed>,
    name: Option<&str>,
    all_tags: bool,
    place: &Place,
) -> Result<Vec<Listed>, Failure> {
    let names = |all: &[Listed]| {
        let names: Vec<_> = all.iter().flat_map(|image| image.names.iter().map(String::as_str)).collect();
        names.join(", ")
    };
    match name {
        Some(name) if all_tags => {
            Err(Failure::usage(format!("`{place}` names `{name}`, and --all-tags asks for all")))
        }
        None if all_tags => Ok(all),
        None if all.len() == 1 => Ok(all),
        None if all.is_empty() => Err(anyhow!("there are no images in {place}").into()),
        None => Err(Failure::usage(format!("there are several images in {place}: {}", names(&all)))
            .hint("say which one after a colon, or --all-tags")),
        Some(name) => {
            let known = names(&all);
            all.retain(|image| image.is_called(name));
            match all.is_empty() {
                true => Err(anyhow!("`{name}` is not in {place}; there is: {known}").into()),
                false => Ok(all),
            }
        }
    }
}

async fn listed_images(origin: &dyn Origin, listed: Vec<Listed>) -> Result<Vec<Image>, Failure> {
    let mut images = Vec::new();
    for image in listed {
        let document = origin.document(&image.descriptor).await?;
        images.push(Image { document, references: image.references(), tags: image.tags() });
    }
    Ok(images)
}

/// Opens an archive that may be compressed, or come through a pipe: then it is unpacked into a file first, since
/// what an archive holds is known only at its end.
pub(crate) fn open_archive(world: &World, path: &Path) -> Result<Archive, Failure> {
    let context = || format!("reading the archive {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let is_plain = file.metadata().with_context(context)?.is_file() && {
        let mut magic = [0; 6];
        let count = read_up_to(&mut file, &mut magic).with_context(context)?;
        file.rewind().with_context(context)?;
        !is_compressed(&magic[..count])
    };
    if is_plain {
        return Ok(Archive::open(path).map_err(anyhow::Error::from)?);
    }
    spooled(world, file, path).map_err(|failure| failure.context(context()))
}

/// An archive from a stream of any compression.
pub(crate) fn spooled(
    world: &World,
    stream: impl Read + Send + 'static,
    path: &Path,
) -> Result<Archive, Failure> {
    let mut decoder = wharf_layer::Decoder::new(stream).context("finding out how it is compressed")?;
    let directory = scratch(world)?;
    // A file without a name goes with the process, however that ends.
    let mut spool = tempfile::tempfile_in(&directory)
        .with_context(|| format!("making a file in {}", directory.display()))?;
    io::copy(&mut decoder, &mut spool).context("unpacking it")?;
    spool.rewind().context("rewinding it")?;
    Ok(Archive::of_file(spool, path).map_err(anyhow::Error::from)?)
}

fn scratch(world: &World) -> Result<PathBuf, Failure> {
    let directory = world.data_dir.join("tmp");
    std::fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

fn is_compressed(magic: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] =
        [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
    MAGICS.iter().any(|known| magic.starts_with(known))
}

/// The image as it is to be copied: of an index the one for the platform, where one was asked for, or where
/// only part of the index is there.
pub(crate) async fn for_platform(
    origin: &dyn Origin,
    document: Document,
    platform: Option<&Platform>,
) -> Result<Document, Failure> {
    match platform {
        Some(platform) => Ok(wharf_registry::choose(origin, document, platform).await?),
        None => Ok(document),
    }
}

/// Whether all that an index lists is in the archive.
pub(crate) fn is_whole(archive: &Archive, document: &Document) -> bool {
    match document.parse() {
        Ok(Parsed::Index(index)) => index.manifests.iter().all(|child: &Descriptor| archive.has(child)),
        _ => true,
    }
}
