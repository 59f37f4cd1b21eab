//! Which contexts and functions each key may use, as GitHub's documentation lists them.

use crate::expr::{Expr, ExprKind, Function};
use crate::source::Fault;

/// What an expression at one place may use.
#[derive(Debug, Clone, Copy)]
pub struct Available {
    contexts: &'static [&'static str],
    status: bool,
    hash_files: bool,
}

const fn only(contexts: &'static [&'static str]) -> Available {
    Available { contexts, status: false, hash_files: false }
}

/// `env` of the workflow.
pub const WORKFLOW_ENV: Available = only(&["github", "secrets", "inputs", "vars"]);
/// `run-name` and `concurrency` of the workflow; defaults of `workflow_call` inputs.
pub const WORKFLOW: Available = only(&["github", "inputs", "vars"]);
/// Outputs of a reusable workflow.
pub const CALL_OUTPUTS: Available = only(&["github", "jobs", "vars", "inputs"]);
/// `if` of a job.
pub const JOB_IF: Available =
    Available { contexts: &["github", "needs", "vars", "inputs"], status: true, hash_files: false };
/// `strategy` of a job.
pub const STRATEGY: Available = only(&["github", "needs", "vars", "inputs"]);
/// Most keys of a job.
pub const JOB: Available = only(&["github", "needs", "strategy", "matrix", "vars", "inputs"]);
/// `env` of a job.
pub const JOB_ENV: Available = only(&["github", "needs", "strategy", "matrix", "vars", "secrets", "inputs"]);
/// `defaults.run` of a job.
pub const JOB_DEFAULTS: Available = only(&["github", "needs", "strategy", "matrix", "env", "vars", "inputs"]);
/// `secrets` that a job hands to a reusable workflow.
pub const JOB_SECRETS: Available = JOB_ENV;
/// `outputs` of a job, `environment.url`.
pub const JOB_OUTPUTS: Available = only(STEP_CONTEXTS);
/// Most keys of a step.
pub const STEP: Available = Available { contexts: STEP_CONTEXTS, status: false, hash_files: true };
/// `if` of a step.
pub const STEP_IF: Available = Available {
    contexts: &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "steps", "inputs"],
    status: true,
    hash_files: true,
};

const STEP_CONTEXTS: &[&str] =
    &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "secrets", "steps", "inputs"];

impl Available {
    /// What an expression uses that it may not, in GitHub's words.
    pub(crate) fn check(&self, expr: &Expr, text: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let located = |expr: &Expr, message: String| {
            let position =
                text.get(..expr.span.start).map_or(0, |before| before.trim_start().chars().count()) + 1;
            Fault::new(
                expr.span,
                format!("{message}. Located at position {position} within expression: {}", text.trim()),
            )
        };
        expr.walk(&mut |expr| match &expr.kind {
            ExprKind::Context(name) if !self.contexts.contains(&name.to_ascii_lowercase().as_str()) => {
                let fault = located(expr, format!("Unrecognized named-value: '{name}'"));
                faults.push(fault.hint(format!("available here: {}", self.contexts.join(", "))));
            }
            ExprKind::Call(function, _)
                if function.is_status() && !self.status
                    || *function == Function::HashFiles && !self.hash_files =>
            {
                let message = format!("Unrecognized function: '{}'", function.name());
                faults.push(located(expr, message).hint("this function is not available here"));
            }
            _ => {}
        });
        faults
    }
}
