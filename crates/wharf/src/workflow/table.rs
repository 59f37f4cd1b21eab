//! The end of a run: a table of every step, and in one sentence what went wrong.

use wharf_workflow::run::{Report, RunResult, StepReport};

use crate::output::table::render;

/// Longer cells are cut.
const CELL_MAX: usize = 70;

/// Every step with how it was carried out, what came of it, its time and its outputs.
pub(crate) fn table(report: &Report) -> String {
    let mut rows = Vec::new();
    for job in &report.jobs {
        if job.steps.is_empty() {
            let reason = job.reason.clone().unwrap_or_default();
            rows.push([
                job.name.clone(),
                "-".into(),
                String::new(),
                job.result.word().into(),
                String::new(),
                cut(&reason),
            ]);
        }
        for step in &job.steps {
            let name = format!("{}{}", "  ".repeat(step.depth), step.name);
            let time = if step.seconds < 0.05 { String::new() } else { format!("{:.1}s", step.seconds) };
            rows.push([
                job.name.clone(),
                cut(&name),
                step.kind.word().into(),
                result(step),
                time,
                cut(&about(step)),
            ]);
        }
    }
    let mut text = render(["JOB", "STEP", "HOW", "RESULT", "TIME", "OUTPUTS"], &rows);
    for artifact in &report.artifacts {
        text.push_str(&format!(
            "artifact {}: {} file(s) in {}\n",
            artifact.name, artifact.files, artifact.path
        ));
    }
    for file in &report.files {
        text.push_str(&format!("kept {file}\n"));
    }
    text
}

fn result(step: &StepReport) -> String {
    if step.outcome != step.conclusion {
        return format!("{} (allowed)", step.outcome.word());
    }
    step.outcome.word().into()
}

fn about(step: &StepReport) -> String {
    if let Some(message) = &step.message {
        return message.clone();
    }
    let outputs = step.outputs.iter().filter(|(_, value)| !value.is_empty());
    let outputs =
        outputs.map(|(name, value)| format!("{name}={}", value.lines().collect::<Vec<_>>().join(",")));
    outputs.collect::<Vec<_>>().join(" ")
}

fn cut(text: &str) -> String {
    let line = text.lines().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= CELL_MAX {
        return line;
    }
    format!("{}…", line.chars().take(CELL_MAX - 1).collect::<String>())
}

/// What went wrong first, with its place in the file.
pub(crate) fn outcome(report: &Report) -> Option<String> {
    if let Some(reason) = report.reason.as_ref().filter(|_| report.result == Some(RunResult::Failure)) {
        return Some(reason.clone());
    }
    let job = report.jobs.iter().find(|job| job.result == RunResult::Failure)?;
    let step =
        job.steps.iter().filter(|step| step.depth == 0).find(|step| step.conclusion == RunResult::Failure);
    Some(match (step, &job.reason) {
        (Some(step), _) => {
            let message = step.message.as_deref().unwrap_or("it failed");
            format!(
                "{}:{}: the step `{}` of the job `{}` failed: {message}",
                report.file, step.line, step.name, job.name
            )
        }
        (None, Some(reason)) => format!("the job `{}` failed: {reason}", job.name),
        (None, None) => format!("the job `{}` failed", job.name),
    })
}
