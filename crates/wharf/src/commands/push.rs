//! `wharf push`: brings images from this machine to a registry.

use wharf_oci::Reference;
use wharf_registry::Outcome as Travelled;

use crate::cli::Globals;
use crate::exit::{Exit, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output};

/// What `wharf push` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image
    image: String,
}

/// Pushes it under its tag.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    let world = World::open(globals)?;
    let named = local::find(&world.store, &args.image)?;
    let tags = [reference.tag_or_latest().unwrap_or("latest").to_owned()];
    let transfers = Transfers::new(&world.progress, format!("pushing {reference}"));
    let news = |event| transfers.tell(event);
    let pushed =
        wharf_registry::push(&world.store, &named.descriptor, &world.client, &reference, &tags, &news);
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
