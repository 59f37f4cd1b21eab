//! `wharf smoke`: starts an image as its own user and sees whether it works.

use std::sync::Arc;

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::settings::project;
use crate::world::World;
use crate::{layers, output, smoke};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port that must answer [default: the first one the image exposes, else its PORT]
    #[arg(long)]
    port: Option<u16>,
    /// The path to ask for [default: /health]
    #[arg(long)]
    path: Option<String>,
    /// Seconds until a service that does not answer has failed [default: the image's start period]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// The image; pulled where it is not on this machine
    image: String,
}

/// Runs the test; exit code 1 where the image does not work.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::sandboxed(globals)?;
    let (_, image) = super::pull::find_or_pull(&world, &args.image, "missing", &wharf_oci::Platform::host())?;
    let settings = project::Smoke { enabled: None, port: args.port, path: args.path, timeout: args.timeout };
    let plan = smoke::Plan::new(&settings, &image.config.config);
    let subject = smoke::Subject {
        config: &image.config.config,
        digest: &image.descriptor.digest,
        lowers: layers::unpack(&world, &image)?,
        data_dir: &world.data_dir,
    };
    let task = Arc::new(world.progress.task(format!("smoke {}", args.image)));
    let lines = task.clone();
    let report = smoke::run(world.sandbox(), subject, &plan, move |line| lines.log(line))?;
    if let Some(task) = Arc::into_inner(task) {
        task.done("passed");
    }
    if globals.json {
        output::print_json(&report)?;
    } else {
        output::print(&format!("{}: {}\n", args.image, report.detail))?;
    }
    Ok(Exit::Done)
}
