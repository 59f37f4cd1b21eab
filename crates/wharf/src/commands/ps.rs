//! `wharf ps`: the containers on this machine.

use serde::Serialize;

use crate::cli::Globals;
use crate::container::state::{Container, Containers};
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::world::World;

/// What `wharf ps` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Those that have ended, too
    #[arg(short, long)]
    all: bool,
    /// Only print IDs
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    container: Container,
    running: bool,
}

/// Lists them, newest first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let containers = Containers::new(&world.data_dir);
    let rows: Vec<Row> = containers
        .list()?
        .into_iter()
        .map(|container| Row { running: containers.is_running(&container), container })
        .filter(|row| args.all || row.running)
        .collect();
    if globals.json {
        output::print_json(&rows)?;
    } else if args.quiet {
        output::print(&rows.iter().map(|row| format!("{}\n", &row.container.id[..12])).collect::<String>())?;
    } else {
        output::print(&table(&rows))?;
    }
    Ok(Exit::Done)
}

fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 7]> = rows
        .iter()
        .map(|Row { container, running }| {
            [
                container.id[..12].to_owned(),
                container.image.clone(),
                format!("{:?}", super::history::cut(&container.command.join(" "), 20)),
                super::images::ago(&container.created),
                status(container, *running),
                container.ports.join(", "),
                container.name.clone(),
            ]
        })
        .collect();
    let headings = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
    output::table::render(headings, &cells)
}

fn status(container: &Container, running: bool) -> String {
    match (running, container.exit_code) {
        (true, _) => "Up".to_owned(),
        (false, Some(code)) => format!("Exited ({code})"),
        (false, None) => "Dead".to_owned(),
    }
}
