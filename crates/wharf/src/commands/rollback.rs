//! `wharf rollback`: an earlier release comes back, without a rebuild and without moving an image.

use anyhow::anyhow;
use serde::Serialize;
use wharf_ledger::{Expectation, Head, Kind, LogName, Placed, Rollback, State, is_version, roll_back};
use wharf_oci::{Digest, digest};
use wharf_registry::{Document, Name, Store};

use super::promote::EntryName;
use crate::cli::Globals;
use crate::commands::registry_failure;
use crate::exit::{Exit, Failure, Outcome};
use crate::kubernetes::{self, Rolled};
use crate::output;
use crate::releases::configs::{self, Carried};
use crate::releases::failure::unreadable;
use crate::releases::place::{self, Place};
use crate::releases::write::{self, How};
use crate::releases::{operation, record};
use crate::world::World;

/// Put an earlier release back: no rebuild, no moved image
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; else wharf.toml says
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Which environment
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Where to: a version, a digest, or how many releases back [default: the last verified release]
    #[arg(long, value_name = "VERSION|DIGEST|N")]
    to: Option<String>,
    /// Why, for those who read the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Refuse unless this runs there now: a digest, its first digits, or a version
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// The operation's name: the same one twice is one entry [default: the CI job, else a new one]
    #[arg(long, value_name = "ID")]
    op_id: Option<String>,
    /// Go on although the git repository that commits the ledger cannot be asked
    #[arg(long)]
    emergency: bool,
    #[command(flatten)]
    configs: configs::Flags,
    #[command(flatten)]
    kubernetes: kubernetes::Flags,
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    repository: String,
    env: String,
    /// What runs now.
    version: String,
    digest: Digest,
    /// What ran.
    from_version: Option<String>,
    from: Option<Digest>,
    /// Whether the release was ever seen at work there.
    verified: bool,
    already: bool,
    quarantined: Vec<Digest>,
    held: bool,
    entry: Option<EntryName>,
    configs: Carried,
    /// The Deployment that follows, where there is one.
    kubernetes: Option<Rolled>,
}

/// Rolls back.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let log = place::environment(&args.env)?;
    let world = World::open(globals)?;
    let place = place::home(&world, args.repository.as_deref(), &log)?;
    let store = place.store.as_ref();
    let looked = std::time::Instant::now();
    let head = world.runtime.block_on(wharf_ledger::head(store, &log)).map_err(unreadable)?;
    let Some(head) = head else { return Err(place::unknown_environment(&world, &place, &log)) };

    let op_id =
        operation(args.op_id.as_deref(), Kind::Rollback, &log, args.to.as_deref().unwrap_or_default());
    let state = head.entry.record.state.as_deref().cloned();
    let known = state.as_ref().is_some_and(|state| state.operation(&op_id).is_some());
    let target = match (&state, known) {
        (Some(state), false) => {
            world.runtime.block_on(target(&place, &log, &head, state, args.to.as_deref()))?
        }
        _ => None,
    };
    let wanted = target.as_ref().or_else(|| state.as_ref().and_then(State::rollback_target)).cloned();
    let document = match (&wanted, known) {
        (Some(wanted), false) => Some(world.runtime.block_on(present(store, wanted, &place, &log))?),
        _ => None,
    };
    let plan = match &wanted {
        Some(wanted) => configs::plan(&place, &log, &args.configs, &wanted.release)?,
        None => configs::Plan::default(),
    };
    let cluster = match &wanted {
        Some(wanted) if !known => kubernetes::plan(&world, &place, &log, &args.kubernetes, &wanted.release)?,
        _ => None,
    };
    let asked = Rollback {
        record: record(&log, Kind::Rollback, &op_id, args.reason.as_deref()),
        target: target.clone(),
        expect: args.expect.as_deref().map(Expectation::parse),
    };
    let how = How {
        looked: Some((looked, &head)),
        document: document.as_ref(),
        emergency: args.emergency,
        ..How::default()
    };
    let appended =
        write::append(&world, &place, &log, &op_id, &how, |situation| roll_back(situation, &asked))?;
    let appended = match appended {
        Err(refusal) if write::is_nothing_to_do(&refusal) => {
            let carried = plan.carry_out(&world, &log, None)?;
            let current = state.and_then(|state| state.current);
            let Some(current) = current else { return Err(anyhow!(refusal).into()) };
            let mut report = Report::standing(&place, &log, &current, carried);
            report.kubernetes = roll_out(&world, &log, cluster.as_ref(), &current)?;
            print(&report, globals)?;
            return Ok(Exit::Done);
        }
        appended => write::or_refused(appended, &place)?,
    };
    let carried = if appended.already {
        Carried::default()
    } else {
        plan.carry_out(&world, &log, Some((appended.record.seq, &appended.digest)))?
    };
    let mut report = Report::of(&place, &log, &appended, state.as_ref(), carried)?;
    if let Some(wanted) = &wanted {
        report.kubernetes = roll_out(&world, &log, cluster.as_ref(), wanted)?;
    }
    print(&report, globals)?;
    Ok(Exit::Done)
}

/// The Deployment follows. There is nothing to go back to from here, so a failure is only said.
fn roll_out(
    world: &World,
    log: &LogName,
    cluster: Option<&kubernetes::Plan>,
    target: &Placed,
) -> Result<Option<Rolled>, Failure> {
    let Some(cluster) = cluster else { return Ok(None) };
    let version = &target.release.version;
    let rolled = cluster.carry_out(world, &format!("wharf rollback of {log} to {version}"));
    rolled.map(Some).map_err(|reason| {
        let what = format!("the ledger says {version}, and its rollout in the cluster failed");
        Failure::new(Exit::Gate, reason.context(what)).hint("kubectl describe says why; another target: --to")
    })
}

