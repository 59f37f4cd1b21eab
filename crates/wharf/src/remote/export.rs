//! From the builder to this machine. An image comes into the store blob by blob, and what is there already does not
//! travel; archives are then written from the store. Files come as they are.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;
use wharf_build::{AnnotationLevel, BuildRequest, ImageOptions, OutputKind};
use wharf_buildkit::session::Target;
use wharf_buildkit::{Address, Answer, Entry, Feature};
use wharf_layer::{Compression, Family};
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{Archive, ArchiveWriter, Layout, Origin};

use super::request::Prepared;
use super::store::Shelf;
use super::{Exported, Line};
use crate::commands::registry_failure;
use crate::copying::source::for_platform;
use crate::copying::target::Output as ArchiveFile;
use crate::exit::{Failure, OrFail};
use crate::local;

/// How many blobs are copied at once.
const PARALLEL: usize = 4;

/// The store of the session that the `oci` exporter writes to.
const EXPORT: &str = "export";

/// Images that go over blob by blob.
const BLOB_BY_BLOB: Feature = Feature { name: "an image blob by blob", since: (0, 11) };

/// Builds, and makes every output. A builder has done the work once; what is asked of it again is in its cache.
pub(super) async fn all(
    line: &Line<'_>,
    prepared: &Prepared,
    request: &BuildRequest,
) -> Result<Exported, Failure> {
    let wants_image =
        request.outputs.is_empty() || !request.outputs.iter().all(|output| is_files(&output.kind));
    let mut exported = Exported { image: None, outputs: Vec::new(), answer: Answer::new() };
    if wants_image {
        let (image, answer) = image(line, prepared, request, &request.image).await?;
        exported.answer = answer;
        exported.image = Some(image);
    }
    for output in &request.outputs {
        let path = match &output.kind {
            OutputKind::CacheOnly if !wants_image => {
                let (solve, offer) = prepared.solve(line.world, None);
                exported.answer = line.run(solve, offer).await?;
                continue;
            }
            OutputKind::CacheOnly => continue,
            OutputKind::Tar(path) => {
                exported.answer = files(line, prepared, "tar", Target::File(path.clone())).await?;
                continue;
            }
            OutputKind::Local(path) => {
                exported.answer = files(line, prepared, "local", Target::Directory(path.clone())).await?;
                continue;
            }
            OutputKind::Image => None,
            OutputKind::Oci(path) | OutputKind::Docker(path) | OutputKind::OciDirectory(path) => Some(path),
        };
        let made = match &exported.image {
            Some(image) if output.image == request.image => image.clone(),
            _ => image(line, prepared, request, &output.image).await?.0,
        };
        if let Some(path) = path {
            write(line, &output.kind, path, &made, &request.tags).await?;
        }
        exported.outputs.push(made);
    }
    Ok(exported)
}

/// The builder pushes the image by digest, and gives it no tag: that is for the gates to allow. They look at what the
/// registry has.
pub(super) async fn at_registry(
    line: &Line<'_>,
    prepared: &Prepared,
    request: &BuildRequest,
    repository: &Reference,
) -> Result<Exported, Failure> {
    if !line.builder.about.exports_images {
        return Err(Failure::usage(format!(
            "the BuildKit at {} cannot push by digest",
            line.builder.address
        ))
        .hint("leave out --gate remote: the image comes here, and wharf pushes it"));
    }
    let mut exporter = exporter("image", &request.image);
    let options = [
        ("name", repository.name()),
        ("push", "true".into()),
        ("push-by-digest", "true".into()),
        ("name-canonical", "true".into()),
    ];
    exporter.options.extend(options.map(|(name, value)| (name.to_owned(), value)));
    let (solve, offer) = prepared.solve(line.world, Some(exporter));
    let answer = line.run(solve, offer).await?;
    let image = descriptor(&answer)?;
    let origin = line.world.client.repository(repository)?;
    let document = origin.document(&image).await.map_err(registry_failure)?;
    let copied = wharf_registry::copy_to_layout(&origin, document, &line.world.store, PARALLEL, &|_| {});
    copied.await.map_err(registry_failure)?;
    Ok(Exported { image: Some(image), outputs: Vec::new(), answer })
}

