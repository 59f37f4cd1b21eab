//! Every form in which configs name an image, and that nothing else in them changes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use proptest::prelude::*;
use wharf_deploy::{RewriteError, Rewritten, Target, rewrite};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn target() -> Target {
    Target {
        names: vec!["ghcr.io/org/churn".parse().unwrap(), "org/churn".parse().unwrap()],
        tag: "1.4.2".into(),
        digest: DIGEST.parse().unwrap(),
        env: "prod".into(),
        paths: Vec::new(),
    }
}

/// The text with `NEW` standing for the new reference's suffix.
fn expect(path: &str, before: &str, after: &str) {
    let found = rewrite(Path::new(path), before, &target()).unwrap();
    let after = after.replace("NEW", &format!(":1.4.2@{DIGEST}")).replace("DIGEST", DIGEST);
    assert_eq!(found.text, after);
    let again = rewrite(Path::new(path), &found.text, &target()).unwrap();
    assert_eq!(again.text, after, "what is right stays");
    assert!(!again.changes());
}

#[test]
fn kubernetes_in_all_its_shapes() {
    let before = "\
# two documents, windows line ends below\r
apiVersion: apps/v1\r
kind: Deployment\r
spec:\r
  template:\r
    spec:\r
      initContainers:\r
      - {name: warm, image: \"ghcr.io/org/churn:1.3.0\", args: [a, b]}   # flow\r
      containers:\r
        - name: api\r
          image:   'ghcr.io/org/churn:1.3.0' # why: quoted\r
        - name: proxy\r
          image: envoyproxy/envoy:v1.30\r
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: org/churn}]}}}}}
---
kind: List
items:
- kind: Pod
  spec:
    containers:
    - image: ghcr.io/org/churn@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
";
    let after = before
        .replace("ghcr.io/org/churn:1.3.0", "ghcr.io/org/churnNEW")
        .replace("image: org/churn}", "image: org/churnNEW}")
        .replace(
            "ghcr.io/org/churn@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "ghcr.io/org/churnNEW",
        );
    expect("deploy/prod/all.yaml", before, &after);
}

#[test]
fn anchors_stay_and_an_alias_is_followed() {
    let before = "x-image: &img 'org/churn:1'\nservices:\n  a:\n    image: *img\n  b:\n    image: &b org/churn:2\n  c: {image: *b}\n";
    let after = before.replace("org/churn:1", "org/churnNEW").replace("org/churn:2", "org/churnNEW");
    expect("compose.yml", before, &after);
}

#[test]
fn kustomize_with_and_without_a_digest() {
    let before = "\
images:
- name: org/churn   # ours
  newName: ghcr.io/org/churn
  newTag: \"1.3.0\"
- name: ghcr.io/org/churn
  newTag: v1
  digest: sha256:eeee
- name: ghcr.io/org/churn
  digest: sha256:eeee
- name: redis
  newTag: '7'
";
    let after = "\
images:
- name: org/churn   # ours
  newName: ghcr.io/org/churn
  newTag: \"1.4.2@DIGEST\"
- name: ghcr.io/org/churn
  newTag: 1.4.2
  digest: DIGEST
- name: ghcr.io/org/churn
  digest: DIGEST
- name: redis
  newTag: '7'
";
    expect("kustomization.yaml", before, after);
}

#[test]
fn helm_values_by_repository_and_by_path() {
    let before = "\
api:
  image:
    registry: ghcr.io
    repository: org/churn
    tag: \"\"        # set by the pipeline
    digest: ''
worker: {image: {repository: ghcr.io/org/churn, tag: 1.3.0, pullPolicy: Always}}
other:
  image: {repository: org/other, tag: 9}
";
    let after = "\
api:
  image:
    registry: ghcr.io
    repository: org/churn
    tag: \"1.4.2\"        # set by the pipeline
    digest: 'DIGEST'
worker: {image: {repository: ghcr.io/org/churn, tag: 1.4.2@DIGEST, pullPolicy: Always}}
other:
  image: {repository: org/other, tag: 9}
";
    expect("values.yaml", before, after);

    let mut by_path = target();
    by_path.paths = vec!["server.version".into(), "jobs.0.image".into(), "not.there".into()];
    let text = "server: {version: old}\njobs:\n- image: {repository: mirror/churn, tag: x}\n";
    let found = rewrite(Path::new("values.yaml"), text, &by_path).unwrap();
    let want =
        text.replace("old", &format!("1.4.2@{DIGEST}")).replace("tag: x", &format!("tag: 1.4.2@{DIGEST}"));
    assert_eq!(found.text, want);
}

#[test]
fn a_tag_that_would_be_a_number_is_quoted() {
    let mut target = target();
    target.tag = "1.10".into();
    let text = "image:\n  repository: org/churn\n  tag: 1.9\n  digest: sha256:eeee\n";
    let found = rewrite(Path::new("values.yaml"), text, &target).unwrap();
    assert_eq!(found.text, format!("image:\n  repository: org/churn\n  tag: \"1.10\"\n  digest: {DIGEST}\n"));
}

