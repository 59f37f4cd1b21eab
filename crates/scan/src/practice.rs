//! How an image is put together: BuildKit's checks by their names, and what practice adds to them.
//!
//! [`text`] judges a Dockerfile alone; [`image`] judges what came of it, with bytes where bytes matter. Each rule is one row
//! of [`rules`], with what to do about it. A comment `# wharf ignore=RULE` or `# hadolint ignore=DL3008` above an
//! instruction answers for it.

mod commands;
mod context;
mod health;
pub(crate) mod image;
mod instructions;
mod last;
mod rules;
mod stages;
mod text;

pub use context::BuildContext;
pub(crate) use text::dockerfile;
pub use text::practice;

use rules::Rule;
use wharf_dockerfile::Span;

use crate::findings::{Finding, Kind, Location};
use crate::secrets::without_secrets;

/// A rule that found something in the text.
struct Remark {
    rule: &'static Rule,
    span: Span,
    /// The instruction.
    instruction: String,
    /// What is there, in one line.
    what: String,
    /// The comments above it.
    comments: Vec<String>,
}

impl Remark {
    /// Whether a comment above the instruction answers for it.
    fn is_answered(&self) -> bool {
        self.comments.iter().any(|comment| {
            let comment = comment.trim();
            let named =
                comment.strip_prefix("wharf ignore=").or_else(|| comment.strip_prefix("hadolint ignore="));
            let code = self.rule.hadolint;
            named.is_some_and(|names| {
                names
                    .split(',')
                    .map(str::trim)
                    .any(|name| name == self.rule.name || (!code.is_empty() && name == code))
            })
        })
    }

    fn into_finding(self, path: &str) -> Finding {
        let what = without_secrets(&self.what);
        let mut finding = Finding::new(Kind::Config, self.rule.name, self.rule.severity, path, what);
        finding.help = self.rule.help();
        let location = Location::new(path, self.span.line, &self.instruction);
        // The instruction is what stays when lines move.
        finding.member = Some(location.instruction.chars().take(80).collect());
        finding = finding.sealed();
        finding.location = Some(location);
        finding
    }
}
