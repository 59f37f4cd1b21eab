//! `wharf rm`: takes names away from images, here or in a registry. What nothing names any more here goes with
//! `wharf prune`.

use anyhow::anyhow;
use wharf_oci::Reference;
use wharf_registry::{Cause, Name, Store};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::world::World;
use crate::{local, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
    /// In their registries instead of on this machine
    #[arg(long)]
    remote: bool,
    /// In the registry, delete the manifest that the tag names, and with it all of its tags
    #[arg(long, requires = "remote")]
    digest: bool,
}

/// Removes each name; all of them are looked up before the first one goes.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    if args.remote {
        return remote(&world, &args);
    }
    let found =
        args.images.iter().map(|name| local::find(&world.store, name)).collect::<Result<Vec<_>, _>>()?;
    for named in found {
        world.store.untag(&local::key(&named.reference))?;
        output::print(&format!("Untagged: {}\n", named.reference))?;
    }
    Ok(Exit::Done)
}

fn remote(world: &World, args: &Args) -> Outcome {
    let references = args.images.iter().map(|name| name.parse().or_usage());
    let references = references.collect::<Result<Vec<Reference>, Failure>>()?;
    let mut removed = Vec::new();
    for reference in &references {
        removed.push(world.runtime.block_on(remove(world, reference, args.digest))?);
    }
    if world.globals.json {
        output::print_json(&serde_json::json!({ "deleted": removed }))?;
    } else {
        output::print(&removed.iter().map(|name| format!("Deleted: {name}\n")).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// Deletes a tag or a manifest, and says what went.
async fn remove(world: &World, reference: &Reference, whole: bool) -> Result<String, Failure> {
    let repository = world.client.repository(reference)?;
    let absent = || {
        Failure::from(anyhow!("there is no image `{reference}` in the registry"))
            .hint(format!("what is there: wharf ls {}", reference.familiar_name()))
    };
    let tag = reference.tag_or_latest();
    let digest = match (reference.digest(), tag) {
        (Some(digest), _) => Some(digest.clone()),
        (None, tag) if whole => {
            let found = repository.head(Name::Tag(tag.unwrap_or("latest"))).await;
            Some(found.map_err(super::registry_failure)?.ok_or_else(absent)?.digest)
        }
        _ => None,
    };
    let name = match (&digest, tag) {
        (Some(digest), _) => Name::Digest(digest),
        (None, tag) => Name::Tag(tag.unwrap_or("latest")),
    };
    let deleted = repository.delete(name).await.map_err(|error| {
        let unsupported = matches!(error.cause(), Cause::Refused { status: 400 | 405, .. });
        let failure = super::registry_failure(error);
        match unsupported && digest.is_none() {
            true => {
                failure.hint("this registry deletes no tags; --digest deletes the image with all its tags")
            }
            false => failure,
        }
    })?;
    if !deleted {
        return Err(absent());
    }
    Ok(match &digest {
        Some(digest) => format!("{}@{digest}", reference.familiar_name()),
        None => format!("{}:{}", reference.familiar_name(), tag.unwrap_or("latest")),
    })
}
