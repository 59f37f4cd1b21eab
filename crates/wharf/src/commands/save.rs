//! `wharf save`: images of this machine in an archive, as `docker save` writes it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use wharf_oci::Platform;
use wharf_registry::{ArchiveWriter, Origin, Progress};

use crate::cli::Globals;
use crate::copying::place::Format;
use crate::copying::source::for_platform;
use crate::copying::target::Output;
use crate::exit::{Exit, Failure, Outcome};
use crate::local;
use crate::output::transfer::Transfers;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of an index, the image for this platform [default: this machine's; the whole index in an `oci-archive`]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Who is to read it
    #[arg(long, default_value = "docker-archive")]
    format: Format,
}

/// Saves them, layers that several share once.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let path = match args.output {
        Some(path) => path,
        None if std::io::stdout().is_terminal() => {
            return Err(Failure::usage("cowardly refusing to save to a terminal")
                .hint("name a file with --output, or redirect"));
        }
        None => "/dev/stdout".into(),
    };
    let world = World::open(globals)?;
    let host = Platform::host();
    let platform = args.platform.as_ref().or((args.format == Format::Docker).then_some(&host));
    let transfers = Transfers::new(&world.progress, format!("saving {}", args.images.join(", ")));
    let news = |event| transfers.tell(event);
    let work = save(&world, &args.images, platform, &path, &news);
    world.runtime.block_on(work)?;
    transfers.done();
    Ok(Exit::Done)
}

/// Writes the images into an archive at `path`. An image that is named by its ID keeps all its names.
async fn save(
    world: &World,
    images: &[String],
    platform: Option<&Platform>,
    path: &Path,
    progress: Progress<'_>,
) -> Result<(), Failure> {
    let named = images.iter().map(|name| local::find(&world.store, name)).collect::<Result<Vec<_>, _>>()?;
    let output = Output::create(path)?;
    let mut writer = ArchiveWriter::new(output.open()?, path);
    for image in named {
        let document = world.store.document(&image.descriptor).await?;
        let document = for_platform(&world.store, document, platform).await?;
        let names = [local::key(&image.reference)];
        writer.add(&world.store, document, &names, progress).await?;
    }
    writer.finish().await?;
    output.keep(path)
}
