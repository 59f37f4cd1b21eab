//! `wharf log`: what happened in an environment, or what was shipped.

use serde::Serialize;
use wharf_ledger::{Latest, LogName, Record};
use wharf_oci::{Digest, digest};

use crate::cli::Globals;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::releases::failure::unreadable;
use crate::releases::place;
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment [default: what was shipped]
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// At most so many entries
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// An entry and its digest.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    #[serde(flatten)]
    pub(super) record: Record,
}

impl Entry {
    /// Without the folded state, which repeats the log.
    pub(super) fn of(entry: &Latest) -> Self {
        Self { digest: entry.digest.clone(), record: Record { state: None, ..entry.record.clone() } }
    }
}

/// Prints the entries, newest first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let log = args.env.as_deref().map(place::environment).transpose()?.unwrap_or_else(LogName::ship);
    let world = World::open(globals)?;
    let place = match args.env {
        Some(_) => place::home(&world, args.repository.as_deref(), &log)?,
        None => place::places(&world, args.repository.as_deref())?.remove(0),
    };
    let store = place.store.as_ref();
    let read = async {
        match wharf_ledger::latest(store, &log).await? {
            Some(newest) => wharf_ledger::history(store, &log, &newest, args.limit.max(1)).await,
            None => Ok(Vec::new()),
        }
    };
    let entries = world.runtime.block_on(read).map_err(unreadable)?;
    if entries.is_empty() && !log.is_ship() {
        return Err(place::unknown_environment(&world, &place, &log));
    }
    if globals.json {
        output::print_json(&entries.iter().map(Entry::of).collect::<Vec<_>>())?;
    } else {
        output::print(&table(&entries))?;
    }
    Ok(Exit::Done)
}

fn table(entries: &[Latest]) -> String {
    let rows: Vec<[String; 7]> = entries.iter().map(row).collect();
    output::table::render(["ENTRY", "WHEN", "WHAT", "VERSION", "DIGEST", "BY", "WHY"], &rows)
}

fn row(entry: &Latest) -> [String; 7] {
    let record = &entry.record;
    let release = record.release.as_ref();
    [
        format!("{}@{}", record.log, record.seq),
        record.time.get(..19).unwrap_or(&record.time).replace('T', " "),
        record.kind.to_string(),
        release.map_or_else(|| "-".into(), |release| release.version.clone()),
        release.map_or_else(|| "-".into(), |release| digest::short(&release.digest, 12).to_owned()),
        record.actor.name.clone(),
        record.reason.clone().unwrap_or_default(),
    ]
}
