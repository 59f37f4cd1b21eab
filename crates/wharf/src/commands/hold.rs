//! `wharf hold` and `wharf unhold`: promotions stop, and go on.

use serde::Serialize;
use wharf_ledger::{Kind, LogName, remark};
use wharf_oci::Digest;

use super::promote::EntryName;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::releases::place::{self, Place};
use crate::releases::write::{self, How};
use crate::releases::{operation, record};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Let promotions go on
    #[arg(long)]
    release: bool,
    /// With --release: take a digest out of quarantine
    #[arg(long, value_name = "DIGEST", requires = "release")]
    pardon: Vec<String>,
    /// Why, for those who read the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The operation's name: the same one twice is one entry [default: the CI job, else a new one]
    #[arg(long, value_name = "ID")]
    op_id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UnholdArgs {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Take a digest out of quarantine
    #[arg(long, value_name = "DIGEST")]
    pardon: Vec<String>,
    /// Why, for those who read the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The operation's name: the same one twice is one entry [default: the CI job, else a new one]
    #[arg(long, value_name = "ID")]
    op_id: Option<String>,
}

#[derive(Serialize)]
struct Report {
    repository: String,
    env: String,
    held: bool,
    quarantine: Vec<Digest>,
    already: bool,
    entry: Option<EntryName>,
}

/// Lets promotions go on.
pub(crate) fn unhold(args: UnholdArgs, globals: &Globals) -> Outcome {
    let UnholdArgs { repository, env, pardon, reason, op_id } = args;
    run(Args { repository, env, release: true, pardon, reason, op_id }, globals)
}

/// Stops promotions, or lets them go on.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let log = place::environment(&args.env)?;
    let pardon = args.pardon.iter().map(|text| text.parse::<Digest>().or_usage());
    let pardon: Vec<Digest> = pardon.collect::<Result<_, _>>()?;
    let world = World::open(globals)?;
    let place = place::home(&world, args.repository.as_deref(), &log)?;
    let kind = if args.release { Kind::Unhold } else { Kind::Hold };
    let op_id = operation(args.op_id.as_deref(), kind, &log, &args.pardon.join(" "));
    let asked = record(&log, kind, &op_id, args.reason.as_deref());
    let decide = |situation: &wharf_ledger::Situation<'_>| remark(situation, &asked, &pardon);
    let appended = match write::append(&world, &place, &log, &op_id, &How::default(), decide)? {
        Err(wharf_ledger::Refusal::Empty(_)) => {
            return Err(place::unknown_environment(&world, &place, &log));
        }
        Err(refusal) if write::is_nothing_to_do(&refusal) => return nothing(&place, &log, globals),
        appended => write::or_refused(appended, &place)?,
    };
    let state = appended.record.state.as_deref();
    let report = Report {
        repository: place.name(),
        env: log.to_string(),
        held: state.is_some_and(|state| state.hold.is_some()),
        quarantine: state.map(wharf_ledger::State::quarantine_digests).unwrap_or_default(),
        already: appended.already,
        entry: Some(EntryName { seq: appended.record.seq, digest: appended.digest }),
    };
    if globals.json {
        output::print_json(&report)?;
    } else {
        let what = if report.held { "are held" } else { "may go on" };
        output::print(&format!("promotions to {log} {what}, entry {}\n", appended.record.seq))?;
    }
    Ok(Exit::Done)
}

fn nothing(place: &Place, log: &LogName, globals: &Globals) -> Result<Exit, Failure> {
    if globals.json {
        let (repository, env) = (place.name(), log.to_string());
        let quarantine = Vec::new();
        output::print_json(&Report { repository, env, held: false, quarantine, already: true, entry: None })?;
    } else {
        output::print(&format!("promotions to {log} were not held\n"))?;
    }
    Ok(Exit::Done)
}
