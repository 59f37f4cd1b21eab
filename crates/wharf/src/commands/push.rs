//! `wharf push`: brings images from this machine to a registry.

use wharf_metadata::{Motion, Overrides, Release, Tag};
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{Layout, Outcome as Travelled};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::publishing::Moves;
use crate::world::World;
use crate::{local, output, publishing};

/// What `wharf push` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Let a rolling tag such as `latest` or `v1` move to an older version
    #[arg(long)]
    allow_backward: bool,
    /// Overwrite a full-version tag that names another image
    #[arg(long)]
    force: bool,
    /// The image
    image: String,
}

/// Pushes it under its tag.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.image)?;
    let overrides = Overrides { allow_backward: args.allow_backward, force: args.force };
    let moves = decided(&world, &reference, &named.descriptor, overrides)?;
    moves.overridden.iter().for_each(|reason| world.progress.note(&format!("warning: overridden: {reason}")));
    let transfers = Transfers::new(&world.progress, format!("pushing {reference}"));
    let news = |event| transfers.tell(event);
    let pushed =
        wharf_registry::push(&world.store, &named.descriptor, &world.client, &reference, &moves.tags, &news);
    let pushed = world.runtime.block_on(pushed).map_err(super::registry_failure)?;
    transfers.done();
    if globals.json {
        output::print_json(&serde_json::json!({
            "image": reference.to_string(),
            "digest": pushed.digest,
            "bytesSent": pushed.bytes(Travelled::Transferred),
            "bytesMounted": pushed.bytes(Travelled::Mounted),
            "bytesExisting": pushed.bytes(Travelled::Existing),
        }))?;
    } else {
        let sent = output::size::bytes(pushed.bytes(Travelled::Transferred));
        output::print(&format!("{}@{}  {sent} sent\n", reference.familiar_name(), pushed.digest))?;
    }
    Ok(Exit::Done)
}

/// What becomes of the tag in the registry; that it must stay where it is, is a gate that says no.
fn decided(
    world: &World,
    reference: &Reference,
    image: &Descriptor,
    overrides: Overrides,
) -> Result<Moves, Failure> {
    let name = reference.tag_or_latest().unwrap_or("latest").to_owned();
    let tag = Tag { motion: Motion::of_name(&name), name };
    let version = version(&world.store, image)?;
    let release = Release { version: version.as_deref(), digest: &image.digest };
    let repository = world.client.repository(reference)?;
    let decision = publishing::moves(&repository, std::slice::from_ref(&tag), &release, overrides);
    let moves = world.runtime.block_on(decision)?;
    match moves.kept.first() {
        None => Ok(moves),
        Some(reason) => Err(Failure::gate(reason)
            .context(format!("pushing {reference}"))
            .hint("push it under the tag of its own version, or insist with `--allow-backward`")),
    }
}

/// The release that the image is, as far as its label or its other names here say.
fn version(store: &Layout, image: &Descriptor) -> Result<Option<String>, Failure> {
    let opened = local::open(store, image, &Platform::host()).ok();
    let label = opened.and_then(|image| image.config.config.labels.get(publishing::VERSION).cloned());
    let same = local::list(store)?.into_iter().filter(|named| named.descriptor.digest == image.digest);
    let names: Vec<String> = same.filter_map(|named| named.reference.tag().map(str::to_owned)).collect();
    Ok(publishing::version_here(label.as_deref(), &names))
}
