//! What is not run, and why: said before anything has happened.

use serde_json::Value;

use super::exec::Fail;
use super::leg::Leg;
use super::report::{RunResult, StepReport};
use super::{Kind, local};
use crate::actions;
use crate::expr;
use crate::model::{Step, StepKind};
use crate::template::holds;

impl Leg<'_> {
    /// Why the job as a whole cannot run here.
    pub(crate) fn refuse_job(&self) -> Result<(), String> {
        if let Some((service, span)) = self.job.services.first() {
            let line = self.workflow.source.place(span.start).line;
            return Err(format!(
                "refused: the service `{service}` (line {line}): services are containers on a network of GitHub's runner; \
                 start it in a step instead, `docker run -d -p …`, which wharf runs"
            ));
        }
        if let Some((_, span)) = &self.job.container {
            let line = self.workflow.source.place(span.start).line;
            return Err(format!(
                "refused: `container` (line {line}): steps run on this machine, not in an image; \
                 put them into the Dockerfile, or `docker run` them in a step"
            ));
        }
        let labels = match &self.job.runs_on {
            Some(tree) => tree.value(&self.names).map_err(|fault| fault.message)?,
            None => Value::Null,
        };
        let labels = match &labels {
            Value::Array(labels) => labels.iter().map(expr::text).collect(),
            Value::Object(group) => vec![expr::text(group.get("labels").unwrap_or(&Value::Null))],
            label => vec![expr::text(label)],
        };
        let foreign = |label: &&String| {
            let label = label.to_ascii_lowercase();
            label.starts_with("windows") || label.starts_with("macos")
        };
        match labels.iter().find(foreign) {
            Some(label) => Err(format!(
                "refused: it runs on `{label}`, and this is Linux; leave it out with --job or --matrix"
            )),
            None => Ok(()),
        }
    }

    /// Steps that cannot be carried out fail the job before its first step, as on GitHub, where every action is
    /// downloaded first. One whose condition is false already does not count.
    pub(crate) fn refuse_steps(&mut self, steps: &[Step]) -> Result<(), String> {
        if self.setup.skip_unknown {
            return Ok(());
        }
        let mut refused = None;
        for step in steps {
            let StepKind::Uses { action, .. } = &step.kind else { continue };
            if actions::find(action).is_some() || action.starts_with("./") || !self.may_run(step) {
                continue;
            }
            if let Fail::Refused(reason) = self.unknown(action) {
                refused.get_or_insert((step.span, reason));
            }
        }
        let Some((at, reason)) = refused else { return Ok(()) };
        for step in steps {
            let is_it = step.span == at;
            self.reports.push(StepReport {
                name: step.title(),
                id: step.id.clone(),
                depth: 0,
                line: self.workflow.source.place(step.span.start).line,
                uses: match &step.kind {
                    StepKind::Uses { action, .. } => Some(action.clone()),
                    StepKind::Run { .. } => None,
                },
                kind: if is_it { Kind::Refused } else { Kind::Skipped },
                outcome: if is_it { RunResult::Failure } else { RunResult::Skipped },
                conclusion: if is_it { RunResult::Failure } else { RunResult::Skipped },
                seconds: 0.0,
                outputs: Default::default(),
                message: Some(if is_it { reason.clone() } else { "the job was refused".into() }),
            });
        }
        Err(reason)
    }

    /// Whether a step may run, as far as can be known before any has.
    pub(crate) fn may_run(&self, step: &Step) -> bool {
        let Some(condition) = &step.condition else { return true };
        let early = ["github", "inputs", "vars", "matrix", "needs", "strategy", "runner"];
        let known = condition.paths().iter().all(|path| early.contains(&path[0].as_str()));
        let asks = condition.exprs().any(|(expr, _)| expr.asks_status());
        !known || asks || holds(Some(condition), &self.names).unwrap_or(true)
    }

    /// What is said of an action that nobody here knows.
    pub(crate) fn unknown(&self, action: &str) -> Fail {
        if let Some(image) = action.strip_prefix("docker://") {
            return Fail::Refused(format!(
                "`{action}` is a container action; run it in a step instead: docker run --rm {image} …"
            ));
        }
        let name = action.split('@').next().unwrap_or(action);
        if self.setup.skip_unknown {
            return Fail::Skipped(format!(
                "`{action}` is not known to wharf, and --skip-unknown leaves it out"
            ));
        }
        let near = actions::nearest(name).map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        Fail::Refused(format!(
            "`{action}` is not known to wharf, and wharf downloads no code of actions{near}: \
             copy it into the repository and say `uses: ./.github/actions/{}`, or leave it out with --skip-unknown",
            name.rsplit('/').next().unwrap_or(name)
        ))
    }

    /// Where a local action lies in the workspace.
    pub(crate) fn local_path(&self, action: &str) -> Result<std::path::PathBuf, Fail> {
        local::folder(&self.workspace, action).map_err(Fail::Because)
    }
}
