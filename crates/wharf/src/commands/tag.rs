//! `wharf tag`: another name for an image, here or in a registry.

use anyhow::anyhow;
use wharf_metadata::{Motion, Overrides, Release, Tag};
use wharf_oci::Reference;
use wharf_registry::{Document, Name, Repository, Store};

use super::registry_failure;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output, publishing};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    source: String,
    /// The new name, `latest` where it has no tag
    target: String,
    /// In their registry instead of on this machine; nothing travels through here
    #[arg(long)]
    remote: bool,
    /// In the registry, let a rolling tag such as `latest` or `v1` move to an older version
    #[arg(long, requires = "remote")]
    allow_backward: bool,
    /// In the registry, overwrite a full-version tag that names another image
    #[arg(long, requires = "remote")]
    force: bool,
}

/// Names it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let target: Reference = args.target.parse().or_usage()?;
    if target.digest().is_some() {
        return Err(Failure::usage("refusing to create a tag with a digest reference"));
    }
    if args.remote {
        return remote(&args, &target, globals);
    }
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.source)?;
    world.store.tag(&local::key(&target), &named.descriptor)?;
    Ok(Exit::Done)
}

/// Lets a tag of a registry name what another reference there names, by the rules of a push.
fn remote(args: &Args, target: &Reference, globals: &Globals) -> Outcome {
    let source: Reference = args.source.parse().or_usage()?;
    if source.registry() != target.registry() {
        return Err(Failure::usage(format!(
            "`{source}` and `{target}` are in different registries, and a tag stays in its own"
        ))
        .hint(format!("bring the image there: wharf copy {} {}", args.source, args.target)));
    }
    let world = World::open(globals)?;
    let transfers = Transfers::new(&world.progress, format!("tagging {source} as {target}"));
    let news = |event| transfers.tell(event);
    let work = async {
        let from = world.client.repository(&source)?;
        let image = document(&from, &source).await?;
        let tag = decided(args, &world, &from, &image, target).await?;
        let digest = image.descriptor.digest.clone();
        wharf_registry::copy_to_registry(
            &from,
            image,
            &world.client,
            target,
            std::slice::from_ref(&tag),
            &news,
        )
        .await
        .map_err(registry_failure)?;
        Ok::<_, Failure>((tag, digest))
    };
    let (tag, digest) = world.runtime.block_on(work)?;
    transfers.done();
    if globals.json {
        let image = format!("{}:{tag}", target.name());
        output::print_json(&serde_json::json!({ "image": image, "digest": digest }))?;
    } else {
        output::print(&format!("{}:{tag}@{digest}\n", target.familiar_name()))?;
    }
    Ok(Exit::Done)
}

async fn document(from: &Repository, source: &Reference) -> Result<Document, Failure> {
    let name = match (source.digest(), source.tag_or_latest()) {
        (Some(digest), _) => Name::Digest(digest),
        (None, tag) => Name::Tag(tag.unwrap_or("latest")),
    };
    let found = from.manifest(name).await.map_err(registry_failure)?;
    found.ok_or_else(|| {
        Failure::from(anyhow!("there is no image `{source}` in the registry"))
            .hint(format!("what is there: wharf ls {}", source.familiar_name()))
    })
}

/// The tag, if it may name the image.
async fn decided(
    args: &Args,
    world: &World,
    from: &Repository,
    image: &Document,
    target: &Reference,
) -> Result<String, Failure> {
    let name = target.tag_or_latest().unwrap_or("latest").to_owned();
    let label = publishing::labelled(from, image).await.map_err(registry_failure)?;
    let version = label.filter(|label| wharf_metadata::Version::within(label).is_some());
    let release = Release { version: version.as_deref(), digest: &image.descriptor.digest };
    let overrides = Overrides { allow_backward: args.allow_backward, force: args.force };
    let tag = Tag { motion: Motion::of_name(&name), name: name.clone() };
    let repository = world.client.repository(target)?.for_writing();
    let moves = publishing::moves(&repository, &[tag], &release, overrides).await?;
    for reason in &moves.overridden {
        world.progress.note(&format!("warning: overridden: {reason}"));
    }
    match moves.kept.first() {
        None => Ok(name),
        Some(reason) => Err(Failure::gate(reason)
            .context(format!("tagging {target}"))
            .hint("give it the tag of its own version, or insist with `--allow-backward`")),
    }
}
