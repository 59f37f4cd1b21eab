//! `wharf copy`: images between registries, directories and archives, without a copy on this machine.

use wharf_oci::Platform;

use crate::cli::Globals;
use crate::copying::place::Place;
use crate::copying::target::Done;
use crate::copying::{source, target};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::output::transfer::Transfers;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// From where: a name in a registry, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`
    source: String,
    /// To where, in the same words
    destination: String,
    /// Of an index, only the image for this platform; without it the whole index is copied
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Every image that has a tag, each under its tags
    #[arg(short, long)]
    all_tags: bool,
}

/// Copies, and says what got there.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let source: Place = args.source.parse().map_err(Failure::usage)?;
    let destination: Place = args.destination.parse().map_err(Failure::usage)?;
    if args.all_tags && destination.is_one_image() {
        return Err(Failure::usage(format!("`{destination}` names one image, and --all-tags brings all")));
    }
    let world = World::open(globals)?;
    let transfers = Transfers::new(&world.progress, format!("copying {source} to {destination}"));
    let news = |event| transfers.tell(event);
    let work = async {
        let found = source::find(&world, &source, &destination, args.all_tags).await?;
        target::copy(&world, &found, &destination, args.platform.as_ref(), &news).await
    };
    let copied: Result<Vec<Done>, Failure> = world.runtime.block_on(work);
    let copied = copied?;
    transfers.done();
    if globals.json {
        output::print_json(&serde_json::json!({
            "source": source.to_string(),
            "destination": destination.to_string(),
            "images": copied,
        }))?;
    } else {
        output::print(&copied.iter().map(|image| line(image, &destination)).collect::<String>())?;
    }
    Ok(Exit::Done)
}

fn line(image: &Done, destination: &Place) -> String {
    let sent = output::size::bytes(image.bytes_sent);
    let names = if image.names.is_empty() { destination.to_string() } else { image.names.join(", ") };
    format!("{names}@{}  {sent} sent\n", image.digest)
}
