//! What a builder makes of its share of a build. An image comes into the store blob by blob, and what is there already
//! does not travel. Files come as they are.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;
use wharf_build::{AnnotationLevel, BuildRequest, FileOptions, ImageOptions, OutputKind};
use wharf_buildkit::fleet::Share;
use wharf_buildkit::session::Target;
use wharf_buildkit::{Address, Answer, Entry, Feature};
use wharf_layer::{Compression, Family};
use wharf_oci::{Descriptor, Reference};
use wharf_registry::{Archive, Layout, Origin};

use super::Line;
use super::share::Job;
use super::store::Shelf;
use crate::commands::registry_failure;
use crate::copying::target::Output as ArchiveFile;
use crate::exit::Failure;

/// How many blobs are copied at once.
pub(super) const PARALLEL: usize = 4;

/// The store of the session that the `oci` exporter writes to.
const EXPORT: &str = "export";

/// Images that go over blob by blob.
const BLOB_BY_BLOB: Feature = Feature { name: "an image blob by blob", since: (0, 11) };

/// What came of it.
#[derive(Default)]
pub(super) struct Product {
    /// Images in the store, each with how it was wanted, the build's own first.
    pub(super) images: Vec<(ImageOptions, Descriptor)>,
    /// What the exporters said of the first thing that was made.
    pub(super) answer: Answer,
}

impl Product {
    /// The image that was wanted so.
    pub(super) fn image(&self, options: &ImageOptions) -> Option<&Descriptor> {
        self.images.iter().find(|(known, _)| known == options).map(|(_, image)| image)
    }

    fn heard(&mut self, answer: Answer) {
        if self.answer.is_empty() {
            self.answer = answer;
        }
    }
}

/// A build at a builder.
struct Bench<'a> {
    line: &'a Line<'a>,
    job: &'a Job<'a>,
    share: &'a Share,
}

/// Builds, and makes everything that is wanted. The builder does the work once; what is asked of it again is in its
/// cache.
pub(super) async fn make(line: &Line<'_>, job: &Job<'_>, share: &Share) -> Result<Product, Failure> {
    let bench = Bench { line, job, share };
    let mut product = Product::default();
    for options in images(job.request) {
        let (image, answer) = match job.keep_at {
            None => bench.image(options).await?,
            Some(repository) => bench.at_registry(options, repository).await?,
        };
        product.images.push((options.clone(), image));
        product.heard(answer);
    }
    for output in &job.request.outputs {
        match &output.kind {
            OutputKind::Tar(path) => product.heard(bench.tar(path, &output.files).await?),
            OutputKind::Local(path) => product.heard(bench.directory(path, &output.files).await?),
            OutputKind::CacheOnly if product.images.is_empty() => {
                let (solve, offer) = bench.solve(None);
                product.heard(line.run(solve, offer).await?);
            }
            _ => {}
        }
    }
    Ok(product)
}

/// The images that are wanted. Of one for which only files or a cache are wanted, nothing comes here.
fn images(request: &BuildRequest) -> Vec<&ImageOptions> {
    let is_files =
        |kind: &OutputKind| matches!(kind, OutputKind::Tar(_) | OutputKind::Local(_) | OutputKind::CacheOnly);
    let outputs: Vec<_> = request.outputs.iter().filter(|output| !is_files(&output.kind)).collect();
    if outputs.is_empty() && !request.outputs.is_empty() {
        return Vec::new();
    }
    let mut all = vec![&request.image];
    for output in outputs {
        if !all.contains(&&output.image) {
            all.push(&output.image);
        }
    }
    all
}

