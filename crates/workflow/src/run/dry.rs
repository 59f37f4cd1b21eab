//! `--dry-run`: what would be done, as far as can be known.

use std::collections::BTreeMap;

use super::Kind;
use super::exec::Fail;
use super::leg::{Frame, Leg};
use super::report::{RunResult, StepReport};
use super::setup::News;
use crate::actions;
use crate::model::{Step, StepKind};

impl Leg<'_> {
    pub(crate) fn plan(&mut self, steps: &[Step], frame: &Frame) {
        self.refresh(frame);
        for step in steps {
            let (kind, message) = self.planned(step);
            let report = StepReport {
                name: self.masker.mask(&step.title()),
                id: step.id.clone(),
                depth: 0,
                line: frame.source.place(step.span.start).line,
                uses: match &step.kind {
                    StepKind::Uses { action, .. } => Some(action.clone()),
                    StepKind::Run { .. } => None,
                },
                kind,
                outcome: if kind == Kind::Skipped { RunResult::Skipped } else { RunResult::Planned },
                conclusion: if kind == Kind::Skipped { RunResult::Skipped } else { RunResult::Planned },
                seconds: 0.0,
                outputs: BTreeMap::new(),
                message,
            };
            self.sink.tell(News::StepEnded(&self.name, &report));
            self.reports.push(report);
        }
    }

    fn planned(&self, step: &Step) -> (Kind, Option<String>) {
        let condition = step.condition.as_ref().map(|condition| condition.raw.trim().to_owned());
        if !self.may_run(step) {
            return (Kind::Skipped, condition.map(|text| format!("its condition is false: {text}")));
        }
        let message = condition.map(|text| format!("if {text}"));
        match &step.kind {
            StepKind::Run { .. } => (Kind::Executed, message),
            StepKind::Uses { action, .. } if actions::find(action).is_some() => (Kind::Native, message),
            StepKind::Uses { action, .. } if action.starts_with("./") => (Kind::Executed, message),
            StepKind::Uses { action, .. } => match self.unknown(action) {
                Fail::Skipped(why) => (Kind::Skipped, Some(why)),
                Fail::Refused(why) | Fail::Because(why) => (Kind::Refused, Some(why)),
                Fail::Cancelled => (Kind::Refused, message),
            },
        }
    }
}
