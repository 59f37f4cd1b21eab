//! `wharf load`: the images of an archive, as `docker save`, `wharf save` and OCI tools write it.

use std::path::PathBuf;

use wharf_oci::{Digest, Platform};
use wharf_registry::{Archive, Origin, Progress};

use crate::cli::Globals;
use crate::copying::packed::Packed;
use crate::copying::source::{for_platform, is_whole, open_archive, spooled};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output};

/// How many blobs are copied at once.
const PARALLEL: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read from this file instead of standard input; it may be compressed
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Of an index, only the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

/// An image that is here now.
#[derive(Debug, serde::Serialize)]
struct Loaded {
    names: Vec<String>,
    digest: Digest,
}

/// Loads all that is in it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let archive = match &args.input {
        Some(path) if path.as_os_str() != "-" => open_archive(&world, path)?,
        _ => spooled(&world, std::io::stdin(), "standard input".as_ref())
            .map_err(|failure| failure.context("reading an archive from standard input"))?,
    };
    let transfers = Transfers::new(&world.progress, format!("loading {}", archive.path().display()));
    let news = |event| transfers.tell(event);
    let work = load(&world, &archive, args.platform.as_ref(), &news);
    let loaded = world.runtime.block_on(work)?;
    transfers.done();
    if globals.json {
        output::print_json(&loaded)?;
    } else if !args.quiet {
        output::print(&loaded.iter().map(lines).collect::<String>())?;
    }
    Ok(Exit::Done)
}

async fn load(
    world: &World,
    archive: &Archive,
    platform: Option<&Platform>,
    progress: Progress<'_>,
) -> Result<Vec<Loaded>, Failure> {
    let mut loaded = Vec::new();
    let listed = archive.images().to_vec();
    let (packed, images) = Packed::of(archive.clone(), listed, world.store.clone()).await?;
    for image in &images {
        let document = packed.document(&image.descriptor).await?;
        let host = Platform::host();
        let partial = (!is_whole(archive, &document)).then_some(&host);
        let document = for_platform(&packed, document, platform.or(partial)).await?;
        let descriptor = document.descriptor.clone();
        wharf_registry::copy_to_layout(&packed, document, &world.store, PARALLEL, progress).await?;
        let references = image.references();
        for reference in &references {
            world.store.tag(&local::key(reference), &descriptor)?;
        }
        let names = references.iter().map(ToString::to_string).collect();
        loaded.push(Loaded { names, digest: descriptor.digest });
    }
    Ok(loaded)
}

fn lines(loaded: &Loaded) -> String {
    match loaded.names.as_slice() {
        [] => format!("Loaded image ID: {}\n", loaded.digest),
        names => names.iter().map(|name| format!("Loaded image: {name}\n")).collect(),
    }
}
