//! `wharf fsck`: whether the logs are whole, and whether a rollback would work today.

use std::path::PathBuf;

use serde::Serialize;
use wharf_ledger::{HumanTag, Latest, LogName, Placed, check_chain};
use wharf_oci::{Digest, Reference, digest};
use wharf_registry::{Name, Parsed, Store};

use crate::cli::Globals;
use crate::commands::registry_failure;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::output;
use crate::releases::failure::unreadable;
use crate::releases::place::{self, Place};
use crate::signing::{self, PublicKey};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; else every push target of wharf.toml
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// How many rollback targets must be whole
    #[arg(long, value_name = "N", default_value_t = 3)]
    targets: usize,
    /// Another repository that must have them too
    #[arg(long, value_name = "REPO")]
    also: Vec<String>,
    /// Releases must be signed by one of these keys, and so must the entries that are signed at all
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A line that an entry left elsewhere, such as the trailer of a config commit: `prod@42 sha256:…`
    #[arg(long, value_name = "ANCHOR")]
    anchor: Vec<String>,
}

/// Something that was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    repository: String,
    log: String,
    /// `error` where a rollback would fail or history is wrong; else `note`.
    level: &'static str,
    what: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    healthy: bool,
    logs: usize,
    entries: usize,
    targets: usize,
    findings: Vec<Finding>,
}

/// Checks; ends with 1 where a rollback would fail today, or where history is not what it says.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let env = args.env.as_deref().map(place::environment).transpose()?;
    let keys = args.key.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
    let world = World::open(globals)?;
    let places = place::places(&world, args.repository.as_deref())?;
    let mut also = Vec::new();
    for repository in &args.also {
        let reference: Reference = repository.parse().or_usage()?;
        also.push(world.client.repository(&reference).map_err(registry_failure)?);
    }
    let also: Vec<&dyn Store> = also.iter().map(|store| store as &dyn Store).collect();
    let mut report = Report { healthy: true, logs: 0, entries: 0, targets: 0, findings: Vec::new() };
    for place in &places {
        let mut check = Check { place, args: &args, keys: &keys, also: &also, report: &mut report };
        world.runtime.block_on(check.repository(env.as_ref()))?;
    }
    if let (Some(env), 0) = (&env, report.logs) {
        return Err(place::unknown_environment(&world, &places[0], env));
    }
    report.healthy = report.findings.iter().all(|finding| finding.level != "error");
    if globals.json {
        output::print_json(&report)?;
    } else {
        output::print(&render(&report))?;
    }
    Ok(if report.healthy { Exit::Done } else { Exit::Gate })
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!(
            "{}: {} {}: {}\n",
            finding.level, finding.repository, finding.log, finding.what
        ));
    }
    let verdict = if report.healthy { "well" } else { "not well" };
    let (logs, entries, targets) = (report.logs, report.entries, report.targets);
    text.push_str(&format!("{verdict}: {logs} logs, {entries} entries, {targets} rollback targets\n"));
    text
}

struct Check<'a> {
    place: &'a Place,
    args: &'a Args,
    keys: &'a [PublicKey],
    also: &'a [&'a dyn Store],
    report: &'a mut Report,
}

