//! Credentials in files and in the image config.
//!
//! A layer keeps what a later one deletes, so every layer's own files are looked at. The rules are data
//! ([`rules`]): one pass finds their keywords, and only where one stands is its pattern tried. What was found is
//! never repeated in full.

mod config;
mod rules;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::findings::{Finding, Kind};

pub(crate) use config::scan_config;
pub use rules::SecretRules;
use rules::{RULES, Rule, Rules};

/// Longer files are data, not configuration.
pub(crate) const MAX_SIZE: u64 = 4 << 20;
/// How far from its keyword a credential may begin, and how long it may be.
const BEFORE: usize = 128;
const AFTER: usize = 1 << 10;
/// How many keywords of one file are looked at, and how often each pattern is tried.
const MAX_HITS: usize = 1 << 20;
const MAX_TRIES: usize = 2000;
/// Findings of one rule in one file after which more say nothing new.
const MAX_REPEATS: usize = 10;

/// Whether a file of this name and size, beginning like this, is worth reading.
pub(crate) fn wants(path: &str, size: u64, head: &[u8]) -> bool {
    const PUBLIC: [&str; 6] =
        ["usr/share/", "usr/include/", "usr/lib/gcc/", "proc/", "sys/", "usr/lib/locale/"];
    size > 0
        && size <= MAX_SIZE
        // What a program says as text, its compiled form says too, and stays when the text is deleted.
        && (!head.contains(&0) || path.ends_with(".pyc") && !is_of_a_package(path))
        && !PUBLIC.iter().any(|prefix| path.starts_with(prefix))
}

/// The credentials in a file.
pub(crate) fn scan(path: &str, content: &[u8], rules: &SecretRules) -> Vec<Finding> {
    let text = String::from_utf8_lossy(content);
    let (of_a_package, for_show) = (is_of_a_package(path), is_for_show(path));
    // Libraries come with keys for their tests and addresses for their examples.
    let applies =
        |rule: &Rule| (rule.certain || !of_a_package) && !(rule.generic && for_show) && rule.applies_to(path);
    let mut findings = Vec::new();
    for (rule, found) in matches(rules.get(), &text, applies) {
        let line = text[..found.start].bytes().filter(|b| *b == b'\n').count() + 1;
        findings.push(finding(rule, path, Some(format!("line {line}")), &text[found]));
    }
    findings
}

/// Whether a file belongs to an installed library, or to Python or Ruby itself.
fn is_of_a_package(path: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    const PLACES: [&str; 6] =
        ["site-packages/", "dist-packages/", "node_modules/", "/gems/", "pkg/mod/", "registry/src/"];
    let of_language = |place: &str| path.match_indices(place).any(|(at, _)| digit(&path[at + place.len()..]));
    PLACES.iter().any(|part| path.contains(part)) || of_language("lib/python") || of_language("lib/ruby/")
}

/// Whether values in a file are there to be seen: tests, examples, and lists of checksums.
fn is_for_show(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let locks = ["package-lock.json", "npm-shrinkwrap.json", "go.sum", "pnpm-lock.yaml", "Pipfile.lock"];
    let shown = [
        "test", "tests", "testing", "testdata", "fixtures", "mocks", "examples", "docs", "locale", "locales",
    ];
    locks.contains(&name)
        || name.ends_with(".lock")
        || name.starts_with("test_")
        || path.split('/').any(|part| shown.contains(&part))
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

/// Where which rule of those that apply finds something in a text, in order. What a rule knows by its form is not also found by
/// a generic one.
fn matches<'r>(
    rules: &'r Rules,
    text: &str,
    applies: impl Fn(&Rule) -> bool,
) -> Vec<(&'r Rule, Range<usize>)> {
    let hits: Vec<_> = rules.keywords.find_overlapping_iter(text).take(MAX_HITS).collect();
    let mut found: Vec<(&Rule, Range<usize>)> = Vec::new();
    let mut tries: HashMap<usize, usize> = HashMap::new();
    for generic in [false, true] {
        for hit in &hits {
            for &index in &rules.by_keyword[hit.pattern().as_usize()] {
                let rule = &rules.rules[index];
                if rule.generic != generic {
                    continue;
                }
                let left = tries.entry(index).or_insert_with(|| if applies(rule) { MAX_TRIES } else { 0 });
                if *left == 0 {
                    continue;
                }
                *left -= 1;
                let start = floor(text, hit.start().saturating_sub(BEFORE));
                let end = floor(text, (hit.end() + AFTER).min(text.len()));
                find_in(text, start..end, rule, &mut found);
            }
        }
    }
    found.sort_by_key(|(_, range)| range.start);
    found
}

