//! BuildKit's checks, by its names, words and addresses.
//!
//! [`check`] finds what the text of the whole file shows, [`check_instructions`] what the text of single
//! instructions shows. Who knows more than the text (values of variables, base images, the ignore file)
//! asks the functions of [`found`] instead of the latter, instruction by instruction. [`select`] then keeps
//! what the file's `# check=`, or the same options given from outside, do not skip.

pub mod found;
pub mod rules;
mod text;

use std::collections::{HashMap, HashSet};

use crate::{CheckDirective, Dockerfile, Span, directive};
pub use rules::Rule;
pub use text::{check, check_instructions};

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub rule: &'static Rule,
    /// What it found, in BuildKit's words.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl Finding {
    fn new(rule: &'static Rule, message: String, span: Span) -> Self {
        Self { rule, message, span }
    }
}

/// The findings that the options leave, and the `check=` comments right above an instruction for what is
/// found there. Experimental checks run only where they are asked for, whatever is skipped.
pub fn select(findings: Vec<Finding>, dockerfile: &Dockerfile, options: &CheckDirective) -> Vec<Finding> {
    let everywhere = wanted(options);
    let here: HashMap<usize, HashSet<&str>> = places(dockerfile)
        .filter_map(|(span, comments)| Some((span.start, wanted(&local(comments)?))))
        .collect();
    let is_wanted = |finding: &Finding| {
        let name = finding.rule.name;
        let here = here.get(&finding.span.start).map(|here| here.contains(name));
        match finding.rule.experimental {
            true => everywhere.contains(name) || here.unwrap_or(false),
            false => everywhere.contains(name) && here.unwrap_or(true),
        }
    };
    findings.into_iter().filter(is_wanted).collect()
}

/// The names of the checks that the options leave.
fn wanted(options: &CheckDirective) -> HashSet<&'static str> {
    let unless_named =
        |rule: &&Rule| if rule.experimental { options.experimental_all } else { !options.skip_all };
    let mut wanted: HashSet<&str> =
        rules::ALL.iter().copied().filter(unless_named).map(|rule| rule.name).collect();
    let named = |name: &String, experimental| {
        rules::ALL.iter().find(|rule| rule.name == name && rule.experimental == experimental)
    };
    for rule in options.skip.iter().filter_map(|name| named(name, false)) {
        wanted.remove(rule.name);
    }
    wanted.extend(options.experimental.iter().filter_map(|name| named(name, true)).map(|rule| rule.name));
    wanted
}

/// Every place that comments may stand above.
fn places(dockerfile: &Dockerfile) -> impl Iterator<Item = (Span, &[String])> {
    let args = dockerfile.global_args.iter().map(|args| (args.span, args.comments.as_slice()));
    let stages = dockerfile.stages.iter().flat_map(|stage| {
        let instructions = stage.instructions.iter();
        let instructions =
            instructions.map(|instruction| (instruction.span, instruction.comments.as_slice()));
        std::iter::once((stage.span, stage.comments.as_slice())).chain(instructions)
    });
    args.chain(stages)
}

/// The first `check=` among comments; it ends at its first space, and has no effect if it is wrong.
fn local(comments: &[String]) -> Option<CheckDirective> {
    let value = comments.iter().find_map(|comment| match directive::parse(comment)? {
        (directive::Key::Check, value) => value.split(' ').next(),
        _ => None,
    })?;
    CheckDirective::parse(value).ok()
}
