//! `docker buildx imagetools`: manifests in registries, without bringing images here.

use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};
use wharf_oci::{Descriptor, Index, Manifest, Platform, Reference};
use wharf_registry::{Condition, Document, Name, Parsed, Repository, Store};

use crate::cli::Globals;
use crate::commands::registry_failure;
use crate::docker::inspect;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::output::transfer::Transfers;
use crate::world::World;

/// `docker buildx imagetools …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show what a registry has under a name
    Inspect {
        /// Print the manifest or index byte for byte
        #[arg(long)]
        raw: bool,
        /// A Go template over `.Name`, `.Manifest` and `.Image`
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// There is one builder for this
        #[arg(long, value_name = "NAME")]
        builder: Option<String>,
        /// The image
        image: String,
    },
    /// Put an image under further names, or several for different platforms under one
    Create {
        /// The new name
        #[arg(short, long, required = true, value_name = "NAME[:TAG]")]
        tag: Vec<Reference>,
        /// Print the index and put it nowhere
        #[arg(long)]
        dry_run: bool,
        /// Keep what is under the name already
        #[arg(long)]
        append: bool,
        /// Set an annotation of the index
        #[arg(long, value_name = "NAME=VALUE")]
        annotation: Vec<String>,
        /// Prefer an index even for one image; an image alone stays what it is without this
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        prefer_index: Option<bool>,
        /// How progress is shown
        #[arg(long, value_name = "HOW")]
        progress: Option<String>,
        /// There is one builder for this
        #[arg(long, value_name = "NAME")]
        builder: Option<String>,
        /// The images
        #[arg(required = true)]
        sources: Vec<Reference>,
    },
}