/// Adds what a rule finds in a part of a text.
fn find_in<'r>(text: &str, part: Range<usize>, rule: &'r Rule, found: &mut Vec<(&'r Rule, Range<usize>)>) {
    if found.iter().filter(|(other, _)| std::ptr::eq(*other, rule)).count() >= MAX_REPEATS {
        return;
    }
    for captures in rule.pattern.regex().captures_iter(&text[part.clone()]) {
        let group = captures.iter().skip(1).flatten().next();
        let Some(whole) = captures.get(0) else { continue };
        let secret = group.unwrap_or(whole);
        let range = part.start + secret.start()..part.start + secret.end();
        let overlaps = found.iter().any(|(_, other)| other.start < range.end && range.start < other.end);
        if !overlaps && rule.accepts(whole.as_str(), secret.as_str()) {
            found.push((rule, range));
        }
    }
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

/// A text that is shown beside a finding, with what looks like a credential in it masked.
pub fn without_secrets(text: &str) -> String {
    static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?:^(?:ENV|ARG)\s+|\b)([A-Za-z_][A-Za-z0-9_.-]*)(?:=|\s+)("[^"]*"|'[^']*'|[^\s"']+)"#)
            .ok()
    });
    let by_form = matches(&RULES, text, |_| true).into_iter().map(|(_, range)| range);
    let assigned = ASSIGNED.iter().flat_map(|pattern| pattern.captures_iter(text));
    let by_name = assigned.filter_map(|captures| {
        let (name, value) = (captures.get(1)?, captures.get(2)?);
        let is_secret = names_a_secret(name.as_str()) && value.len() >= 8 && !is_placeholder(value.as_str());
        is_secret.then(|| value.range())
    });
    let mut ranges: Vec<Range<usize>> = by_form.chain(by_name).collect();
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        if range.start >= at {
            shown.push_str(&text[at..range.start]);
            shown.push_str(&format!("<{}>", masked(&text[range.clone()])));
        }
        at = at.max(range.end);
    }
    shown.push_str(&text[at.min(text.len())..]);
    shown
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
    const WORDS: [&str; 8] =
        ["PASSWORD", "PASSWD", "PASS", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "CREDENTIALS"];
    const PARTS: [&str; 5] = ["PASSWORD", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET_KEY"];
    const ABOUT: [&str; 6] = ["_FILE", "_PATH", "_URL", "_NAME", "_ID", "_TYPE"];
    let name = name.to_ascii_uppercase();
    let named = name.split(['_', '-', '.']).any(|word| WORDS.contains(&word))
        || PARTS.iter().any(|part| name.contains(part));
    named && !ABOUT.iter().any(|end| name.ends_with(end))
}

