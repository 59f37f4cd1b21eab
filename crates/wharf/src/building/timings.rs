//! `--timings`: where the time of a build went.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_build::Timings;

use crate::output::{size, table};

/// How long one step took.
#[derive(Debug, Clone)]
pub(crate) struct StepTime {
    /// Its title.
    pub(crate) title: String,
    /// It was in the cache.
    pub(crate) cached: bool,
    /// From its begin to its end.
    pub(crate) took: Duration,
}

/// The phases, and the steps that took longest first.
pub(crate) fn render(phases: &Timings, steps: &[StepTime]) -> String {
    let rows = [
        ["plan".into(), exact(phases.plan), "reading the Dockerfile, resolving base images".into()],
        ["steps".into(), exact(phases.steps), "working through the steps, packing their layers".into()],
        ["export".into(), exact(phases.export), "writing the image and the outputs".into()],
    ];
    let mut text = table::render(["PHASE", "TOOK", "WHAT"], &rows);
    let mut sorted: Vec<&StepTime> = steps.iter().collect();
    sorted.sort_by_key(|step| std::cmp::Reverse(step.took));
    let rows: Vec<[String; 3]> = sorted
        .into_iter()
        .map(|step| {
            let how = if step.cached { "cached" } else { "ran" };
            [exact(step.took), how.into(), step.title.clone()]
        })
        .collect();
    text.push('\n');
    text + &table::render(["TOOK", "HOW", "STEP"], &rows)
}

/// The same as a document.
pub(crate) fn document(phases: &Timings, steps: &[StepTime]) -> Value {
    let step = |step: &StepTime| json!({ "title": step.title, "cached": step.cached, "seconds": step.took.as_secs_f64() });
    json!({
        "plan": phases.plan.as_secs_f64(),
        "steps": phases.steps.as_secs_f64(),
        "export": phases.export.as_secs_f64(),
        "each": steps.iter().map(step).collect::<Vec<_>>(),
    })
}

/// Below ten milliseconds with their fractions, as most cached steps are.
fn exact(time: Duration) -> String {
    match time.as_micros() {
        micros if micros < 10_000 => format!("{:.1}ms", micros as f64 / 1000.0),
        _ => size::duration(time),
    }
}
