//! `wharf promote`: a release goes to an environment, with evidence.

use serde::Serialize;
use wharf_ledger::{Evidence, Expectation, Kind, LogName, Promotion, Refusal, Standing, promote};
use wharf_oci::Digest;

use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::kubernetes::{self, Rolled};
use crate::output;
use crate::releases::configs::{self, Carried};
use crate::releases::describe::{Described, describe};
use crate::releases::place::{self, Place, Wanted};
use crate::releases::policy::Policy;
use crate::releases::write::{self, How};
use crate::releases::{evidence, operation, record};
use crate::world::World;

/// Put a release into an environment, with evidence
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The release: `registry/repo:tag`, `registry/repo@digest`; with wharf.toml also a version or a digest alone
    #[arg(value_name = "REF")]
    release: String,
    /// Where it goes
    #[arg(long, value_name = "ENV")]
    env: String,
    /// Refuse unless this runs there now: a digest, its first digits, a version, or `none`
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Why, for those who read the log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The operation's name: the same one twice is one entry [default: the CI job, else a new one]
    #[arg(long, value_name = "ID")]
    op_id: Option<String>,
    /// Say what would be done, with all evidence, and do nothing
    #[arg(long)]
    dry_run: bool,
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
    version: String,
    digest: Digest,
    from: Option<Digest>,
    /// Nothing was written: it runs there already, or this operation is in the log.
    already: bool,
    dry_run: bool,
    entry: Option<EntryName>,
    evidence: Vec<Evidence>,
    configs: Carried,
    /// The Deployment that follows, where there is one.
    kubernetes: Option<Rolled>,
}

/// Where an entry is.
#[derive(Serialize)]
pub(super) struct EntryName {
    pub(super) seq: u64,
    pub(super) digest: Digest,
}

/// Promotes.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let log = place::environment(&args.env)?;
    let (repository, wanted) = place::split(&args.release)?;
    let Some(wanted) = wanted else {
        return Err(Failure::usage(format!("`{}` names a repository and no release", args.release))
            .hint(format!("say a tag or a digest: wharf promote {}:VERSION --env {log}", args.release)));
    };
    let world = World::open(globals)?;
    let place = place::home(&world, repository.as_deref(), &log)?;
    let policy = Policy::of(&args.env, place.environment(&log))?;
    let (release, evidence) = world.runtime.block_on(look(&place, &wanted, &policy, &log))?;
    judge(&policy, &evidence, &release, &log)?;
    let plan = configs::plan(&place, &log, &args.configs, &release.release)?;
    let cluster = kubernetes::plan(&world, &place, &log, &args.kubernetes, &release.release)?;

    let about = format!("{} {}", release.release.digest, args.expect.as_deref().unwrap_or_default());
    let op_id = operation(args.op_id.as_deref(), Kind::Promote, &log, &about);
    let mut asked = record(&log, Kind::Promote, &op_id, args.reason.as_deref());
    asked.release = Some(release.release.clone());
    asked.commit = release.commit.clone();
    asked.model = release.model.clone();
    asked.gates = release.gates.clone();
    asked.evidence = evidence.clone();
    let asked = Promotion {
        record: asked,
        release: release.descriptor(),
        expect: args.expect.as_deref().map(Expectation::parse),
    };
    let mut report = Report {
        repository: place.name(),
        env: log.to_string(),
        version: release.release.version.clone(),
        digest: release.release.digest.clone(),
        from: None,
        already: false,
        dry_run: args.dry_run,
        entry: None,
        evidence,
        configs: Carried::default(),
        kubernetes: cluster.as_ref().map(kubernetes::Plan::preview),
    };
    if args.dry_run {
        report.configs = plan.preview();
        print(&report, globals)?;
        return Ok(Exit::Done);
    }
    let how = How { document: Some(&release.document), look_for_forks: true, ..How::default() };
    let appended = begin_and_append(&world, &place, &log, &op_id, &how, &asked)?;
    match appended {
        Ok(appended) => {
            report.from = appended.record.from.clone();
            report.already = appended.already;
            report.entry = Some(EntryName { seq: appended.record.seq, digest: appended.digest.clone() });
            report.configs = plan.carry_out(&world, &log, Some((appended.record.seq, &appended.digest)))?;
        }
        Err(refusal) if write::is_nothing_to_do(&refusal) => {
            report.already = true;
            repair(&world, &place, &log)?;
            // A run that stopped before the configs is made whole.
            report.configs = plan.carry_out(&world, &log, None)?;
        }
        Err(refusal) => return Err(crate::releases::failure::refused(refusal, &place.name())),
    }
    if let Some(cluster) = &cluster {
        let (configs, release) = (&args.configs, &release.release);
        let rolled = cluster.carry_out(&world, &format!("wharf promote {} to {log}", release.version));
        report.kubernetes = Some(rolled.map_err(|reason| {
            kubernetes::after_failure(&world, &place, &log, cluster, configs, release, &reason)
        })?);
    }
    print(&report, globals)?;
    Ok(Exit::Done)
}