/// Where the rollback goes, if that was said. A version or a digest must have run there; a number counts back.
async fn target(
    place: &Place,
    log: &LogName,
    head: &Head,
    state: &State,
    to: Option<&str>,
) -> Result<Option<Placed>, Failure> {
    let Some(to) = to else { return Ok(None) };
    let named = state.placed().any(|placed| is_version(placed, to));
    if let Some(back) = to.parse::<usize>().ok().filter(|back| !named && *back > 0 && *back < 1000) {
        return match state.recent.get(back - 1) {
            Some(placed) => Ok(Some(placed.clone())),
            None => Err(Failure::usage(format!(
                "{log} has {} earlier releases, and {back} back is none of them",
                state.recent.len()
            ))
            .hint(format!("see them: wharf log {} --env {log}", place.name()))),
        };
    }
    let matches = |placed: &&Placed| {
        let digest = placed.release.digest.as_ref();
        let digits = placed.release.digest.digest();
        digest == to || (to.len() >= 6 && digits.starts_with(to)) || is_version(placed, to)
    };
    if let Some(placed) = state.placed().find(matches) {
        return Ok(Some(placed.clone()));
    }
    // Further back than the newest entry remembers.
    let store = place.store.as_ref();
    let history = wharf_ledger::history(store, log, &head.entry, usize::MAX).await.map_err(unreadable)?;
    let old = history.iter().filter_map(|entry| entry.record.state.as_deref()?.current.clone());
    match old.into_iter().find(|placed| matches(&placed)) {
        Some(placed) => Ok(Some(placed)),
        None => Err(Failure::usage(format!("{to} never ran in {log}")).hint(format!(
            "a rollback goes to what ran there: wharf log {} --env {log}; anything else is a promotion",
            place.name()
        ))),
    }
}

/// The target's document, which must still be there.
async fn present(
    store: &dyn Store,
    wanted: &Placed,
    place: &Place,
    log: &LogName,
) -> Result<Document, Failure> {
    let digest = &wanted.release.digest;
    match store.manifest(Name::Digest(digest)).await.map_err(registry_failure)? {
        Some(document) => Ok(document),
        None => Err(Failure::gate(format!(
            "{} ({}) is gone from {}, so {log} cannot go back to it",
            wanted.release.version,
            digest::short(digest, 12),
            place.name()
        ))
        .hint(format!(
            "say another one with --to; `wharf fsck {} --env {log}` says which are left. If another registry or \
             machine has it, push it back: the digest is {digest}",
            place.name()
        ))),
    }
}

impl Report {
    fn of(
        place: &Place,
        log: &LogName,
        appended: &wharf_ledger::Appended,
        before: Option<&State>,
        configs: Carried,
    ) -> Result<Self, Failure> {
        let record = &appended.record;
        let state = record.state.as_deref();
        let current = state.and_then(|state| state.current.as_ref());
        let current = current.ok_or_else(|| anyhow!("entry {} of {log} names no release", record.seq))?;
        let from = record.from.clone();
        let was =
            before.and_then(|before| before.placed().find(|p| Some(&p.release.digest) == from.as_ref()));
        Ok(Self {
            repository: place.name(),
            env: log.to_string(),
            version: current.release.version.clone(),
            digest: current.release.digest.clone(),
            from_version: was.map(|placed| placed.release.version.clone()),
            quarantined: from.clone().into_iter().collect(),
            from,
            verified: current.verified.is_some(),
            already: appended.already,
            held: state.is_some_and(|state| state.hold.is_some()),
            entry: Some(EntryName { seq: record.seq, digest: appended.digest.clone() }),
            configs,
            kubernetes: None,
        })
    }

    /// The target runs already.
    fn standing(place: &Place, log: &LogName, current: &Placed, configs: Carried) -> Self {
        Self {
            repository: place.name(),
            env: log.to_string(),
            version: current.release.version.clone(),
            digest: current.release.digest.clone(),
            from_version: None,
            from: None,
            verified: current.verified.is_some(),
            already: true,
            quarantined: Vec::new(),
            held: false,
            entry: None,
            configs,
            kubernetes: None,
        }
    }
}

fn print(report: &Report, globals: &Globals) -> Result<(), Failure> {
    if globals.json {
        return output::print_json(report);
    }
    let (version, env) = (&report.version, &report.env);
    let mut text = match &report.entry {
        None => format!("{env} runs {version} already\n"),
        Some(entry) if report.already => {
            format!("{env} was rolled back to {version} by this operation, entry {}\n", entry.seq)
        }
        Some(entry) => {
            let from = report.from_version.as_deref().unwrap_or("what ran");
            format!("rolled {env} back from {from} to {version}, entry {}\n", entry.seq)
        }
    };
    text.push_str(&format!("  digest      {}\n", report.digest));
    if report.entry.is_some() && !report.already {
        if !report.verified {
            text.push_str(&format!(
                "  note        {version} was never verified in {env}; it is what ran before\n"
            ));
        }
        if let Some(bad) = report.quarantined.first() {
            text.push_str(&format!(
                "  quarantine  {} cannot be promoted to {env} again\n",
                digest::short(bad, 12)
            ));
        }
        text.push_str(&format!(
            "  held        promotions wait for: wharf hold {} --env {env} --release\n",
            report.repository
        ));
    }
    text.push_str(&report.configs.render());
    text.push_str(&report.kubernetes.as_ref().map(Rolled::render).unwrap_or_default());
    output::print(&text)
}
