//! Credentials in files and in the image config.
//!
//! A layer keeps what a later one deletes, so every layer's own files are looked at. The rules are data
//! ([`rules`]): one pass finds their keywords, and only where one stands is its pattern tried. What was found is
//! never repeated in full.

mod config;
mod rules;

use std::ops::Range;

use crate::findings::{Finding, Kind};

pub(crate) use config::scan_config;
use rules::{RULES, Rule};

/// Longer files are data, not configuration.
pub(crate) const MAX_SIZE: u64 = 4 << 20;
/// How far from its keyword a credential may begin, and how long it may be.
const BEFORE: usize = 128;
const AFTER: usize = 1 << 10;
/// How often a pattern is tried in one file.
const MAX_TRIES: usize = 5000;
/// Findings of one rule in one file after which more say nothing new.
const MAX_REPEATS: usize = 10;

/// Whether a file of this name and size, beginning like this, is worth reading.
pub(crate) fn wants(path: &str, size: u64, head: &[u8]) -> bool {
    const PUBLIC: [&str; 6] =
        ["usr/share/", "usr/include/", "usr/lib/gcc/", "proc/", "sys/", "usr/lib/locale/"];
    size > 0
        && size <= MAX_SIZE
        && !head.contains(&0)
        && !PUBLIC.iter().any(|prefix| path.starts_with(prefix))
}

/// The credentials in a file.
pub(crate) fn scan(path: &str, content: &[u8]) -> Vec<Finding> {
    let text = String::from_utf8_lossy(content);
    let from_package =
        ["/site-packages/", "/dist-packages/", "/node_modules/"].iter().any(|part| path.contains(part))
            || path.starts_with("usr/lib/python")
            || path.starts_with("usr/local/lib/python");
    let mut findings = Vec::new();
    for (rule, found) in matches(&text, path) {
        // Libraries come with keys for their tests and addresses for their examples.
        if from_package && !rule.certain {
            continue;
        }
        let line = text[..found.start].bytes().filter(|b| *b == b'\n').count() + 1;
        findings.push(finding(rule, path, Some(format!("line {line}")), &text[found]));
    }
    findings
}

fn finding(rule: &Rule, path: &str, place: Option<String>, secret: &str) -> Finding {
    let title = format!("{} ({})", rule.description, masked(secret));
    let mut finding = Finding::new(Kind::Secret, &rule.id, rule.severity, path, title);
    finding.help = "Whoever can pull the image can read this, even if a later layer deletes it. Revoke it, then pass it to \
                    the build with `RUN --mount=type=secret` and to the container at run time."
        .into();
    finding.member = place;
    // The line may move; the credential's place is its file.
    let mut sealed = Finding { member: None, ..finding.clone() }.sealed();
    sealed.member = finding.member.take();
    sealed
}

/// Where which rule finds something in a text, in order.
fn matches<'r>(text: &str, path: &str) -> Vec<(&'r Rule, Range<usize>)> {
    let mut found: Vec<(&Rule, Range<usize>)> = Vec::new();
    for hit in RULES.keywords.find_overlapping_iter(text).take(MAX_TRIES) {
        let start = floor(text, hit.start().saturating_sub(BEFORE));
        let end = floor(text, (hit.end() + AFTER).min(text.len()));
        for &index in &RULES.by_keyword[hit.pattern().as_usize()] {
            let rule = &RULES.rules[index];
            let repeats = found.iter().filter(|(other, _)| std::ptr::eq(*other, rule)).count();
            if repeats >= MAX_REPEATS || rule.path.as_ref().is_some_and(|pattern| !pattern.is_match(path)) {
                continue;
            }
            for captures in rule.pattern.captures_iter(&text[start..end]) {
                let Some(secret) = captures.get(1).or_else(|| captures.get(0)) else { continue };
                let range = start + secret.start()..start + secret.end();
                let overlaps =
                    found.iter().any(|(_, other)| other.start < range.end && range.start < other.end);
                if !overlaps && rule.accepts(secret.as_str()) {
                    found.push((rule, range));
                }
            }
        }
    }
    found.sort_by_key(|(_, range)| range.start);
    found
}

/// The last place that begins a character, at or before `at`.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The beginning, which says what it is, and nothing of the rest.
fn masked(secret: &str) -> String {
    if secret.starts_with("-----BEGIN") {
        return secret.lines().next().unwrap_or_default().to_owned();
    }
    let shown: String = secret.chars().take(4.min(secret.chars().count() / 4)).collect();
    format!("{shown}…, {} characters", secret.chars().count())
}

/// Bits per character: random text has more than words.
fn entropy(text: &str) -> f64 {
    let mut counts = [0usize; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| *n as f64 / length).map(|p| -p * p.log2()).sum()
}

/// Names of variables and arguments that hold credentials.
fn names_a_secret(name: &str) -> bool {
    const PARTS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ];
    let name = name.to_ascii_uppercase();
    PARTS.iter().any(|part| name.contains(part)) && !name.ends_with("_FILE") && !name.ends_with("_PATH")
}

/// How a value looks that stands for a credential without being one.
fn is_placeholder(value: &str) -> bool {
    const WORDS: [&str; 14] = [
        "example",
        "sample",
        "dummy",
        "changeme",
        "change_me",
        "placeholder",
        "your",
        "xxxx",
        "****",
        "redacted",
        "insert",
        "foobar",
        "todo",
        "none",
    ];
    let lower = value.to_ascii_lowercase();
    value.starts_with(['$', '<', '{', '%']) || WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made up here, in pieces so that nobody else's scanner takes them for real.
    fn made_up(parts: &[&str]) -> String {
        parts.concat()
    }

    fn rules(path: &str, text: &str) -> Vec<String> {
        scan(path, text.as_bytes()).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn tokens_of_the_ml_world_are_found() {
        for (parts, rule) in [
            (&["HF_TOKEN=hf", "_abcdefGHIJKLmnopqrSTUVWXyzABcdEFgh"][..], "huggingface-token"),
            (&["key = AKIA", "Q3EGRIFFYZ7HTWXB"], "aws-access-key"),
            (&["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"], "github-token"),
            (&["WANDB_API_KEY=", "0123456789abcdef0123456789abcdef01234567"], "wandb-key"),
            (&["--extra-index-url https://ci:", "s3cr3tT0ken9@pypi.corp.invalid/simple"], "url-credentials"),
            (&["-----BEGIN OPENSSH ", "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n"], "private-key"),
        ] {
            assert_eq!(rules("app/.env", &made_up(parts)), [rule], "{rule}");
        }
    }

    #[test]
    fn placeholders_and_prose_are_quiet() {
        for text in [
            "password = your-password-here",
            "https://user:password@example.com/",
            "AKIAIOSFODNN7EXAMPLE",
            "hf_transfer and hf_hub_download",
            "token = ${TOKEN}",
            "see https://user:$PASS@host/",
        ] {
            assert_eq!(rules("app/readme.md", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_found_is_not_repeated() {
        let secret = made_up(&["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"]);
        let finding = &scan("a", secret.as_bytes())[0];
        let text = serde_json::to_string(finding).unwrap();
        assert!(!text.contains(&secret[4..]), "{text}");
        assert_eq!(finding.member.as_deref(), Some("line 1"));
    }

    #[test]
    fn libraries_test_keys_are_left_alone() {
        let key = made_up(&["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n"]);
        assert_eq!(rules("opt/venv/lib/python3.11/site-packages/x/tests/key.pem", &key), [""; 0]);
        assert_eq!(rules("app/key.pem", &key), ["private-key"]);
    }
}
