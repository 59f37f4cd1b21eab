//! `wharf sbom`: what an image, a directory or an archive consists of.

use std::path::PathBuf;

use wharf_oci::Platform;
use wharf_scan::{Checks, Options, Shelf, output};

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::scanning::{self, Setup, Target, format};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image, `oci:DIR`, an archive of `docker save`, or a directory
    #[arg(value_name = "IMAGE|oci:DIR|ARCHIVE|DIR")]
    target: String,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "cyclonedx")]
    format: Format,
    /// Write it to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of an index, the image for this platform
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// When an image is pulled: `missing`, `always` or `never`
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"], value_name = "WHEN")]
    pull: String,
    /// Read every layer anew
    #[arg(long)]
    no_cache: bool,
}

/// How to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// CycloneDX 1.6, JSON
    #[value(alias = "cyclonedx-json")]
    Cyclonedx,
    /// SPDX 2.3, JSON
    #[value(alias = "spdx-json")]
    Spdx,
}

/// Lists, and ends with 3 where nothing was recognised, or not all of a package database could be read.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let shelf = if args.no_cache { Shelf::default() } else { Shelf::at(world.data_dir.join("scan")) };
    // Packages alone: what else a scan looks for takes several times as long.
    let checks = Checks { packages: true, ..Checks::NONE };
    let setup = Setup::bare(Options { checks, ..Options::default() }, shelf);
    let target = Target::parse(&args.target, args.platform.as_ref(), &args.pull);
    let report = scanning::scan(&target, None, &setup, &world)?;
    let time = format::now();
    let text = match args.format {
        Format::Cyclonedx => output::cyclonedx(&report, &time, false),
        Format::Spdx => output::spdx(&report, &time),
    };
    match &args.output {
        Some(path) => scanning::write(path, &text)?,
        None => crate::output::print(&text)?,
    }
    if report.inventory.packages.is_empty() {
        let failure = anyhow::anyhow!(
            "no package database and no package metadata was recognised in `{}`",
            args.target
        );
        return Err(Failure::new(Exit::Environment, failure));
    }
    if let Some((path, damage)) = report.inventory.damaged.first() {
        let failure = anyhow::anyhow!("the list is not whole, as {path} is damaged: {damage}");
        return Err(Failure::new(Exit::Environment, failure));
    }
    Ok(Exit::Done)
}
