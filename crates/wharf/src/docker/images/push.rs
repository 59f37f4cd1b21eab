//! `docker push`.

use wharf_oci::Reference;

use crate::cli::{Globals, Progress};
use crate::commands;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output::transfer::Transfers;
use crate::world::World;
use crate::{local, output};

/// What `push` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Every tag of the repository that is on this machine
    #[arg(short, long)]
    all_tags: bool,
    /// Only print the image's name
    #[arg(short, long)]
    quiet: bool,
    /// Nothing more
    #[arg(long)]
    disable_content_trust: bool,
    /// Everything of an index is pushed that is on this machine
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// The image
    image: String,
}

/// Pushes it, and says so in docker's words, which scripts read.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let reference: Reference = args.image.parse().or_usage()?;
    let mut globals = globals.clone();
    if args.quiet {
        globals.progress = Progress::Quiet;
    }
    let world = World::open(&globals)?;
    let references = match args.all_tags {
        false => vec![reference.clone()],
        true if reference.tag().is_some() => {
            return Err(Failure::usage("tag can't be used with --all-tags/-a"));
        }
        true => local::list(&world.store)?
            .into_iter()
            .map(|named| named.reference)
            .filter(|other| other.name() == reference.name())
            .collect(),
    };
    if !args.quiet {
        if reference.tag().is_none() && !args.all_tags {
            output::print("Using default tag: latest\n")?;
        }
        output::print(&format!("The push refers to repository [{}]\n", reference.name()))?;
    }
    if references.is_empty() {
        return Err(not_here(&reference));
    }
    for reference in references {
        push(&world, &reference, args.quiet)?;
    }
    Ok(Exit::Done)
}

fn push(world: &World, reference: &Reference, quiet: bool) -> Result<(), Failure> {
    let named = local::find(&world.store, &reference.to_string()).map_err(|_| not_here(reference))?;
    let tag = reference.tag_or_latest().unwrap_or("latest").to_owned();
    let transfers = Transfers::new(&world.progress, format!("pushing {reference}"));
    let news = |event| transfers.tell(event);
    let pushed = wharf_registry::push(
        &world.store,
        &named.descriptor,
        &world.client,
        reference,
        std::slice::from_ref(&tag),
        &news,
    );
    let pushed = world.runtime.block_on(pushed).map_err(commands::registry_failure)?;
    transfers.done();
    output::print(&match quiet {
        true => format!("{}:{tag}\n", reference.name()),
        false => format!("{tag}: digest: {} size: {}\n", pushed.digest, named.descriptor.size),
    })
}

fn not_here(reference: &Reference) -> Failure {
    Failure::usage(format!("An image does not exist locally with the tag: {}", reference.name()))
        .hint("`docker images` lists what there is; `docker tag` gives an image another name")
}
