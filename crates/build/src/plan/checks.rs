//! BuildKit's checks while a plan is made: what the text shows, and what only the plan knows, such as
//! variables, base images and the ignore file.
//!
//! What the checks find is kept until the plan is done, because `check=error=true` makes an error of it only
//! then, and errors of other kinds come first.

use std::cell::RefCell;
use std::collections::BTreeSet;

use wharf_dockerfile::lint::{self, Finding, found};
use wharf_dockerfile::{CheckDirective, Dockerfile, Span};

use super::Problem;
use super::args::{GlobalArgs, SCAN_CONTEXT, SCAN_STAGE};
use super::state::State;

/// With so many findings, those that follow are not worth the search for what may have been meant.
const SUGGESTIONS_MAX: usize = 100;

/// Collects findings.
#[derive(Debug)]
pub(super) struct Checks<'a> {
    dockerfile: &'a Dockerfile,
    options: CheckDirective,
    findings: RefCell<Vec<Finding>>,
}

impl<'a> Checks<'a> {
    /// Starts with what the text alone shows.
    pub(super) fn new(dockerfile: &'a Dockerfile, options: CheckDirective) -> Self {
        Self { dockerfile, options, findings: RefCell::new(lint::check(dockerfile)) }
    }

    /// Keeps what a check found, if it found something.
    pub(super) fn report(&self, found: impl IntoIterator<Item = Finding>) {
        self.findings.borrow_mut().extend(found);
    }

    /// What was found and is wanted, in the order of the Dockerfile.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = lint::select(self.findings.borrow().clone(), self.dockerfile, &self.options);
        findings.sort_by_key(|finding| finding.span.start);
        findings
    }

    /// Fails where something was found and the Dockerfile wants that.
    pub(super) fn refuse(&self) -> Result<(), Problem> {
        if !self.options.error {
            return Ok(());
        }
        let findings = self.findings();
        if findings.is_empty() { Ok(()) } else { Err(Problem::Lint { findings }) }
    }

    /// Variables without a value, unless an `ARG` has declared them.
    pub(super) fn undefined(&self, unset: &BTreeSet<String>, state: &State, span: Span) {
        let silent = |name: &str| [SCAN_CONTEXT, SCAN_STAGE].contains(&name) || state.args.contains(name);
        for name in unset.iter().filter(|name| !silent(name)) {
            let known = state.env.names().take(self.names_to_compare());
            self.report([found::undefined_var(name, known, span)]);
        }
    }

    /// Variables of a `FROM` that are neither automatic nor declared before the first one.
    pub(super) fn undefined_in_from(&self, unset: &BTreeSet<String>, globals: &GlobalArgs, span: Span) {
        for name in unset.iter().filter(|name| !globals.knows(name)) {
            let known = globals.names().take(self.names_to_compare());
            self.report([found::undefined_arg_in_from(name, known, span)]);
        }
    }

    fn names_to_compare(&self) -> usize {
        if self.findings.borrow().len() < SUGGESTIONS_MAX { usize::MAX } else { 0 }
    }
}