/// Whether letters and digits alternate as they do in nothing that people write: words, versions and dates do not.
fn looks_random(value: &str) -> bool {
    let characters: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let turns =
        characters.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    turns >= 3
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
        scan(path, text.as_bytes(), &SecretRules::default()).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn tokens_of_the_ml_world_are_found() {
        for (parts, rule) in [
            (&["HF_TOKEN=hf", "_abcdefGHIJKLmnopqrSTUVWXyzABcdEFgh"][..], "huggingface-token"),
            (&["key = AKIA", "Q3EGRIFFYZ7HTWXB"], "aws-access-key"),
            (&["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"], "github-token"),
            (&["WANDB_API_KEY=", "0123456789abcdef0123456789abcdef01234567"], "wandb-key"),
            (&["--extra-index-url https://ci:", "s3cr3tT0ken9@pypi.corp.invalid/simple"], "url-credentials"),
            (&["api_key = \"a8f5f167f44f", "4964e6c998dee827110c\""], "assigned-secret"),
            (
                &["docker login -u _json_", "key -p '{\"type\": \"service_account\", \"a\": \"b\"}'"],
                "gcp-registry-login",
            ),
            (&["DATABASE_URL=postgresql://app:", "x7Gh2kQ9pL@db:5432/x"], "url-credentials"),
            (&["cohere.Client(\"aB3dE5gH7jK9mN1pQ3sT", "5vX7zB9dF1hJ3lN5pR7t\")"], "cohere-key"),
            (&["{\"username\": \"joe\", \"key\": \"0123456789ab", "cdef0123456789abcdef\"}"], "kaggle-key"),
            (&["-----BEGIN OPENSSH ", "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n"], "private-key"),
        ] {
            // In an environment file an assignment is that file's rule.
            let path = if rule == "assigned-secret" { "app/settings.py" } else { "app/.env" };
            assert_eq!(rules(path, &made_up(parts)), [rule], "{rule}");
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
            "secret_name: \"my-app-secret-2024-eu\"",
            "token = \"[PAD] and more of them\"",
            "postgresql://user:password@localhost/db",
            "https://john:S3nsit1ve@my.example.com/",
        ] {
            assert_eq!(rules("app/readme.md", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_found_is_not_repeated() {
        let secret = made_up(&["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"]);
        let finding = &scan("a", secret.as_bytes(), &SecretRules::default())[0];
        let text = serde_json::to_string(finding).unwrap();
        assert!(!text.contains(&secret[4..]), "{text}");
        assert_eq!(finding.member.as_deref(), Some("line 1"));
    }

    #[test]
    fn what_is_shown_beside_a_finding_has_no_credential_in_it() {
        let token = made_up(&["ghp", "_16C7e42F292c6912E7710c838347Ae178B4a"]);
        for (text, shown) in [
            (format!("RUN curl -H \"token: {token}\" x"), "RUN curl -H \"token: <ghp_…, 40 characters>\" x"),
            ("ARG DB_PASSWORD=hunter2hunter2".to_owned(), "ARG DB_PASSWORD=<hun…, 14 characters>"),
            ("ENV DB_PASSWORD hunter2hunter2".to_owned(), "ENV DB_PASSWORD <hun…, 14 characters>"),
            (
                "RUN A=1 PIP_TOKEN='q8s7d6f5g4h3' pip install x".to_owned(),
                "RUN A=1 PIP_TOKEN=<'q8…, 14 characters> pip install x",
            ),
            (
                "RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN".to_owned(),
                "RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN",
            ),
            ("ENV PATH=/opt/bin:$PATH TOKEN=$TOKEN".to_owned(), "ENV PATH=/opt/bin:$PATH TOKEN=$TOKEN"),
        ] {
            assert_eq!(without_secrets(&text), shown);
        }
    }

    #[test]
    fn libraries_test_keys_are_left_alone() {
        let key = made_up(&["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n"]);
        assert_eq!(rules("opt/venv/lib/python3.11/site-packages/x/tests/key.pem", &key), [""; 0]);
        assert_eq!(rules("app/key.pem", &key), ["private-key"]);
        assert_eq!(rules("opt/conda/lib/python3.11/test/key.pem", &key), [""; 0]);
        let token = made_up(&["token = \"a8f5f167f44f", "4964e6c998dee827110c\""]);
        assert_eq!(rules("app/tests/test_login.py", &token), [""; 0]);
        assert_eq!(rules("app/poetry.lock", &token), [""; 0]);
    }

    #[test]
    fn compiled_programs_say_what_the_text_said() {
        let head = b"\xa7\r\r\n\0\0\0\0";
        assert!(wants("app/settings.pyc", 100, head));
        assert!(!wants("app/settings.bin", 100, head));
        assert!(!wants("opt/venv/lib/python3.11/site-packages/x/y.pyc", 100, head));
    }
}
