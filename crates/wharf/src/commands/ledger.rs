//! `wharf ledger`: a log begins, a fork is closed, a checkpoint is set.

use serde::Serialize;
use wharf_ledger::{Fork, Kind, LogName, Tier, remark};
use wharf_registry::{Condition, Name};

use crate::cli::Globals;
use crate::commands::registry_failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::failure::{refused, unreadable};
use crate::releases::place::{self, Place};
use crate::releases::write::{self, How};
use crate::releases::{operation, record};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Begin the log of an environment: try what the registry can promise, and record it
    Init(Init),
    /// Close a fork: the log as it stands counts, and what is beside it is given up
    Resolve(About),
    /// Write the state so far as an entry
    Checkpoint(About),
}

#[derive(Debug, clap::Args)]
struct About {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Why, for those who read the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Init {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment
    #[arg(long, value_name = "ENV")]
    env: String,
    /// How entries are committed, instead of what the probe finds
    #[arg(long, value_name = "TIER", value_enum, ignore_case = true)]
    tier: Option<TierName>,
    /// The git repository that commits entries (tier T2)
    #[arg(long, value_name = "REMOTE")]
    git: Option<String>,
    /// Milliseconds within which a claim must arrive (tier T3)
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    deadline: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TierName {
    /// The registry creates tags atomically and once
    T1,
    /// A git ref decides
    T2,
    /// Time decides
    T3,
}

#[derive(Serialize)]
struct Report {
    repository: String,
    env: String,
    tier: String,
    detail: String,
    seq: u64,
    closed: Vec<String>,
}

/// Does it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    match args.verb {
        Verb::Init(init) => begin(&init, globals),
        Verb::Resolve(about) => resolve(&about, globals),
        Verb::Checkpoint(about) => checkpoint(&about, globals),
    }
}

fn begin(init: &Init, globals: &Globals) -> Outcome {
    let log = place::environment(&init.env)?;
    let world = World::open(globals)?;
    let place = place::home(&world, init.repository.as_deref(), &log)?;
    let git = init.git.clone().or_else(|| place.environment(&log)?.ledger_git.clone());
    let tier = match (init.tier, git) {
        (Some(TierName::T1), _) => Some(Tier::Atomic),
        (Some(TierName::T3), _) => Some(Tier::Timed { deadline_ms: init.deadline.max(1) }),
        (Some(TierName::T2) | None, Some(remote)) => Some(Tier::Git { remote }),
        (Some(TierName::T2), None) => {
            return Err(Failure::usage("tier T2 needs a git repository").hint("say --git REMOTE"));
        }
        (None, None) => None,
    };
    match write::begin_log(&world, &place, &log, tier)? {
        Ok(begun) => {
            let seq = begun.appended.record.seq;
            let detail = format!("{}: {}", begun.tier, begun.why);
            let report = report(&place, &log, begun.tier.name(), detail, seq, Vec::new());
            print(&report, globals, &format!("{log} begins in {}: {}\n", place.name(), report.detail))
        }
        Err(refusal) => Err(refused(refusal, &place.name())),
    }
}

fn report(place: &Place, log: &LogName, tier: &str, detail: String, seq: u64, closed: Vec<String>) -> Report {
    Report { repository: place.name(), env: log.to_string(), tier: tier.into(), detail, seq, closed }
}

fn print(report: &Report, globals: &Globals, text: &str) -> Outcome {
    if globals.json {
        output::print_json(report)?;
    } else {
        output::print(text)?;
    }
    Ok(Exit::Done)
}

/// Withdraws what stands beside the log, points the tags at the log, and says so in an entry.
fn resolve(about: &About, globals: &Globals) -> Outcome {
    let log = place::environment(&about.env)?;
    let world = World::open(globals)?;
    let place = place::home(&world, about.repository.as_deref(), &log)?;
    let store = place.store.as_ref();
    let found = async {
        let Some(head) = wharf_ledger::head(store, &log).await? else { return Ok(None) };
        let announced = wharf_ledger::announced(store, &log).await?;
        let forks = wharf_ledger::forks(store, &log, &head, &announced).await?;
        Ok(Some((head, forks)))
    };
    let Some((head, forks)) = world.runtime.block_on(found).map_err(unreadable)? else {
        return Err(place::unknown_environment(&world, &place, &log));
    };
    let closed: Vec<String> = forks.iter().map(ToString::to_string).collect();
    let tier = head.entry.record.state.as_deref().map_or("T1", |state| state.tier.name()).to_owned();
    if forks.is_empty() {
        world.runtime.block_on(wharf_ledger::repair(store, &log, &head)).map_err(unreadable)?;
        let report = report(&place, &log, &tier, "nothing to resolve".into(), head.entry.record.seq, closed);
        return print(&report, globals, &format!("{log} has no fork\n"));
    }
    for fork in &forks {
        if let Fork::Contested { seq, digits, .. } = fork {
            world.runtime.block_on(withdraw(&place, &log, *seq, digits))?;
        }
    }
    world.runtime.block_on(wharf_ledger::point(store, &log, &head.entry)).map_err(unreadable)?;
    let op_id = operation(None, Kind::Checkpoint, &log, &closed.join(" "));
    let mut asked = record(&log, Kind::Checkpoint, &op_id, about.reason.as_deref());
    asked.resolves.clone_from(&closed);
    let decide = |situation: &wharf_ledger::Situation<'_>| remark(situation, &asked, &[]);
    let appended = write::append(&world, &place, &log, &op_id, &How::default(), decide)?;
    let appended = write::or_refused(appended, &place)?;
    let text = format!(
        "{log} counts as it stands, entry {}; given up:\n  {}\n",
        appended.record.seq,
        closed.join("\n  ")
    );
    let report = report(&place, &log, &tier, "resolved".into(), appended.record.seq, closed);
    print(&report, globals, &text)
}

async fn withdraw(place: &Place, log: &LogName, seq: u64, digits: &str) -> Result<(), Failure> {
    let store = place.store.as_ref();
    let announcement = format!("{}.{digits}", log.slot(seq));
    let found = store.manifest(Name::Tag(&announcement)).await.map_err(registry_failure)?;
    let Some(document) = found else { return Ok(()) };
    let tag = log.withdrawn(seq, digits);
    store.put_manifest(Name::Tag(&tag), &document, Condition::Always).await.map_err(registry_failure)
}

fn checkpoint(about: &About, globals: &Globals) -> Outcome {
    let log = place::environment(&about.env)?;
    let world = World::open(globals)?;
    let place = place::home(&world, about.repository.as_deref(), &log)?;
    let op_id = operation(None, Kind::Checkpoint, &log, "");
    let asked = record(&log, Kind::Checkpoint, &op_id, about.reason.as_deref());
    let decide = |situation: &wharf_ledger::Situation<'_>| remark(situation, &asked, &[]);
    let appended = match write::append(&world, &place, &log, &op_id, &How::default(), decide)? {
        Err(wharf_ledger::Refusal::Empty(_)) => return Err(place::unknown_environment(&world, &place, &log)),
        appended => write::or_refused(appended, &place)?,
    };
    let tier = appended.record.state.as_deref().map_or("T1", |state| state.tier.name()).to_owned();
    let seq = appended.record.seq;
    let report = report(&place, &log, &tier, "checkpoint".into(), seq, Vec::new());
    print(&report, globals, &format!("{log} has a checkpoint, entry {seq}\n"))
}
