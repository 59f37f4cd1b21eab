//! YAML with tags of Python objects, which loaders that allow them call.

use std::sync::LazyLock;

use regex::Regex;

use super::Issue;
use crate::blob::Blob;
use crate::findings::Severity;
use crate::pickle::{Judgement, Policy};

const MAX_DOCUMENT: usize = 64 << 20;
/// Tags of plain values.
const VALUES: [&str; 12] =
    ["none", "bool", "str", "unicode", "bytes", "int", "long", "float", "complex", "list", "tuple", "dict"];

/// A tag where a node may begin: at the start of a line, after an indicator, or after another property.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)(?:^|[\s\[{,:\-?])(?:!!python/|!<tag:yaml\.org,2002:python/|(?P<handle>!\w*!)(?:python/)?)(?P<kind>[a-z]+(?:/[a-z]+)?)(?::(?P<name>[^\s\]\[{},>]*))?",
    )
});
static HANDLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^%TAG\s+(?P<handle>!\w*!?)\s+tag:yaml\.org,2002:python(?P<path>/\S*)?"));

fn pattern(text: &str) -> Regex {
    match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => unreachable!("{error}"),
    }
}

/// What is wrong with a document.
pub(super) fn check(blob: &Blob, policy: &Policy) -> Vec<Issue> {
    let bytes = blob.bytes(0, MAX_DOCUMENT).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("python") {
        return Vec::new();
    }
    let mut issues: Vec<Issue> = Vec::new();
    let mut push = |issue: Option<Issue>| issues.extend(issue.filter(|issue| !issues.contains(issue)));
    let handles: Vec<&str> =
        HANDLE.captures_iter(&text).filter_map(|found| found.name("handle")).map(|m| m.as_str()).collect();
    if !handles.is_empty() {
        let title = "it gives tags of Python objects another name, which hides them";
        push(Some(Issue::new("yaml-python", Severity::High, title)));
    }
    let mut literal = Literal::default();
    for line in text.lines() {
        if literal.holds(line) {
            continue;
        }
        let line = without_comment(line);
        for found in TAG.captures_iter(line) {
            let handle = found.name("handle").map(|m| m.as_str());
            if handle.is_some_and(|handle| !handles.contains(&handle))
                || is_quoted(line, found.get(0).map_or(0, |m| m.start()))
            {
                continue;
            }
            let kind = found.name("kind").map_or("", |m| m.as_str());
            let name = found.name("name").map_or("", |m| m.as_str());
            push(judge(kind, name, policy));
        }
    }
    issues
}

/// Where a block of literal text is: `key: |`, and what is indented more than that.
#[derive(Default)]
struct Literal {
    below: Option<usize>,
}

impl Literal {
    /// Whether the line is text of a block, and what follows for the next.
    fn holds(&mut self, line: &str) -> bool {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if line.trim().is_empty() {
            return self.below.is_some();
        }
        if self.below.is_some_and(|parent| indent > parent) {
            return true;
        }
        let line = without_comment(line).trim_end();
        let indicator = line.rsplit([' ', '\t']).next().unwrap_or_default();
        let opens = indicator.starts_with(['|', '>'])
            && indicator
                .trim_start_matches(['|', '>'])
                .chars()
                .all(|c| c == '-' || c == '+' || c.is_ascii_digit());
        // In a list, what is below is indented more than the dash.
        self.below = opens.then_some(indent);
        false
    }
}

fn judge(kind: &str, name: &str, policy: &Policy) -> Option<Issue> {
    if VALUES.contains(&kind) {
        return None;
    }
    let tag = format!("!!python/{kind}:{name}");
    let (module, attribute) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let (severity, what) = match policy.judge(module, attribute) {
        Judgement::Allowed => return None,
        Judgement::Dangerous(why) => (Severity::Critical, why),
        _ if kind == "module" => (Severity::High, "imports a module"),
        Judgement::Special(_) | Judgement::Evasive | Judgement::Unlisted { class: false } => {
            (Severity::High, "no model has a reason to use")
        }
        _ if kind == "object/apply" || kind == "object/new" => {
            (Severity::High, "calls something of which nothing is known")
        }
        _ => (Severity::Medium, "names something of which nothing is known"),
    };
    Some(Issue::new("yaml-python", severity, format!("it uses the tag `{tag}`, which {what}")))
}

/// The line up to a comment.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    match line.find(" #") {
        Some(at) if !is_quoted(line, at) => &line[..at],
        _ => line,
    }
}

/// Whether a place of a line is inside quotes.
fn is_quoted(line: &str, at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.matches('"').count() % 2 == 1 || before.matches('\'').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(text: &str) -> Option<Severity> {
        check(&Blob::from(text.as_bytes().to_vec()), &Policy::default())
            .iter()
            .map(|issue| issue.severity)
            .max()
    }

    #[test]
    fn tags_that_call_are_found_in_every_spelling() {
        for text in [
            "!!python/object/apply:os.system ['id']\n",
            "a:\n  - !!python/object/new:subprocess.Popen [id]\n",
            "a: [1, !!python/object/apply:os.system [id]]\n",
            "a: !<tag:yaml.org,2002:python/object/apply:os.system> ['id']\n",
            "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system [id]\n",
            "a: !!python/name:os.system\n",
            "a: |\n  text\nb: !!python/object/apply:os.system [id]\n",
            "- |\n !!python\n- !!python/object/apply:os.system [id]\n",
        ] {
            assert!(worst(text) >= Some(Severity::High), "{text}");
        }
        assert_eq!(worst("f: !!python/name:materialx.emoji.twemoji\n"), Some(Severity::Medium));
    }

    #[test]
    fn values_comments_and_quotes_are_quiet() {
        for text in [
            "a: !!python/tuple [1, 2]\n",
            "# !!python/object/apply:os.system\na: 1\n",
            "a: \"see !!python/object/apply:os.system\"\n",
            "a: !!python/object/apply:collections.OrderedDict [[]]\n",
            "lang: python\nimage: python/3.11\n",
            "a:\n  - doc: |\n      use !!python/object/apply:os.system\n\n      - !!python/object/apply:os.system\n    b: 1\n",
            "a: >-2\n    !!python/object/apply:os.system\n",
        ] {
            assert_eq!(worst(text), None, "{text}");
        }
    }
}
