//! The phases of a ship, one after the other on one digest.

use std::time::Instant;

use anyhow::{Context, anyhow};
use wharf_ledger::{Gate, LogName, Model, Verdict};
use wharf_metadata::{Release, Snapshot};
use wharf_oci::{Descriptor, Digest, Platform, digest};
use wharf_registry::Outcome as Travelled;

use super::early::Early;
use super::plan::{Plan, Target};
use super::report::{Failed, Layer, Phase, Pushed, Report};
use super::{github, record};
use crate::building::{self, Built};
use crate::exit::{Exit, Failure};
use crate::output::size;
use crate::output::transfer::Transfers;
use crate::settings::project::Project;
use crate::world::World;
use crate::{layers, local, publishing, scanning, smoke};

/// Carries out `plan`. A gate that says no ends it before anything has a name; a target that fails stands in the
/// report, and its failure beside it, when the others are done.
pub(crate) fn run(
    world: &World,
    plan: &Plan,
    project: &Project,
    snapshot: &Snapshot,
) -> Result<(Report, Vec<Failure>), Failure> {
    let mut ship =
        Ship { world, plan, project, snapshot, phases: Vec::new(), gates: Vec::new(), attestation: None };
    let early = Early::new(world, plan);
    let built = ship.build(&early)?;
    let image = local::open(&world.store, &built.image, &Platform::host())?;
    early.send_all(&image);
    ship.smoke(&image)?;
    ship.scan(&image, &built.image.digest)?;
    ship.name_here(&built.image)?;
    let model = ship.model()?;
    let (pushed, failed) = ship.publish(&built.image, model.as_ref(), early)?;
    let mut report = ship.report(&image, &built.image, pushed, model);
    report.failed = failed.iter().map(|(target, failure)| told(target, failure)).collect();
    github::publish(&report)?;
    let failures = failed.into_iter().map(|(_, failure)| Failure { exit: Exit::Gate, ..failure });
    Ok((report, failures.collect()))
}

fn told(target: &Target, failure: &Failure) -> Failed {
    Failed { repository: target.repository.to_string(), error: format!("{:#}", failure.error) }
}

/// The targets that have the image, and those that do not.
type Published<'a> = (Vec<Pushed>, Vec<(&'a Target, Failure)>);

struct Ship<'a> {
    world: &'a World,
    plan: &'a Plan,
    project: &'a Project,
    snapshot: &'a Snapshot,
    phases: Vec<Phase>,
    gates: Vec<Gate>,
    /// What the scan found, to be put beside the image.
    attestation: Option<scanning::attest::Attestation>,
}

impl<'a> Ship<'a> {
    fn phase(&mut self, name: &'static str, since: Instant, result: String) {
        self.phases.push(Phase { name, seconds: since.elapsed().as_secs_f64(), result });
    }

    fn gate(&mut self, name: &str, verdict: Verdict, detail: impl Into<String>) {
        self.gates.push(Gate { name: name.into(), verdict, detail: detail.into() });
    }

    fn build(&mut self, early: &Early<'_>) -> Result<Built, Failure> {
        let since = Instant::now();
        let layers = |digest: &Digest, size| early.send(digest, size);
        let built = building::of_plan(self.world, self.plan, self.project, &layers)?;
        let noun = if built.executed == 1 { "step" } else { "steps" };
        let steps = format!("{} {noun} run, {} cached", built.executed, built.cached);
        self.phase("build", since, steps);
        Ok(built)
    }

    fn smoke(&mut self, image: &local::Image) -> Result<(), Failure> {
        if !self.plan.smoke {
            self.gate("smoke", Verdict::Skipped, "switched off");
            return Ok(());
        }
        let since = Instant::now();
        let plan = smoke::Plan::new(&self.project.smoke, &image.config.config);
        let subject = smoke::Subject {
            config: &image.config.config,
            digest: &image.descriptor.digest,
            lowers: layers::unpack(self.world, image)?,
            data_dir: &self.world.data_dir,
        };
        let task = std::sync::Arc::new(self.world.progress.task("smoke"));
        let lines = task.clone();
        let report = smoke::run(self.world.sandbox(), subject, &plan, move |line| lines.log(line))?;
        if let Some(task) = std::sync::Arc::into_inner(task) {
            task.done(&report.detail);
        }
        self.gate("smoke", Verdict::Passed, report.detail.clone());
        self.phase("smoke", since, report.detail);
        Ok(())
    }

    fn scan(&mut self, image: &local::Image, subject: &Digest) -> Result<(), Failure> {
        if !self.plan.scan {
            self.gate("scan", Verdict::Skipped, "switched off");
            return Ok(());
        }
        let since = Instant::now();
        let task = self.world.progress.task("scan");
        let passed = scanning::gate(self.world, self.plan, self.project, image, subject)?;
        let detail = passed.detail;
        self.attestation = Some(passed.attestation);
        task.done(&detail);
        self.gate("scan", Verdict::Passed, detail.clone());
        self.phase("scan", since, detail);
        Ok(())
    }

    /// The gates are green: from here on the image has names.
    fn name_here(&self, image: &Descriptor) -> Result<(), Failure> {
        for tag in &self.plan.tags {
            let reference = self.plan.image.0.with_tag(&tag.name)?;
            self.world.store.tag(&local::key(&reference), image)?;
        }
        Ok(())
    }

