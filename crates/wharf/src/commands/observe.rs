//! `wharf observe`: a rollout is confirmed by its health endpoint, and the release counts as verified.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::Serialize;
use wharf_ledger::{Evidence, Kind, LogName, Release, Standing, remark};

use super::promote::EntryName;
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::releases::failure::unreadable;
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
    /// The health endpoint of the running service [default: `health` of the environment in wharf.toml]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What the answer must contain, such as the version
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Seconds until a service that is not well has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// How many answers in a row must be good
    #[arg(long, value_name = "N", default_value_t = 3)]
    times: u32,
    /// The commit that carried the release into the deployment configs
    #[arg(long, value_name = "SHA")]
    config_commit: Option<String>,
    /// The operation's name: the same one twice is one entry [default: the CI job, else a new one]
    #[arg(long, value_name = "ID")]
    op_id: Option<String>,
}

#[derive(Serialize)]
struct Report {
    repository: String,
    env: String,
    version: String,
    verified: bool,
    detail: String,
    entry: EntryName,
}

/// Asks until the service is well, and records it.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let log = place::environment(&args.env)?;
    let world = World::open(globals)?;
    let place = place::home(&world, args.repository.as_deref(), &log)?;
    let configured = place.environment(&log).and_then(|environment| environment.health.clone());
    let Some(url) = args.url.clone().or(configured) else {
        return Err(Failure::usage(format!("nothing says where {log} answers"))
            .hint(format!("say --url, or `health` in [env.{log}] of wharf.toml")));
    };
    let Some(release) = world.runtime.block_on(current(&place, &log))? else {
        return Err(place::unknown_environment(&world, &place, &log));
    };
    let detail = world.runtime.block_on(watch(&url, &args)).map_err(|error| {
        Failure::new(Exit::Gate, error.context(format!("{} in {log} is not well", release.version)))
            .hint(format!("the way back: wharf rollback {} --env {log}", place.name()))
    })?;
    let op_id = operation(args.op_id.as_deref(), Kind::Observe, &log, release.digest.as_ref());
    let mut asked = record(&log, Kind::Observe, &op_id, Some(&detail));
    asked.release = Some(release.clone());
    asked.config_commit = args.config_commit.clone();
    asked.evidence = vec![Evidence {
        kind: "health".into(),
        verdict: Standing::Passed,
        digest: None,
        detail: detail.clone(),
    }];
    let decide = |situation: &wharf_ledger::Situation<'_>| remark(situation, &asked, &[]);
    let appended = write::append(&world, &place, &log, &op_id, &How::default(), decide)?;
    let appended = write::or_refused(appended, &place)?;
    let report = Report {
        repository: place.name(),
        env: log.to_string(),
        version: release.version,
        verified: true,
        detail,
        entry: EntryName { seq: appended.record.seq, digest: appended.digest },
    };
    if globals.json {
        output::print_json(&report)?;
    } else {
        let (version, seq) = (&report.version, report.entry.seq);
        output::print(&format!("{version} is verified in {log}, entry {seq}: {}\n", report.detail))?;
    }
    Ok(Exit::Done)
}

async fn current(place: &Place, log: &LogName) -> Result<Option<Release>, Failure> {
    let newest = wharf_ledger::latest(place.store.as_ref(), log).await.map_err(unreadable)?;
    Ok(newest.and_then(|newest| newest.record.state?.current).map(|placed| placed.release))
}

/// Asks until enough answers in a row are good, or the time is up; the last answer is the reason.
async fn watch(url: &str, args: &Args) -> Result<String, anyhow::Error> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let begin = Instant::now();
    let patience = Duration::from_secs(args.timeout);
    let mut good = 0;
    loop {
        let answer = ask(&client, url, args.contains.as_deref()).await;
        match answer {
            Ok(status) => {
                good += 1;
                if good >= args.times.max(1) {
                    return Ok(format!("{url} answered {status}, {good} times in a row"));
                }
            }
            Err(error) => {
                good = 0;
                if begin.elapsed() >= patience {
                    return Err(error.context(format!("{url} was asked for {} s", args.timeout)));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(if good > 0 { 100 } else { 500 })).await;
    }
}

async fn ask(client: &reqwest::Client, url: &str, contains: Option<&str>) -> Result<u16, anyhow::Error> {
    let answer = client.get(url).send().await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(anyhow!("it answered {status}"));
    }
    let Some(text) = contains else { return Ok(status.as_u16()) };
    let body = answer.text().await?;
    if body.contains(text) {
        Ok(status.as_u16())
    } else {
        Err(anyhow!("its answer does not contain `{text}`"))
    }
}
