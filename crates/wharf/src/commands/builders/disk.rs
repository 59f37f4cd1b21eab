//! What builders keep on their disks, and how it is removed.

use jiff::Timestamp;
use serde_json::{Value, json};
use wharf_buildkit::address::Address;
use wharf_buildkit::upkeep::{self, Record};

use super::{Which, print, reached, refused, seconds};
use crate::building::bytes;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{size, table};

#[derive(Debug, clap::Args)]
pub(super) struct Du {
    #[command(flatten)]
    which: Which,
    /// Only what this matches, such as `type==exec.cachemount` (several: any of them)
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Show each thing, the largest first
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Prune {
    #[command(flatten)]
    which: Which,
    /// Only what this matches: `until=24h`, or as BuildKit has it `type==regular`
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Stop when what remains takes no more than this, such as `10gb`
    #[arg(long, value_name = "BYTES", visible_aliases = ["reserved-space", "max-used-space"])]
    keep_storage: Option<String>,
    /// Also what BuildKit keeps for itself: frontends and internal things
    #[arg(short, long)]
    all: bool,
    /// Accepted for docker's sake, as nothing is asked
    #[arg(short, long)]
    force: bool,
}

pub(super) async fn usage(args: &Du, globals: &Globals) -> Outcome {
    let mut documents = Vec::new();
    let mut texts = Vec::new();
    for place in args.which.places().await? {
        let channel = reached(&place).await?;
        let records = upkeep::usage(&channel, &args.filter).await;
        let mut records = records.map_err(|status| refused("asking what is kept on", &place, &status))?;
        records.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.id.cmp(&b.id)));
        texts.push(totals(&place.address, &records, args.verbose));
        documents.push(json!({
            "address": place.address.to_string(),
            "bytes": sum(&records, |_| true),
            "reclaimableBytes": sum(&records, |record| !record.in_use),
            "sharedBytes": sum(&records, |record| record.shared),
            "records": records,
        }));
    }
    print(&Value::from(documents), || texts.join("\n"), globals)?;
    Ok(Exit::Done)
}

pub(super) async fn prune(args: &Prune, globals: &Globals) -> Outcome {
    let what = args.what()?;
    let mut documents = Vec::new();
    let mut texts = Vec::new();
    for place in args.which.places().await? {
        let channel = reached(&place).await?;
        let mut gone = Vec::new();
        let pruned = upkeep::prune(&channel, &what, |record| gone.push(record)).await;
        pruned.map_err(|status| refused("pruning", &place, &status))?;
        let total = sum(&gone, |_| true);
        let rows = if gone.is_empty() { String::new() } else { listed(&gone) + "\n" };
        texts.push(format!("{}\n{rows}Total reclaimed space: {}\n", place.address, size::bytes(total)));
        documents.push(json!({ "address": place.address.to_string(), "bytes": total, "removed": gone }));
    }
    print(&Value::from(documents), || texts.join("\n"), globals)?;
    Ok(Exit::Done)
}

impl Prune {
    fn what(&self) -> Result<upkeep::Prune, Failure> {
        let mut what = upkeep::Prune { all: self.all, ..upkeep::Prune::default() };
        for filter in &self.filter {
            match filter.split_once('=') {
                Some(("until", age)) => {
                    what.older_than =
                        seconds(age).map_err(|failure| failure.context(format!("--filter {filter}")))?;
                }
                _ => what.filters.push(filter.clone()),
            }
        }
        if let Some(text) = &self.keep_storage {
            what.keep_bytes = bytes(text, "--keep-storage")?;
        }
        Ok(what)
    }
}

fn sum(records: &[Record], counts: impl Fn(&Record) -> bool) -> u64 {
    records.iter().filter(|record| counts(record)).map(|record| record.bytes).sum()
}

fn totals(address: &Address, records: &[Record], verbose: bool) -> String {
    let list = if verbose && !records.is_empty() { listed(records) + "\n" } else { String::new() };
    let line = |name: &str, bytes: u64| format!("{name:<13} {}\n", size::bytes(bytes));
    [
        format!("{address}\n{list}"),
        line("Shared:", sum(records, |record| record.shared)),
        line("Private:", sum(records, |record| !record.shared)),
        line("Reclaimable:", sum(records, |record| !record.in_use)),
        line("Total:", sum(records, |_| true)),
    ]
    .concat()
}

fn listed(records: &[Record]) -> String {
    let rows: Vec<[String; 5]> = records
        .iter()
        .map(|record| {
            let used = record.last_used.and_then(|time| Timestamp::from_second(time).ok());
            [
                record.id.chars().take(12).collect(),
                record.kind.clone(),
                size::bytes(record.bytes),
                used.map_or_else(|| "-".into(), |time| time.to_string()),
                record.description.chars().take(60).collect(),
            ]
        })
        .collect();
    table::render(["ID", "TYPE", "SIZE", "LAST USED", "DESCRIPTION"], &rows)
}
