//! BuildKit's checks that need more than the text: variables, base images, the ignore file.
//!
//! What the checks find is kept until the plan is done, because `check=error=true` makes an error of it only
//! then, and errors of other kinds come first.

use std::cell::RefCell;
use std::collections::BTreeSet;

use wharf_dockerfile::ignore::IgnorePatterns;
use wharf_dockerfile::lint::Finding;
use wharf_dockerfile::{CheckDirective, Dockerfile, Expansion, Instruction, KeyValue, Span, Stage};
use wharf_oci::Platform;

use super::Problem;
use super::args::GlobalArgs;
use super::stage::State;

/// Collects findings.
#[derive(Debug)]
pub(super) struct Checks {
    options: CheckDirective,
    findings: RefCell<Vec<Finding>>,
}

impl Checks {
    /// Starts with what the text alone shows.
    pub(super) fn new(dockerfile: &Dockerfile, options: CheckDirective) -> Self {
        let findings = wharf_dockerfile::lint::check(dockerfile);
        Self { options, findings: RefCell::new(findings) }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner()
    }

    /// Fails where something was found and the Dockerfile wants that.
    pub(super) fn refuse(&self) -> Result<(), Problem> {
        let rules: BTreeSet<&'static str> =
            self.findings.borrow().iter().map(|finding| finding.rule.name).collect();
        if self.options.error && !rules.is_empty() {
            return Err(Problem::Lint { rules: rules.into_iter().collect() });
        }
        Ok(())
    }

    pub(super) fn undefined(&self, _unset: &BTreeSet<String>, _state: &State, _span: Span) {}
    pub(super) fn undefined_in_from(&self, _unset: &BTreeSet<String>, _globals: &GlobalArgs, _span: Span) {}
    pub(super) fn platform(
        &self,
        _stage: &Stage,
        _expression: &str,
        _expanded: &Expansion,
        _globals: &GlobalArgs,
    ) {
    }
    pub(super) fn invalid_default_in_from(&self, _base: &str, _span: Span) {}
    pub(super) fn base_platform(&self, _base: &str, _wanted: &Platform, _actual: &Platform, _span: Span) {}
    pub(super) fn secret(&self, _instruction: &str, _name: &str, _span: Span) {}
    pub(super) fn legacy_pair(&self, _pair: &KeyValue, _instruction: &Instruction) {}
    pub(super) fn repeated(&self, _before: Option<Span>, _instruction: &Instruction) {}
    pub(super) fn shell_form(&self, _instruction: &Instruction) {}
    pub(super) fn ports(&self, _word: &str, _ports: &wharf_dockerfile::expose::Ports, _span: Span) {}
    pub(super) fn relative_workdir(&self, _dir: &str, _span: Span) {}
    pub(super) fn ignored(&self, _source: &str, _instruction: &Instruction, _ignore: &IgnorePatterns) {}
}
