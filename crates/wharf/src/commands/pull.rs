//! `wharf pull`: brings images from a registry to this machine.

use anyhow::anyhow;
use serde_json::{Value, json};
use wharf_oci::{Digest, MediaType, Platform, Reference};
use wharf_registry::{Cause, Pulled, Store};

use super::registry_failure;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output};

/// The config of an image as docker writes it.
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    image: String,
    /// Every tag of the repository; what is no image for the platform is passed over
    #[arg(short, long)]
    all_tags: bool,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

/// Pulls it and names it, or all that the repository has.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    let platform = args.platform.unwrap_or_else(Platform::host);
    if args.all_tags {
        refuse_one(&reference)?;
        let world = World::open(globals)?;
        let pulled = all(&world, &reference, &platform, &mut |_, _| Ok(()))?;
        report_all(globals, &pulled)?;
        return Ok(Exit::Done);
    }
    let world = World::open(globals)?;
    let digest = pull(&world, &reference, &platform)?;
    if globals.json {
        output::print_json(&document(&reference, &digest))?;
    } else {
        output::print(&format!("{}@{digest}\n", reference.familiar_name()))?;
    }
    Ok(Exit::Done)
}

fn refuse_one(reference: &Reference) -> Result<(), Failure> {
    if reference.tag().is_none() && reference.digest().is_none() {
        return Ok(());
    }
    Err(Failure::usage(format!("`{reference}` names one image, and --all-tags asks for all"))
        .hint(format!("say the repository alone: {}", reference.familiar_name())))
}

fn document(reference: &Reference, digest: &Digest) -> Value {
    json!({ "image": reference.to_string(), "digest": digest })
}

fn report_all(globals: &Globals, pulled: &[(Reference, Digest)]) -> Result<(), Failure> {
    if globals.json {
        let documents = pulled.iter().map(|(reference, digest)| document(reference, digest));
        return output::print_json(&documents.collect::<Vec<_>>());
    }
    for (reference, digest) in pulled {
        let tag = reference.tag().unwrap_or_default();
        output::print(&format!("{}:{tag}@{digest}\n", reference.familiar_name()))?;
    }
    Ok(())
}

/// Pulls `reference` into the world's store under its name.
pub(crate) fn pull(world: &World, reference: &Reference, platform: &Platform) -> Result<Digest, Failure> {
    let pulled = fetch(world, reference, reference, platform)?;
    world.store.tag(&local::key(reference), &pulled.descriptor)?;
    Ok(pulled.descriptor.digest)
}

/// The image on this machine, pulled first where it is not here or, by `when`, always or never.
pub(crate) fn find_or_pull(
    world: &World,
    name: &str,
    when: &str,
    platform: &Platform,
) -> Result<(local::Named, local::Image), Failure> {
    let here = if when == "always" { None } else { local::find(&world.store, name).ok() };
    let named = match here {
        Some(named) => named,
        None if when == "never" => local::find(&world.store, name)?,
        None => {
            let reference: Reference = name.parse().or_usage()?;
            world.progress.note(&format!("Unable to find image '{name}' locally"));
            pull(world, &reference, platform)?;
            local::find(&world.store, name)?
        }
    };
    let image = local::open(&world.store, &named.descriptor, platform)?;
    Ok((named, image))
}

/// Brings the image `from` here, which people know as `name`.
fn fetch(world: &World, from: &Reference, name: &Reference, platform: &Platform) -> Result<Pulled, Failure> {
    let transfers = Transfers::new(&world.progress, format!("pulling {name}"));
    let news = |event| transfers.tell(event);
    let pulled = wharf_registry::pull(&world.client, from, platform, &world.store, &news);
    let pulled = world.runtime.block_on(pulled).map_err(registry_failure)?;
    transfers.done();
    Ok(pulled)
}

/// Pulls what each tag of the repository names, and calls `each` after it. A tag that is something else, such as a
/// signature or an image for other platforms, is passed over with a word; that there is nothing to pull is an error.
pub(crate) fn all(
    world: &World,
    repository: &Reference,
    platform: &Platform,
    each: &mut dyn FnMut(&Reference, &Digest) -> Result<(), Failure>,
) -> Result<Vec<(Reference, Digest)>, Failure> {
    let there = world.client.mirrored(repository)?;
    let mut pulled = Vec::new();
    for tag in world.runtime.block_on(there.tags()).map_err(registry_failure)? {
        let name = repository.with_tag(&tag).or_usage()?;
        let Some(found) = image_of(world, &name, platform)? else { continue };
        // By its digest, so that it is this image even if the tag moves meanwhile.
        fetch(world, &name.with_digest(found.descriptor.digest.clone()), &name, platform)?;
        world.store.tag(&local::key(&name), &found.descriptor)?;
        each(&name, &found.descriptor.digest)?;
        pulled.push((name, found.descriptor.digest));
    }
    match pulled.is_empty() {
        false => Ok(pulled),
        true => {
            Err(anyhow!("there is no image for {platform} under any tag of {}", repository.name()).into())
        }
    }
}

fn image_of(world: &World, name: &Reference, platform: &Platform) -> Result<Option<Pulled>, Failure> {
    let resolved = wharf_registry::resolve(&world.client, name, platform, &world.store);
    match world.runtime.block_on(resolved) {
        Ok(found) if is_image(&found.manifest.config.media_type) => Ok(Some(found)),
        Ok(_) => {
            world.progress.note(&format!("passed over {name}: it is no image"));
            Ok(None)
        }
        Err(error) if matches!(error.cause(), Cause::NoPlatform { .. }) => {
            world.progress.note(&format!("passed over {name}: {}", error.cause()));
            Ok(None)
        }
        Err(error) => Err(registry_failure(error)),
    }
}

fn is_image(config: &MediaType) -> bool {
    *config == MediaType::ImageConfig || config.as_ref() == DOCKER_CONFIG
}