fn is_files(kind: &OutputKind) -> bool {
    matches!(kind, OutputKind::Tar(_) | OutputKind::Local(_) | OutputKind::CacheOnly)
}

/// The files of the image.
async fn files(line: &Line<'_>, prepared: &Prepared, kind: &str, target: Target) -> Result<Answer, Failure> {
    let (solve, mut offer) = prepared.solve(line.world, Some(Entry::new(kind, [])));
    offer.target = Some(target);
    line.run(solve, offer).await
}

/// The image, into the store.
async fn image(
    line: &Line<'_>,
    prepared: &Prepared,
    request: &BuildRequest,
    options: &ImageOptions,
) -> Result<(Descriptor, Answer), Failure> {
    let about = &line.builder.about;
    match (about.exports_images, about.has(BLOB_BY_BLOB), &line.builder.address) {
        (true, true, _) => blob_by_blob(line, prepared, options).await,
        (true, false, _) => as_archive(line, prepared, options).await,
        (false, _, Address::Engine(socket)) => from_engine(line, prepared, request, socket).await,
        (false, ..) => Err(Failure::usage(format!(
            "the BuildKit at {} is a Docker engine's, which hands no images out by this way",
            line.builder.address
        ))
        .hint("name the engine's socket, docker:///PATH; or switch its containerd image store on; or ask for files: --output DIR")),
    }
}

/// The exporter `oci` writes into the store through the session's content service.
async fn blob_by_blob(
    line: &Line<'_>,
    prepared: &Prepared,
    options: &ImageOptions,
) -> Result<(Descriptor, Answer), Failure> {
    let mut exporter = exporter("oci", options);
    exporter.options.insert("tar".into(), "false".into());
    let (solve, mut offer) = prepared.solve(line.world, Some(exporter));
    offer.stores.insert(EXPORT.into(), Arc::new(Shelf(line.world.store.clone())));
    let answer = line.run(solve, offer).await?;
    let descriptor = descriptor(&answer)?;
    Ok((descriptor, answer))
}

/// The exporter `oci` sends a tar.
async fn as_archive(
    line: &Line<'_>,
    prepared: &Prepared,
    options: &ImageOptions,
) -> Result<(Descriptor, Answer), Failure> {
    let spooled = NamedTempFile::new_in(&line.world.data_dir)?;
    let (solve, mut offer) = prepared.solve(line.world, Some(exporter("oci", options)));
    offer.target = Some(Target::File(spooled.path().to_owned()));
    let answer = line.run(solve, offer).await?;
    Ok((adopt(line, spooled.path()).await?, answer))
}

/// A Docker engine keeps the image, and saves it as an archive when it is asked by its own API.
async fn from_engine(
    line: &Line<'_>,
    prepared: &Prepared,
    request: &BuildRequest,
    socket: &Path,
) -> Result<(Descriptor, Answer), Failure> {
    if request.platforms.len() > 1 {
        return Err(Failure::usage("this Docker engine builds for one platform at a time")
            .hint("switch its containerd image store on, or use a stand-alone BuildKit"));
    }
    let (solve, offer) = prepared.solve(line.world, Some(Entry::new("moby", [])));
    let answer = line.run(solve, offer).await?;
    let id = answer.get("containerimage.config.digest").or_else(|| answer.get("containerimage.digest"));
    let id = id.ok_or_else(|| anyhow!("the engine does not say what it has built"))?;
    let spooled = NamedTempFile::new_in(&line.world.data_dir)?;
    let saved = wharf_buildkit::save(socket, id, spooled.reopen()?).await;
    saved.with_context(|| format!("getting the image {id} from {}", line.builder.address))?;
    Ok((adopt(line, spooled.path()).await?, answer))
}

