//! `wharf system df`: what the data directory holds.

use jiff::Timestamp;
use serde_json::json;
use wharf_build::{Item, ItemKind};

use super::prune;
use crate::building;
use crate::cli::Globals;
use crate::container::state::Containers;
use crate::exit::{Exit, Outcome};
use crate::output::{self, size, table};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what takes room on the disk, and how much of it a prune would free
    Df(Df),
    /// Remove what builds have left; the same as `wharf prune`
    Prune(prune::Args),
}

#[derive(Debug, clap::Args)]
struct Df {
    /// Show each thing, the least recently used first
    #[arg(short, long)]
    verbose: bool,
}

/// Does it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    match args.command {
        Command::Df(args) => df(&args, globals),
        Command::Prune(args) => prune::run(args, globals),
    }
}

fn df(args: &Df, globals: &Globals) -> Outcome {
    let world = World::sandboxed(globals)?;
    let usage = building::engine(&world)?.usage().map_err(building::failed)?;
    let containers = Containers::new(&world.data_dir);
    let all = containers.list()?;
    let running = all.iter().filter(|container| containers.is_running(container)).count();
    if globals.json {
        output::print_json(&json!({
            "images": { "count": usage.images, "bytes": usage.image_bytes },
            "containers": { "count": all.len(), "running": running },
            "cache": { "count": usage.items.len(), "bytes": usage.cache_bytes() },
            "items": usage.items,
        }))?;
        return Ok(Exit::Done);
    }
    let mut rows =
        vec![row("Images", usage.images, usage.image_bytes, 0), row("Containers", all.len(), 0, 0)];
    for (kind, name) in [
        (ItemKind::Step, "Steps"),
        (ItemKind::Snapshot, "Unpacked layers"),
        (ItemKind::CacheMount, "Cache mounts"),
        (ItemKind::Blob, "Other blobs"),
    ] {
        let items = usage.items.iter().filter(|item| item.kind == kind);
        let (count, bytes) = items.fold((0, 0), |(count, bytes), item| (count + 1, bytes + item.size));
        rows.push(row(name, count, bytes, bytes));
    }
    output::print(&table::render(["TYPE", "TOTAL", "SIZE", "RECLAIMABLE"], &rows))?;
    if args.verbose {
        output::print(&format!("\n{}", items(&usage.items)))?;
    }
    Ok(Exit::Done)
}

fn row(name: &str, count: usize, bytes: u64, reclaimable: u64) -> [String; 4] {
    [name.to_owned(), count.to_string(), size::bytes(bytes), size::bytes(reclaimable)]
}

/// Things that a prune may remove, as a table.
pub(super) fn items(items: &[Item]) -> String {
    let rows: Vec<[String; 4]> = items
        .iter()
        .map(|item| {
            let used = Timestamp::from_second(item.used).map_or_else(|_| "-".into(), |time| time.to_string());
            [item.id.chars().take(12).collect(), item.kind.to_string(), size::bytes(item.size), used]
        })
        .collect();
    table::render(["ID", "KIND", "SIZE", "LAST USED"], &rows)
}