#[test]
fn dockerfiles_and_marked_lines_and_json() {
    expect(
        "Dockerfile",
        "# FROM org/churn:0\nFROM --platform=linux/amd64 ghcr.io/org/churn:1.3.0 AS base\nCOPY --from=org/churn:1 /a /b\nRUN echo org/churn:1\n",
        "# FROM org/churn:0\nFROM --platform=linux/amd64 ghcr.io/org/churnNEW AS base\nCOPY --from=org/churnNEW /a /b\nRUN echo org/churn:1\n",
    );
    expect(
        "main.tf",
        "image = \"org/churn:1\"  # wharf: env=prod\nimage = \"org/churn:1\"  # wharf: env=staging\nimage = \"org/churn:1\"\n",
        "image = \"org/churnNEW\"  # wharf: env=prod\nimage = \"org/churn:1\"  # wharf: env=staging\nimage = \"org/churn:1\"\n",
    );
    expect(
        "task.json",
        "{\n\t\"containers\": [ { \"image\":\"org/churn:1\" } ],\n\t\"pull\": [\"ghcr.io/org/churn:1\", \"redis:7\", \"org/churn\"]\n}\n",
        "{\n\t\"containers\": [ { \"image\":\"org/churnNEW\" } ],\n\t\"pull\": [\"ghcr.io/org/churnNEW\", \"redis:7\", \"org/churn\"]\n}\n",
    );
}

#[test]
fn a_line_marked_for_another_environment_stays_in_yaml_too() {
    expect(
        "both.yaml",
        "a:\n  image: org/churn:1 # wharf: env=staging\nb:\n  image: org/churn:1 # wharf: env=prod\n",
        "a:\n  image: org/churn:1 # wharf: env=staging\nb:\n  image: org/churnNEW # wharf: env=prod\n",
    );
}

#[test]
fn helm_templates_count_by_their_marked_lines() {
    expect(
        "templates/deployment.yaml",
        "{{- if .Values.on }}\n  image: org/churn:1 # wharf: env=prod\n{{- end }}\n",
        "{{- if .Values.on }}\n  image: org/churnNEW # wharf: env=prod\n{{- end }}\n",
    );
}

#[test]
fn what_cannot_be_done_is_named() {
    let fails = |path: &str, text: &str| rewrite(Path::new(path), text, &target()).unwrap_err();
    let error = fails("a.yaml", "a: [1\nb: }");
    assert!(matches!(error, RewriteError::Syntax { line: 2, .. }), "{error}");
    let error = fails("a.yaml", "a:\n  image: \"org\\x2Fchurn:1\"\n");
    assert_eq!(
        error.to_string(),
        "line 2: the image `org/churn:1` is written with escapes or over several lines"
    );
    let error = fails("a.tf", "x = 1 # wharf: env=prod\n");
    assert_eq!(error.to_string(), "line 1 is marked for prod, and has no reference to the image on it");
    let deep = "[".repeat(5000);
    assert!(matches!(fails("a.yaml", &deep), RewriteError::Syntax { .. }));
}

/// What is left of a text when the references are taken out.
fn rest(text: &str, found: &Rewritten, new: bool) -> String {
    let mut left = text.to_owned();
    for edit in &found.edits {
        left = left.replacen(if new { &edit.after } else { &edit.before }, "", 1);
    }
    left
}

fn line() -> impl Strategy<Value = String> {
    let comment = prop_oneof![Just(String::new()), "# [a-z ü✓]{0,12}".prop_map(|c| format!("  {c}"))];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    let body = prop_oneof![
        Just("image: org/churn:1.3.0".to_owned()),
        Just("image: \"ghcr.io/org/churn:1.2.3\"".to_owned()),
        Just(
            "image: 'org/churn@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'"
                .to_owned()
        ),
        Just("image: redis:7".to_owned()),
        Just("other: {a: 1, image: org/churn:1.9.0, b: [x, 'y']}".to_owned()),
        "[a-z]{1,6}: [a-zäöü0-9]{1,8}".prop_map(|text| text),
    ];
    (body, comment, end).prop_map(|(body, comment, end)| format!("{body}{comment}{end}"))
}

proptest! {
    #[test]
    fn no_byte_outside_of_the_references_changes(lines in proptest::collection::vec(line(), 1..12)) {
        let text: String =
            lines.iter().enumerate().map(|(n, line)| format!("- k{n}: 1\n  {line}")).collect();
        let found = rewrite(Path::new("x.yaml"), &text, &target()).unwrap();
        prop_assert_eq!(rest(&text, &found, false), rest(&found.text, &found, true));
        let wanted = text.matches("org/churn").count();
        prop_assert_eq!(found.edits.len(), wanted, "every one of them is found");
        prop_assert_eq!(found.text.matches(DIGEST).count(), wanted);
    }

    #[test]
    fn no_text_makes_it_panic(name in "(a.yaml|a.json|Dockerfile|a.tf)", text in "[ -~\\n\\t#&*{}\\[\\]:'\"|>%@é✓-]{0,120}") {
        let _ = rewrite(Path::new(&name), &text, &target());
        let near = format!("{text}\nimage: org/churn:1 # wharf: env=prod\n{text}");
        let _ = rewrite(Path::new(&name), &near, &target());
    }
}