/// Takes the one image of an archive into the store.
async fn adopt(line: &Line<'_>, path: &Path) -> Result<Descriptor, Failure> {
    let archive = Archive::open(path)?;
    let listed = archive.images().first().ok_or_else(|| anyhow!("the builder sent no image"))?;
    let document = archive.document(&listed.descriptor).await?;
    let descriptor = document.descriptor.clone();
    wharf_registry::copy_to_layout(&archive, document, &line.world.store, PARALLEL, &|_| {}).await?;
    Ok(descriptor)
}

/// The options of an exporter of images.
pub(super) fn exporter(kind: &str, options: &ImageOptions) -> Entry {
    let mut entry = Entry::new(kind, [("oci-mediatypes", (options.family == Family::Oci).to_string())]);
    let mut say = |name: &str, value: String| drop(entry.options.insert(name.to_owned(), value));
    match options.compression {
        Compression::None => say("compression", "uncompressed".into()),
        compression if compression == Compression::default() => {}
        Compression::Gzip { level } => {
            say("compression", "gzip".into());
            say("compression-level", level.to_string());
        }
        Compression::Zstd { level } => {
            say("compression", "zstd".into());
            say("compression-level", level.to_string());
        }
    }
    if options.force_compression {
        say("force-compression", "true".into());
    }
    if options.rewrite_timestamp {
        say("rewrite-timestamp", "true".into());
    }
    for annotation in &options.annotations {
        let level = match annotation.level {
            AnnotationLevel::Manifest => "",
            AnnotationLevel::ManifestDescriptor => "-manifest-descriptor",
            AnnotationLevel::Index => "-index",
            AnnotationLevel::IndexDescriptor => "-index-descriptor",
        };
        let platform =
            annotation.platform.as_ref().map(|platform| format!("[{platform}]")).unwrap_or_default();
        say(&format!("annotation{level}{platform}.{}", annotation.name), annotation.value.clone());
    }
    entry
}

/// The image that the exporter says it made.
pub(super) fn descriptor(answer: &Answer) -> Result<Descriptor, Failure> {
    let text = answer.get("containerimage.descriptor");
    let text = text.ok_or_else(|| anyhow!("the builder does not say which image it has made"))?;
    let json = STANDARD.decode(text).context("reading the builder's answer")?;
    let mut descriptor: Descriptor = serde_json::from_slice(&json).context("reading the builder's answer")?;
    // What it says of times and names belongs to its own index.
    descriptor.annotations.clear();
    Ok(descriptor)
}

/// Writes an image of the store where an output wants it.
async fn write(
    line: &Line<'_>,
    kind: &OutputKind,
    path: &Path,
    image: &Descriptor,
    tags: &[Reference],
) -> Result<(), Failure> {
    let store = &line.world.store;
    let document = store.document(image).await?;
    let names: Vec<String> = tags.iter().map(local::key).collect();
    if let OutputKind::OciDirectory(_) = kind {
        let layout = Layout::open(path)?;
        wharf_registry::copy_to_layout(store, document, &layout, PARALLEL, &|_| {}).await?;
        let names = if names.is_empty() { vec!["latest".to_owned()] } else { names };
        names.iter().try_for_each(|name| layout.tag(name, image))?;
        return Ok(());
    }
    let host = Platform::host();
    let platform = matches!(kind, OutputKind::Docker(_)).then_some(&host);
    let document = for_platform(store, document, platform).await?;
    let output = ArchiveFile::create(path)?;
    let mut writer = ArchiveWriter::new(output.open()?, path);
    writer.add(store, document, &names, &|_| {}).await?;
    writer.finish().await?;
    output.keep(path)
}

impl Prepared {
    /// Caches that were written into directories get their names.
    pub(super) fn keep_caches(&self, answer: &Answer) -> Result<(), Failure> {
        let Some(text) = answer.get("cache.manifest") else { return Ok(()) };
        let manifest: Descriptor =
            serde_json::from_str(text).or_hint("the builder's answer makes no sense")?;
        for (path, tag) in &self.local_caches {
            Layout::open(path)?.tag(tag, &manifest)?;
        }
        Ok(())
    }
}