impl Check<'_> {
    fn say(&mut self, log: &LogName, level: &'static str, what: String) {
        let (repository, log) = (self.place.name(), log.to_string());
        self.report.findings.push(Finding { repository, log, level, what });
    }

    async fn repository(&mut self, env: Option<&LogName>) -> Result<(), Failure> {
        let logs = wharf_ledger::logs(self.place.store.as_ref()).await.map_err(unreadable)?;
        for log in logs.iter().filter(|log| env.is_none_or(|env| *log == env)) {
            self.log(log).await?;
        }
        Ok(())
    }

    async fn log(&mut self, log: &LogName) -> Result<(), Failure> {
        let store = self.place.store.as_ref();
        let head = match wharf_ledger::head(store, log).await {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error @ wharf_ledger::ViewError::Store { .. }) => return Err(unreadable(error)),
            Err(error) => {
                self.report.logs += 1;
                self.say(log, "error", crate::output::error::chain(&error));
                return Ok(());
            }
        };
        self.report.logs += 1;
        let entries = match wharf_ledger::history(store, log, &head.entry, usize::MAX).await {
            Ok(entries) => entries,
            Err(error) => {
                self.say(log, "error", crate::output::error::chain(&error));
                vec![head.entry.clone()]
            }
        };
        self.report.entries += entries.len();
        for flaw in check_chain(&entries) {
            let level = if flaw.harmless { "note" } else { "error" };
            self.say(log, level, format!("entry {}: {}", flaw.seq, flaw.what));
        }
        self.ends(log, &entries);
        self.seals(log, &entries).await?;
        self.anchors(log, &entries)?;
        if log.is_ship() {
            return Ok(());
        }
        let announced = wharf_ledger::announced(store, log).await.map_err(unreadable)?;
        for fork in wharf_ledger::forks(store, log, &head, &announced).await.map_err(unreadable)? {
            self.say(log, "error", format!("fork: {fork}"));
        }
        if head.hint.as_ref() != Some(&head.entry.digest) && head.stray.is_none() {
            self.say(log, "note", format!("the hint `{}` is behind; the next command moves it", log.head()));
        }
        self.tag(log, &head.entry).await?;
        self.targets(log, &head.entry).await
    }

    /// A log whose first entries are gone without a checkpoint has lost history.
    fn ends(&mut self, log: &LogName, entries: &[Latest]) {
        let Some(oldest) = entries.last().map(|oldest| &oldest.record) else { return };
        if oldest.seq > 1 && oldest.kind != wharf_ledger::Kind::Checkpoint {
            let missing = oldest.seq - 1;
            self.say(
                log,
                "error",
                format!(
                    "entry {missing} and those before it are gone, and entry {} is no checkpoint",
                    oldest.seq
                ),
            );
        }
    }

    /// Entries need no signature; one that has some must have one by a key that was given.
    async fn seals(&mut self, log: &LogName, entries: &[Latest]) -> Result<(), Failure> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let mut unsigned = 0;
        for entry in entries {
            let signatures = signing::signatures(self.place.store.as_ref(), &entry.digest).await?;
            if signatures.is_empty() {
                unsigned += 1;
            } else if !self.holds(&signatures, &entry.digest) {
                let what = format!("entry {} has signatures, and none by one of the keys", entry.record.seq);
                self.say(log, "error", what);
            }
        }
        if unsigned > 0 {
            self.say(log, "note", format!("{unsigned} of {} entries are not signed", entries.len()));
        }
        Ok(())
    }

    fn holds(&self, signatures: &[signing::Signature], digest: &Digest) -> bool {
        signatures.iter().any(|signature| self.keys.iter().any(|key| signature.holds(digest, key)))
    }

    fn anchors(&mut self, log: &LogName, entries: &[Latest]) -> Result<(), Failure> {
        for anchor in &self.args.anchor {
            let text = anchor.trim().trim_start_matches("Wharf-Ledger:").trim();
            let parsed = text.split_once(' ').and_then(|(at, digest)| {
                let (name, seq) = at.split_once('@')?;
                Some((name, seq.parse::<u64>().ok()?, digest.trim().parse::<Digest>().ok()?))
            });
            let Some((name, seq, digest)) = parsed else {
                return Err(
                    Failure::usage(format!("`{anchor}` is no anchor")).hint("such as `prod@42 sha256:…`")
                );
            };
            if name != log.to_string() {
                continue;
            }
            match entries.iter().find(|entry| entry.record.seq == seq) {
                Some(entry) if entry.digest == digest => {}
                Some(entry) => self.say(
                    log,
                    "error",
                    format!("entry {seq} is {}, and the anchor says {digest}", entry.digest),
                ),
                None => self.say(
                    log,
                    "error",
                    format!("entry {seq} is gone: the log was cut off, and the anchor says {digest}"),
                ),
            }
        }
        Ok(())
    }

    async fn tag(&mut self, log: &LogName, newest: &Latest) -> Result<(), Failure> {
        let tag =
            wharf_ledger::human_tag(self.place.store.as_ref(), log, newest).await.map_err(unreadable)?;
        match tag {
            HumanTag::Right => {}
            HumanTag::Absent => {
                self.say(log, "note", format!("the tag `{log}` is gone; the next command puts it back"))
            }
            HumanTag::Behind(_) => {
                self.say(log, "note", format!("the tag `{log}` is behind; the next command moves it"))
            }
            HumanTag::Foreign(found) => {
                self.say(log, "error", format!("moved outside wharf: the tag `{log}` names {found}"));
            }
        }
        Ok(())
    }

    /// What runs, and what a rollback would go to, must be there in every registry, down to the last layer.
    async fn targets(&mut self, log: &LogName, newest: &Latest) -> Result<(), Failure> {
        let Some(state) = newest.record.state.as_deref() else { return Ok(()) };
        let fit = |placed: &&Placed| state.quarantined(&placed.release.digest).is_none();
        let default = state.rollback_target().map(|placed| placed.release.digest.clone());
        let wanted: Vec<&Placed> = state
            .current
            .iter()
            .chain(state.recent.iter().filter(fit).filter(|p| Some(&p.release.digest) == default.as_ref()))
            .chain(state.recent.iter().filter(fit).filter(|p| Some(&p.release.digest) != default.as_ref()))
            .take(self.args.targets + 1)
            .collect();
        if default.is_none() && state.current.is_some() {
            self.say(log, "note", "there is no earlier release to go back to".into());
        }
        for placed in wanted {
            self.report.targets += 1;
            let release = &placed.release;
            let stores = std::iter::once(self.place.store.as_ref()).chain(self.also.iter().copied());
            let stores: Vec<&dyn Store> = stores.collect();
            for store in stores {
                if let Some(missing) = missing(store, &release.digest).await? {
                    let short = digest::short(&release.digest, 12);
                    let what = format!(
                        "{} ({short}) is not whole in {}: {missing} is gone",
                        release.version,
                        store.place()
                    );
                    self.say(log, "error", what);
                }
            }
            self.signature(log, placed).await?;
        }
        Ok(())
    }

    async fn signature(&mut self, log: &LogName, placed: &Placed) -> Result<(), Failure> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let digest = &placed.release.digest;
        let signatures = signing::signatures(self.place.store.as_ref(), digest).await?;
        if !self.holds(&signatures, digest) {
            self.say(log, "error", format!("{} has no signature by one of the keys", placed.release.version));
        }
        Ok(())
    }
}

/// What an image lacks: its manifest, a child of its index, its config or a layer.
async fn missing(store: &dyn Store, digest: &Digest) -> Result<Option<String>, Failure> {
    let mut wanted = vec![digest.clone()];
    while let Some(digest) = wanted.pop() {
        let Some(document) = store.manifest(Name::Digest(&digest)).await.map_err(registry_failure)? else {
            return Ok(Some(format!("manifest {digest}")));
        };
        match document.parse() {
            Ok(Parsed::Index(index)) => wanted.extend(index.manifests.into_iter().map(|child| child.digest)),
            Ok(Parsed::Manifest(manifest)) => {
                let blobs = std::iter::once(manifest.config).chain(manifest.layers);
                for blob in blobs.filter(|blob| blob.urls.is_empty()) {
                    if !store.has_blob(&blob.digest).await.map_err(registry_failure)? {
                        return Ok(Some(format!("blob {}", blob.digest)));
                    }
                }
            }
            Err(_) => return Ok(Some(format!("a readable manifest {digest}"))),
        }
    }
    Ok(None)
}