impl Bench<'_> {
    fn solve(&self, exporter: Option<Entry>) -> (wharf_buildkit::Solve, wharf_buildkit::session::Offer) {
        self.job.prepared.solve(self.line.world, &self.share.platforms, exporter)
    }

    /// The builder pushes the image by digest, and gives it no tag: that is for the gates to allow. They look at what
    /// the registry has.
    async fn at_registry(
        &self,
        options: &ImageOptions,
        repository: &Reference,
    ) -> Result<(Descriptor, Answer), Failure> {
        let Line { world, builder, .. } = self.line;
        if !builder.about.exports_images {
            return Err(Failure::usage(format!("the BuildKit at {} cannot push by digest", builder.address))
                .hint("leave out --gate remote: the image comes here, and wharf pushes it"));
        }
        let mut exporter = self.exporter("image", options);
        let options = [
            ("name", repository.name()),
            ("push", "true".into()),
            ("push-by-digest", "true".into()),
            ("name-canonical", "true".into()),
        ];
        exporter.options.extend(options.map(|(name, value)| (name.to_owned(), value)));
        let (solve, offer) = self.solve(Some(exporter));
        let answer = self.line.run(solve, offer).await?;
        let image = descriptor(&answer)?;
        let origin = world.client.repository(repository)?;
        let document = origin.document(&image).await.map_err(registry_failure)?;
        let parallelism = world.client.parallelism();
        let copied = wharf_registry::copy_to_layout(&origin, document, &world.store, parallelism, &|_| {});
        copied.await.map_err(registry_failure)?;
        Ok((image, answer))
    }

    /// The files of the image, in a directory. Of several platforms each has its own, wherever it is built.
    async fn directory(&self, path: &Path, options: &FileOptions) -> Result<Answer, Failure> {
        let path = match (self.job.is_shared, options.platform_split, self.share.platforms.as_slice()) {
            (true, None | Some(true), [only]) => path.join(only.to_string().replace('/', "_")),
            _ => path.to_owned(),
        };
        self.files("local", options, Target::Directory(path)).await
    }

    /// The files of the image, as a tar. A file appears when it is whole; what is no file, such as standard output,
    /// gets nothing before all is here, as nothing could be taken back.
    async fn tar(&self, path: &Path, options: &FileOptions) -> Result<Answer, Failure> {
        if self.job.is_shared {
            return Err(Failure::usage(
                "an output of type=tar is by one builder, and several share this build",
            )
            .hint("write a directory, type=local,dest=DIR, and pack it"));
        }
        let output = ArchiveFile::create(path)?;
        if let ArchiveFile::Direct(_) = output {
            let spooled = NamedTempFile::new_in(&self.line.world.data_dir)?;
            let answer = self.files("tar", options, Target::File(spooled.path().to_owned())).await?;
            let mut to = output.open()?;
            io::copy(&mut File::open(spooled.path())?, &mut to)
                .and_then(|_| to.flush())
                .with_context(|| format!("writing {}", path.display()))?;
            return Ok(answer);
        }
        self.files("tar", options, Target::File(path.to_owned())).await
    }

    async fn files(&self, kind: &str, options: &FileOptions, target: Target) -> Result<Answer, Failure> {
        let mut entry = Entry::new(kind, []);
        if let Some(split) = options.platform_split {
            entry.options.insert("platform-split".into(), split.to_string());
        }
        if !options.attestation_prefix.is_empty() {
            entry.options.insert("attestation-prefix".into(), options.attestation_prefix.clone());
        }
        let (solve, mut offer) = self.solve(Some(entry));
        offer.target = Some(target);
        self.line.run(solve, offer).await
    }

    /// The image, into the store.
    async fn image(&self, options: &ImageOptions) -> Result<(Descriptor, Answer), Failure> {
        let Line { builder, .. } = self.line;
        match (builder.about.exports_images, builder.about.has(BLOB_BY_BLOB), &builder.address) {
            (true, true, _) => self.blob_by_blob(options).await,
            (true, false, _) => self.as_archive(options).await,
            (false, _, Address::Engine(socket)) => self.saved_by_engine(socket).await,
            (false, ..) => Err(Failure::usage(format!(
                "the BuildKit at {} is a Docker engine's, which hands no images out by this way",
                builder.address
            ))
            .hint("name the engine's socket, docker:///PATH; or switch its containerd image store on; or ask for files: --output DIR")),
        }
    }

    /// The exporter `oci` writes into the store through the session's content service.
    async fn blob_by_blob(&self, options: &ImageOptions) -> Result<(Descriptor, Answer), Failure> {
        let mut exporter = self.exporter("oci", options);
        exporter.options.insert("tar".into(), "false".into());
        let (solve, mut offer) = self.solve(Some(exporter));
        offer.stores.insert(EXPORT.into(), Arc::new(Shelf(self.line.world.store.clone())));
        let answer = self.line.run(solve, offer).await?;
        let descriptor = descriptor(&answer)?;
        Ok((descriptor, answer))
    }

    /// The exporter `oci` sends a tar.
    async fn as_archive(&self, options: &ImageOptions) -> Result<(Descriptor, Answer), Failure> {
        let spooled = NamedTempFile::new_in(&self.line.world.data_dir)?;
        let (solve, mut offer) = self.solve(Some(self.exporter("oci", options)));
        offer.target = Some(Target::File(spooled.path().to_owned()));
        let answer = self.line.run(solve, offer).await?;
        Ok((adopt(&self.line.world.store, spooled.path()).await?, answer))
    }

    /// A Docker engine keeps the image, and saves it as an archive when it is asked by its own API.
    async fn saved_by_engine(&self, socket: &Path) -> Result<(Descriptor, Answer), Failure> {
        let Line { world, builder, .. } = self.line;
        if self.share.platforms.len() > 1 {
            return Err(Failure::usage("this Docker engine builds for one platform at a time")
                .hint("switch its containerd image store on, or use a stand-alone BuildKit"));
        }
        let (solve, offer) = self.solve(Some(Entry::new("moby", [])));
        let answer = self.line.run(solve, offer).await?;
        let id = answer.get("containerimage.config.digest").or_else(|| answer.get("containerimage.digest"));
        let id = id.ok_or_else(|| anyhow!("the engine does not say what it has built"))?;
        let spooled = NamedTempFile::new_in(&world.data_dir)?;
        let saved = wharf_buildkit::save(socket, id, spooled.reopen()?).await;
        saved.with_context(|| format!("getting the image {id} from {}", builder.address))?;
        Ok((adopt(&world.store, spooled.path()).await?, answer))
    }

    /// The exporter of an image that is wanted so. What is said of an index is for whoever makes it, and what is said
    /// of other platforms is not for this one.
    fn exporter(&self, kind: &str, options: &ImageOptions) -> Entry {
        let is_of_index = |level| matches!(level, AnnotationLevel::Index | AnnotationLevel::IndexDescriptor);
        let mut options = options.clone();
        options.annotations.retain(|annotation| {
            let is_here = annotation.platform.as_ref().is_none_or(|of| self.share.platforms.contains(of));
            !self.job.is_shared || (is_here && !is_of_index(annotation.level))
        });
        exporter(kind, &options)
    }
}

/// Takes the one image of an archive into the store.
async fn adopt(store: &Layout, path: &Path) -> Result<Descriptor, Failure> {
    let archive = Archive::open(path)?;
    let listed = archive.images().first().ok_or_else(|| anyhow!("the builder sent no image"))?;
    let document = archive.document(&listed.descriptor).await?;
    let descriptor = document.descriptor.clone();
    wharf_registry::copy_to_layout(&archive, document, store, PARALLEL, &|_| {}).await?;
    Ok(descriptor)
}

/// The options of an exporter of images.
fn exporter(kind: &str, options: &ImageOptions) -> Entry {
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
fn descriptor(answer: &Answer) -> Result<Descriptor, Failure> {
    let text = answer.get("containerimage.descriptor");
    let text = text.ok_or_else(|| anyhow!("the builder does not say which image it has made"))?;
    let json = STANDARD.decode(text).context("reading the builder's answer")?;
    let mut descriptor: Descriptor = serde_json::from_slice(&json).context("reading the builder's answer")?;
    // What it says of times and names belongs to its own index.
    descriptor.annotations.clear();
    Ok(descriptor)
}
