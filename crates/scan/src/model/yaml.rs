//! YAML with tags of Python objects, which loaders that allow them call.

use std::sync::LazyLock;

use granit_parser::{Event, Parser};
use regex::Regex;

use super::Issue;
use crate::blob::Blob;
use crate::findings::Severity;
use crate::pickle::{self, Judgement, Special};

const MAX_DOCUMENT: usize = 64 << 20;
/// What stands for `!!`.
const STANDARD: &str = "tag:yaml.org,2002:";
/// Tags of plain values.
const VALUES: [&str; 12] =
    ["none", "bool", "str", "unicode", "bytes", "int", "long", "float", "complex", "list", "tuple", "dict"];

/// What looks like a tag, for documents that only another parser can read.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"(?m)(?:!!|!<tag:yaml\.org,2002:)python/([a-z]+(?:/[a-z]+)?)(?::([^\s\]\[{},>]*))?";
    match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => unreachable!("{error}"),
    }
});

/// What is wrong with a document.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let bytes = blob.bytes(0, MAX_DOCUMENT).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut issues: Vec<Issue> = Vec::new();
    // No tag leads to Python without this word, which a handle may take apart as far as `py` and `thon`.
    if !text.contains("python") && !text.contains("%TAG") {
        return issues;
    }
    let mut push = |issue: Option<Issue>| issues.extend(issue.filter(|issue| !issues.contains(issue)));
    let mut hidden = false;
    for event in Parser::new_from_str(&text) {
        let Ok((event, _)) = event else {
            // What comes now another parser may read; it is searched as text.
            for found in TAG.captures_iter(&text) {
                let part = |index| found.get(index).map_or("", |part| part.as_str());
                push(judge(part(1), part(2)));
            }
            break;
        };
        let (Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag)) =
            event
        else {
            continue;
        };
        let Some(tag) = tag else { continue };
        let full = format!("{}{}", tag.handle(), tag.suffix());
        let Some(python) = full.strip_prefix(STANDARD).and_then(|rest| rest.strip_prefix("python/")) else {
            continue;
        };
        let (kind, name) = python.split_once(':').unwrap_or((python, ""));
        hidden |= !VALUES.contains(&kind) && !matches!(tag.original_handle(), "!!" | "");
        push(judge(kind, name));
    }
    if hidden {
        let title = "it gives tags of Python objects another name, which hides them";
        push(Some(Issue::new("yaml-python", Severity::High, title)));
    }
    issues
}

fn judge(kind: &str, name: &str) -> Option<Issue> {
    if VALUES.contains(&kind) {
        return None;
    }
    let tag = format!("!!python/{kind}:{name}");
    let (module, attribute) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let (severity, what) = match pickle::judge(module, attribute) {
        // What they are given has a tag of its own.
        Judgement::Allowed | Judgement::Special(Special::Applies(_) | Special::Makes) => return None,
        Judgement::Dangerous(why) => (Severity::Critical, why),
        _ if kind == "module" => (Severity::High, "imports a module"),
        Judgement::Special(_)
        | Judgement::Evasive
        | Judgement::Standard
        | Judgement::Unlisted { class: false } => (Severity::High, "no model has a reason to use"),
        _ if kind == "object/apply" || kind == "object/new" => {
            (Severity::High, "calls something of which nothing is known")
        }
        _ => (Severity::Medium, "names something of which nothing is known"),
    };
    let issue = Issue::new("yaml-python", severity, format!("it uses the tag `{tag}`, which {what}"));
    Some(if severity == Severity::Critical { issue } else { issue.about(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(text: &str) -> Option<Severity> {
        check(&Blob::from(text.as_bytes().to_vec())).iter().map(|issue| issue.severity).max()
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
            "it's: !!python/object/apply:os.system ['id']\n",
            "a \"b: !!python/object/apply:os.system [\"id\"]\n",
            "%TAG !p! tag:yaml.org,2002:pyth\n---\na: !p!on/object/apply:os.system [id]\n",
            "a: [\n !!python/object/apply:os.system [id]\n",
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
