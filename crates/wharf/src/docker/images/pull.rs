//! `docker pull`.

use wharf_oci::{Digest, Platform, Reference};

use crate::cli::{Globals, Progress};
use crate::commands;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `pull` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only print the image's name
    #[arg(short, long)]
    quiet: bool,
    /// Every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Nothing more
    #[arg(long)]
    disable_content_trust: bool,
    /// The image
    image: String,
}

/// Pulls it, and says so in docker's words, which scripts read.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    if args.all_tags && (reference.tag().is_some() || reference.digest().is_some()) {
        return Err(Failure::usage("tag can't be used with --all-tags/-a"));
    }
    let mut globals = globals.clone();
    if args.quiet {
        globals.progress = Progress::Quiet;
    }
    let world = World::open(&globals)?;
    let platform = args.platform.unwrap_or_else(Platform::host);
    if args.all_tags {
        return all(&world, &reference, &platform, args.quiet);
    }
    let before = world.store.resolve(&local::key(&reference))?.map(|descriptor| descriptor.digest);
    let name = reference.familiar_name();
    let tag = reference.tag_or_latest().unwrap_or_default().to_owned();
    if !args.quiet {
        if reference.tag().is_none() && reference.digest().is_none() {
            output::print("Using default tag: latest\n")?;
        }
        output::print(&format!("{tag}: Pulling from {}\n", reference.repository()))?;
    }
    let digest = commands::pull::pull(&world, &reference, &platform)?;
    let full = match reference.digest() {
        Some(digest) => format!("{name}@{digest}"),
        None => format!("{name}:{tag}"),
    };
    if !args.quiet {
        let news = match before.as_ref() == Some(&digest) {
            true => "Image is up to date",
            false => "Downloaded newer image",
        };
        output::print(&format!("Digest: {digest}\nStatus: {news} for {full}\n"))?;
    }
    let canonical = match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.name()),
        None => format!("{}:{tag}", reference.name()),
    };
    output::print(&format!("{canonical}\n"))?;
    Ok(Exit::Done)
}

fn all(world: &World, repository: &Reference, platform: &Platform, quiet: bool) -> Outcome {
    let before = local::list(&world.store)?;
    let mut news = false;
    let mut say = |name: &Reference, digest: &Digest| {
        let known = before.iter().any(|it| it.reference == *name && it.descriptor.digest == *digest);
        news |= !known;
        let tag = name.tag().unwrap_or_default();
        match quiet {
            true => Ok(()),
            false => {
                output::print(&format!("{tag}: Pulling from {}\nDigest: {digest}\n", repository.repository()))
            }
        }
    };
    commands::pull::all(world, repository, platform, &mut say)?;
    if !quiet {
        let news = if news { "Downloaded newer image" } else { "Image is up to date" };
        output::print(&format!("Status: {news} for {}\n", repository.familiar_name()))?;
    }
    output::print(&format!("{}\n", repository.name()))?;
    Ok(Exit::Done)
}
