//! Marked lines in any file: `… # wharf: env=prod`. The mark says that the image on this line is that environment's.

use crate::edit::Edit;
use crate::image::{Target, references_in};
use crate::rewrite::RewriteError;

/// What a mark begins with, after `#` or `//`.
const MARK: &str = "wharf: env=";

/// A line with a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked<'a> {
    /// Where the line begins.
    pub(crate) start: usize,
    /// The line's number, from 1.
    pub(crate) number: usize,
    /// What stands before the mark.
    pub(crate) text: &'a str,
    /// The environment that the mark names.
    pub(crate) env: &'a str,
}

/// The marked lines of a file.
pub(crate) fn lines(text: &str) -> Vec<Marked<'_>> {
    let mut start = 0;
    let mut found = Vec::new();
    for (n, line) in text.split_inclusive('\n').enumerate() {
        if let Some(at) = line.find(MARK) {
            let before = line[..at].trim_end();
            let before = before.strip_suffix('#').or_else(|| before.strip_suffix("//"));
            let env =
                line[at + MARK.len()..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next();
            if let (Some(text), Some(env)) = (before, env) {
                found.push(Marked { start, number: n + 1, text, env });
            }
        }
        start += line.len();
    }
    found
}

/// The references on the lines that are marked for the environment.
pub(crate) fn edits(text: &str, target: &Target) -> Result<Vec<Edit>, RewriteError> {
    let mut edits = Vec::new();
    for line in lines(text).into_iter().filter(|line| line.env == target.env) {
        let found = references_in(line.text, target);
        if found.is_empty() {
            return Err(RewriteError::Mark { line: line.number, env: target.env.clone() });
        }
        for (range, new) in found {
            edits.push(Edit::new(text, line.start + range.start..line.start + range.end, new));
        }
    }
    Ok(edits)
}

/// Takes out the edits on lines that are marked for another environment.
pub(crate) fn without_others(text: &str, target: &Target, edits: &mut Vec<Edit>) {
    let others: Vec<usize> =
        lines(text).into_iter().filter(|line| line.env != target.env).map(|line| line.number).collect();
    edits.retain(|edit| !others.contains(&edit.line));
}