/// Carries it out.
pub(crate) fn run(command: Command, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    match command {
        Command::Inspect { raw, format, image, .. } => {
            let reference: Reference = image.parse().or_usage()?;
            let (repository, document) = look_up(&world, &reference)?;
            if raw {
                output::print(&String::from_utf8_lossy(&document.bytes))?;
                return Ok(Exit::Done);
            }
            match format {
                None => output::print(&text(&reference, &document)?)?,
                Some(format) => {
                    let described = describe(&world, &repository, &reference, &document)?;
                    output::print(&inspect::show(&[described], Some(&format))?)?;
                }
            }
        }
        Command::Create { tag, dry_run, append, annotation, sources, .. } => {
            let sources = if append { [sources, tag.clone()].concat() } else { sources };
            let found =
                sources.iter().map(|source| look_up(&world, source)).collect::<Result<Vec<_>, _>>()?;
            let document = combined(&world, &found, &annotation)?;
            if dry_run {
                output::print(&format!("{}\n", String::from_utf8_lossy(&document.bytes)))?;
                return Ok(Exit::Done);
            }
            for target in &tag {
                put(&world, &found, &document, target)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn look_up(world: &World, reference: &Reference) -> Result<(Repository, Document), Failure> {
    let repository = world.client.mirrored(reference)?;
    let name = match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => Name::Digest(digest),
        (None, tag) => Name::Tag(tag.unwrap_or("latest")),
    };
    let document = world.runtime.block_on(repository.manifest(name)).map_err(registry_failure)?;
    let document = document.ok_or_else(|| anyhow!("{reference}: not found"))?;
    Ok((repository, document))
}

fn text(reference: &Reference, document: &Document) -> Result<String, Failure> {
    let name = reference.canonical();
    let mut text = format!(
        "Name:      {name}\nMediaType: {}\nDigest:    {}\n",
        document.descriptor.media_type, document.descriptor.digest
    );
    if let Parsed::Index(index) = document.parse().context("reading the index")? {
        text.push_str("           \nManifests: \n");
        let parts: Vec<String> = index
            .manifests
            .iter()
            .map(|entry| {
                let platform = entry.platform.as_ref().map(Platform::to_string).unwrap_or_default();
                format!(
                    "  Name:      {}@{}\n  MediaType: {}\n  Platform:  {platform}\n",
                    reference.name(),
                    entry.digest,
                    entry.media_type
                )
            })
            .collect();
        text.push_str(&parts.join("             \n"));
    }
    Ok(text)
}

/// The document and the configs of its images, for templates.
fn describe(
    world: &World,
    repository: &Repository,
    reference: &Reference,
    document: &Document,
) -> Result<Value, Failure> {
    let mut manifest: Map<String, Value> =
        serde_json::from_slice(&document.bytes).context("reading a manifest")?;
    manifest.insert("digest".into(), json!(document.descriptor.digest));
    manifest.insert("size".into(), json!(document.descriptor.size));
    manifest.insert("mediaType".into(), json!(document.descriptor.media_type));
    let image = match document.parse().context("reading a manifest")? {
        Parsed::Manifest(manifest) => config(world, repository, &manifest)?,
        Parsed::Index(index) => {
            let mut images = Map::new();
            for entry in &index.manifests {
                let Some(platform) = entry.platform.as_ref().filter(|platform| platform.os != "unknown")
                else {
                    continue;
                };
                let child = world.runtime.block_on(repository.manifest(Name::Digest(&entry.digest)));
                if let Some(child) = child.map_err(registry_failure)?
                    && let Ok(Parsed::Manifest(manifest)) = child.parse()
                {
                    images.insert(platform.to_string(), config(world, repository, &manifest)?);
                }
            }
            Value::Object(images)
        }
    };
    Ok(json!({ "Name": reference.canonical(), "Manifest": manifest, "Image": image }))
}

fn config(world: &World, repository: &Repository, manifest: &Manifest) -> Result<Value, Failure> {
    use futures_util::TryStreamExt;
    let source = repository.blob(&manifest.config);
    let bytes = world.runtime.block_on(async {
        let stream = source.open(0).await?;
        stream
            .try_fold(Vec::new(), |mut all, bytes| async move {
                all.extend_from_slice(&bytes);
                Ok(all)
            })
            .await
    });
    let bytes = bytes.map_err(registry_failure)?;
    if !wharf_oci::digest::matches(&manifest.config.digest, &bytes) {
        return Err(anyhow!("the image config {} is not what it should be", manifest.config.digest).into());
    }
    Ok(serde_json::from_slice(&bytes).context("reading an image config")?)
}

/// One document as it is, or an index of the images in all of them.
fn combined(
    world: &World,
    found: &[(Repository, Document)],
    annotations: &[String],
) -> Result<Document, Failure> {
    if let ([(_, one)], []) = (found, annotations) {
        return Ok(one.clone());
    }
    let mut entries: Vec<Descriptor> = Vec::new();
    for (repository, document) in found {
        match document.parse().context("reading a manifest")? {
            Parsed::Index(index) => entries.extend(index.manifests),
            Parsed::Manifest(manifest) => {
                let config = config(world, repository, &manifest)?;
                let field = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
                let platform =
                    Platform::new(&field("os"), &field("architecture"), config["variant"].as_str());
                let mut entry = document.descriptor.clone();
                entry.platform = Some(platform);
                entries.push(entry);
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    entries.retain(|entry| seen.insert(entry.digest.clone()));
    let mut index = Index::new(entries);
    for annotation in annotations {
        let (name, value) = annotation
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--annotation is `{annotation}`: expected NAME=VALUE")))?;
        index.annotations.insert(name.trim_start_matches("index:").to_owned(), value.to_owned());
    }
    Ok(Document::of_index(&index))
}

/// Brings the images to the repository of `target`, and then the document under its tag.
fn put(
    world: &World,
    found: &[(Repository, Document)],
    document: &Document,
    target: &Reference,
) -> Result<(), Failure> {
    let transfers = Transfers::new(&world.progress, format!("pushing {target}"));
    let news = |event| transfers.tell(event);
    for (origin, image) in found {
        let copied =
            wharf_registry::copy_to_registry(origin, image.clone(), &world.client, target, &[], &news);
        world.runtime.block_on(copied).map_err(registry_failure)?;
    }
    let repository = world.client.repository(target)?;
    let name = Name::Tag(target.tag_or_latest().unwrap_or("latest"));
    let put = repository.put_manifest(name, document, Condition::Always);
    world.runtime.block_on(put).map_err(registry_failure)?;
    transfers.done();
    Ok(())
}
