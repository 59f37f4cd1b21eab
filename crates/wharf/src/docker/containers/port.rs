//! `docker port`.

use crate::cli::Globals;
use crate::container::state::Containers;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::world::World;

/// What `port` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A name or an ID
    container: String,
    /// Only where this port of the container is published
    port: Option<String>,
}

/// Prints where its ports are published.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let container = Containers::new(&world.data_dir).find(&args.container)?;
    let wanted = args.port.as_deref().map(|port| port.trim_end_matches("/tcp"));
    let ports =
        container.state.ports.iter().filter(|port| wanted.is_none_or(|it| it == port.inside.to_string()));
    let lines: String = ports
        .map(|port| match wanted {
            Some(_) => format!("{}\n", port.outside),
            None => format!("{}/tcp -> {}\n", port.inside, port.outside),
        })
        .collect();
    if let (true, Some(port)) = (lines.is_empty(), &args.port) {
        return Err(Failure::usage(format!("no public port '{port}' published for {}", args.container)));
    }
    output::print(&lines)?;
    Ok(Exit::Done)
}