    fn model(&self) -> Result<Option<Model>, Failure> {
        let Some(model) = &self.project.model else { return Ok(None) };
        let path = self.plan.directory.join(&model.artifact);
        let digest = crate::building::file_digest(&path)
            .with_context(|| format!("reading the model {}", path.display()))?;
        Ok(Some(Model { path: model.artifact.display().to_string(), digest }))
    }

    /// Pushes to every target side by side, and records each that succeeded.
    fn publish(
        &mut self,
        image: &Descriptor,
        model: Option<&Model>,
        early: Early<'_>,
    ) -> Result<Published<'a>, Failure> {
        if self.plan.push.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let since = Instant::now();
        let op_id = uuid::Uuid::new_v4().to_string();
        let facts = record::Facts { op_id: &op_id, digest: &image.digest, gates: &self.gates, model };
        let targets = self.plan.push.iter().map(|target| self.publish_to(target, image, &facts));
        // A layer that is on its way is waited for, not sent twice.
        let sent_early = early.finish();
        let results = self.world.runtime.block_on(futures_util::future::join_all(targets));
        let (mut pushed, mut failed) = (Vec::new(), Vec::new());
        for (target, result) in self.plan.push.iter().zip(results) {
            match result {
                Ok(mut done) => {
                    done.bytes_sent += sent_early.get(&done.repository).copied().unwrap_or_default();
                    pushed.push(done);
                }
                Err(failure) => failed.push((target, failure)),
            }
        }
        let sent: u64 = pushed.iter().map(|to| to.bytes_sent).sum();
        self.phase("push", since, format!("{} sent to {} registries", size::bytes(sent), pushed.len()));
        Ok((pushed, failed))
    }

    async fn publish_to(
        &self,
        target: &Target,
        image: &Descriptor,
        facts: &record::Facts<'_>,
    ) -> Result<Pushed, Failure> {
        let store = self.world.client.repository(&target.repository)?.for_writing();
        let release = Release { version: self.plan.release.as_deref(), digest: &image.digest };
        let moves = publishing::moves(&store, &target.tags, &release, self.plan.overrides).await?;
        let transfers = Transfers::new(&self.world.progress, format!("push {}", target.repository));
        let news = |event| transfers.tell(event);
        let pushed = wharf_registry::push(
            &self.world.store,
            image,
            &self.world.client,
            &target.repository,
            &moves.tags,
            &news,
        );
        let pushed = pushed.await.map_err(crate::commands::registry_failure)?;
        transfers.done();
        self.attest(&store, target, image).await;
        let record = record::record(self.plan, target, &moves, self.snapshot, facts);
        let appended = wharf_ledger::append(&store, &LogName::ship(), record, image).await;
        let appended = appended.map_err(|error| ledger_failure(error, target))?;
        Ok(Pushed {
            repository: target.repository.to_string(),
            tags: moves.tags,
            kept: moves.kept,
            overridden: moves.overridden,
            bytes_sent: pushed.bytes(Travelled::Transferred),
            entry: format!("{}@{}", appended.record.log, appended.record.seq),
        })
    }

    /// Puts the scan's result beside the image. The image is published by then and has passed, so a registry that does not
    /// take it is a warning.
    async fn attest(&self, store: &wharf_registry::Repository, target: &Target, image: &Descriptor) {
        let Some(attestation) = &self.attestation else { return };
        if let Err(error) = scanning::attest::refresh(store, image, attestation).await {
            let place = &target.repository;
            self.world
                .progress
                .note(&format!("warning: {place} has no result of the scan: {:#}", error.error));
        }
    }

    fn report(
        self,
        image: &local::Image,
        descriptor: &Descriptor,
        pushed: Vec<Pushed>,
        model: Option<Model>,
    ) -> Report {
        let layers = image.history().into_iter().filter_map(|(line, layer)| {
            let layer = layer?;
            Some(Layer {
                digest: layer.digest.to_string(),
                size: layer.size,
                created_by: line.created_by.clone().unwrap_or_default(),
            })
        });
        Report {
            image: self.plan.image.0.to_string(),
            version: self.plan.version.clone(),
            digest: descriptor.digest.to_string(),
            image_id: image.manifest.config.digest.to_string(),
            size: image.size(),
            layers: layers.collect(),
            phases: self.phases,
            gates: self.gates,
            pushed,
            failed: Vec::new(),
            not_pushed: self.plan.not_pushed.clone(),
            commit: record::commit(self.snapshot).map(|commit| match commit.dirty {
                true => format!("{} with uncommitted changes", commit.sha),
                false => commit.sha,
            }),
            model: model.map(|model| format!("{} {}", model.path, digest::short(&model.digest, 12))),
            warnings: self.plan.warnings.clone(),
        }
    }
}

/// The image is published and its record is not: say so, and what that means.
fn ledger_failure(error: wharf_ledger::AppendError, target: &Target) -> Failure {
    let lost = matches!(error, wharf_ledger::AppendError::Lost { .. });
    let context = format!("{} has the image, but the release is not recorded there", target.repository);
    let failure =
        Failure::new(if lost { Exit::Race } else { Exit::Environment }, anyhow!(error).context(context));
    failure.hint("run the command again: nothing is built or pushed twice, and the record is written")
}
