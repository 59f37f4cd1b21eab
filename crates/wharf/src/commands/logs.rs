//! `wharf logs`: what a container has said.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use anyhow::Context;

use crate::cli::Globals;
use crate::container::state::Containers;
use crate::exit::{Exit, Outcome};
use crate::world::World;

/// What `wharf logs` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or an ID
    container: String,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
}

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Prints its output.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let container = containers.find(&args.container)?;
    let path = containers.log(&container);
    let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    loop {
        // Asked before reading, so that what is written just before the end is still printed.
        let running = args.follow && containers.is_running(&container);
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("reading {}", path.display()))?;
        if std::io::stdout().lock().write_all(&text).is_err() || !running {
            return Ok(Exit::Done);
        }
        std::thread::sleep(PAUSE);
    }
}