/// The release and what speaks for it. A typing error in the environment's name must not make a new one.
async fn look(
    place: &Place,
    wanted: &Wanted,
    policy: &Policy,
    log: &LogName,
) -> Result<(Described, Vec<Evidence>), Failure> {
    let release = describe(place, wanted).await?;
    let evidence = evidence::gather(place, &release, policy, place.environment(log)).await?;
    Ok((release, evidence))
}

fn judge(policy: &Policy, evidence: &[Evidence], release: &Described, log: &LogName) -> Result<(), Failure> {
    let objections = policy.objections(evidence);
    if objections.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = objections
        .iter()
        .map(|item| format!("\n  {} {}: {}", item.kind, standing(item.verdict), item.detail))
        .collect();
    Err(Failure::gate(format!(
        "the policy of {log} does not let {} in{}",
        release.release.version,
        lines.concat()
    ))
    .hint(format!("`require` in [env.{log}] of wharf.toml says what it needs; wharf promote --dry-run shows all evidence")))
}

fn standing(verdict: Standing) -> &'static str {
    match verdict {
        Standing::Passed => "passed",
        Standing::Failed => "failed",
        Standing::Stale => "too old",
        Standing::Missing => "missing",
    }
}

fn begin_and_append(
    world: &World,
    place: &Place,
    log: &LogName,
    op_id: &str,
    how: &How<'_>,
    asked: &Promotion,
) -> Result<Result<wharf_ledger::Appended, Refusal>, Failure> {
    let decide = |situation: &wharf_ledger::Situation<'_>| promote(situation, asked);
    let appended = write::append(world, place, log, op_id, how, decide)?;
    if !matches!(appended, Err(Refusal::Empty(_))) {
        return Ok(appended);
    }
    refuse_typing_error(world, place, log)?;
    let git = place.environment(log).and_then(|environment| environment.ledger_git.clone());
    let tier = git.map(|remote| wharf_ledger::Tier::Git { remote });
    if let Ok(begun) = write::begin_log(world, place, log, tier)? {
        let note = format!("{log} begins in {}: {} ({})", place.name(), begun.tier, begun.why);
        world.progress.note(&note);
    }
    write::append(world, place, log, op_id, how, decide)
}

/// A new environment whose name is nearly that of another is a typing error, unless it is said on purpose.
fn refuse_typing_error(world: &World, place: &Place, log: &LogName) -> Result<(), Failure> {
    if place.environment(log).is_some() {
        return Ok(());
    }
    let logs = world.runtime.block_on(wharf_ledger::logs(place.store.as_ref()));
    let logs = logs.map_err(crate::releases::failure::unreadable)?;
    let names: Vec<String> = logs.iter().filter(|log| !log.is_ship()).map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match place::nearest(&log.to_string(), &names) {
        Some(near) => {
            Err(Failure::usage(format!("{} has no environment `{log}`", place.name())).hint(format!(
                "did you mean `{near}`? to make a new one: wharf ledger init {} --env {log}",
                place.name()
            )))
        }
        None => Ok(()),
    }
}

fn repair(world: &World, place: &Place, log: &LogName) -> Result<(), Failure> {
    let store = place.store.as_ref();
    let work = async {
        match wharf_ledger::head(store, log).await? {
            Some(head) => wharf_ledger::point(store, log, &head.entry).await.map(drop),
            None => Ok(()),
        }
    };
    world.runtime.block_on(work).map_err(crate::releases::failure::unreadable)
}

fn print(report: &Report, globals: &Globals) -> Result<(), Failure> {
    if globals.json {
        return output::print_json(report);
    }
    let (version, env) = (&report.version, &report.env);
    let mut text = match (&report.entry, report.already) {
        _ if report.dry_run => format!("would promote {version} to {env}\n"),
        (Some(entry), true) => {
            format!("{version} was promoted to {env} by this operation, entry {}\n", entry.seq)
        }
        (_, true) => format!("{version} runs in {env} already\n"),
        (Some(entry), false) => format!("promoted {version} to {env}, entry {}\n", entry.seq),
        (None, false) => String::new(),
    };
    text.push_str(&format!("  digest      {}\n", report.digest));
    for item in &report.evidence {
        let (mut kind, standing) = (item.kind.clone(), standing(item.verdict));
        kind.push_str(&" ".repeat(11usize.saturating_sub(kind.len())));
        text.push_str(&format!("  {kind} {standing}: {}\n", item.detail));
    }
    text.push_str(&report.configs.render());
    text.push_str(&report.kubernetes.as_ref().map(Rolled::render).unwrap_or_default());
    output::print(&text)
}
