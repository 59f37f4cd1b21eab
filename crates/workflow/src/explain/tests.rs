//! The traps, one workflow each.

use super::*;
use crate::source::Source;

fn of(text: &str) -> Explanation {
    let source = Source { name: "w.yml".into(), text: text.into() };
    let workflow = Workflow::read(source).map_err(|faults| faults.to_string()).unwrap();
    let around = Surroundings { repository: "o/r".into(), default_branch: "main".into() };
    explain(&workflow, &around)
}

/// A workflow of these steps.
fn steps(on: &str, steps: &str) -> Explanation {
    of(&format!("on: {on}\njobs:\n  a:\n    runs-on: x\n    steps:\n{steps}"))
}

fn rules(explanation: &Explanation) -> Vec<(&str, usize)> {
    explanation.traps.iter().map(|trap| (trap.rule, trap.place.line)).collect()
}

const BUILD: &str = "      - uses: docker/login-action@0123456789012345678901234567890123456789\n        if: github.event_name != 'pull_request'\n      - id: meta\n        uses: docker/metadata-action@0123456789012345678901234567890123456789\n        with:\n          images: docker.io/o/r\n          tags: |\n            type=ref,event=branch\n            type=sha,prefix={{branch}}-\n      - uses: docker/build-push-action@0123456789012345678901234567890123456789\n        with:\n          context: .\n          push: ${{ github.event_name != 'pull_request' }}\n          tags: ${{ steps.meta.outputs.tags }}\n          cache-to: type=registry,ref=docker.io/o/r:cache\n";

#[test]
fn an_empty_prefix_and_a_cache_without_a_login_are_found_where_they_stand() {
    let found = steps("{push: {branches: [main], tags: ['v*']}, pull_request: }", BUILD);
    assert!(rules(&found).contains(&("empty-prefix", 14)), "{:?}", rules(&found));
    assert!(rules(&found).contains(&("cache-without-login", 20)), "{:?}", rules(&found));
    assert!(rules(&found).contains(&("no-concurrency", 3)), "{:?}", rules(&found));
    let main = found.events.iter().find(|event| event.git_ref == "refs/heads/main").unwrap();
    assert_eq!(main.jobs[0].pushes, ["docker.io/o/r:main", "docker.io/o/r:main-{short}"]);
    let feature = found.events.iter().find(|event| event.git_ref == "refs/heads/feature/x").unwrap();
    assert!(!feature.runs);
}

#[test]
fn a_ref_by_its_end_moves_latest() {
    let tags = "          tags: |\n            o/r:${{ github.sha }}\n            ${{ endsWith(github.ref, 'main') && 'o/r:latest' || '' }}\n";
    let text = format!(
        "      - uses: docker/login-action@v3\n      - uses: docker/build-push-action@v6\n        with:\n          context: .\n          push: true\n{tags}"
    );
    let found = steps("push", &text);
    let found = rules(&found);
    assert!(found.contains(&("latest-by-suffix", 11)) && found.contains(&("ref-by-suffix", 13)), "{found:?}");
    assert!(found.contains(&("mutable-ref", 6)), "{found:?}");
}

#[test]
fn a_variable_that_nothing_sets_is_found() {
    let text = "      - uses: aws-actions/amazon-ecr-login@v1\n      - env: {KNOWN: x}\n        run: |\n          OWN=1\n          echo $KNOWN $OWN $GITHUB_SHA ${MAYBE:-x}\n          docker push $ECR_REGISTRY/m:1\n";
    let found = steps("push", text);
    let trap = found.traps.iter().find(|trap| trap.rule == "unset-variable").unwrap();
    assert_eq!((trap.place.line, trap.place.column), (11, 23));
    assert!(trap.advice.contains("steps.ID.outputs.registry"));
    assert_eq!(found.traps.iter().filter(|trap| trap.rule == "unset-variable").count(), 1);
}

#[test]
fn code_of_a_fork_with_secrets_is_found() {
    let text = "      - uses: actions/checkout@v4\n        with:\n          ref: ${{ github.event.pull_request.head.sha }}\n      - run: echo ${{ secrets.KEY }}\n";
    assert!(rules(&steps("pull_request_target", text)).contains(&("secrets-from-fork", 8)));
    assert!(!rules(&steps("pull_request", text)).iter().any(|(rule, _)| *rule == "secrets-from-fork"));
}

#[test]
fn a_scan_of_what_was_not_built_is_found() {
    let text = format!(
        "{BUILD}      - uses: aquasecurity/trivy-action@master\n        with:\n          image-ref: docker.io/o/r:latest\n          format: sarif\n"
    );
    let found = steps("{push: {branches: [main]}}", &text);
    let found = rules(&found);
    for expected in [
        ("scan-of-another-image", 23),
        ("mutable-ref", 21),
        ("scan-stops-nothing", 21),
        ("sarif-not-uploaded", 24),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
}

#[test]
fn a_clean_workflow_has_no_traps() {
    let text = "concurrency: x\non: push\njobs: {a: {runs-on: x, steps: [{uses: actions/checkout@0123456789012345678901234567890123456789}, {run: make}]}}\n";
    assert_eq!(rules(&of(text)), []);
}

#[test]
fn sarif_has_a_rule_for_every_result() {
    let log = sarif(&[steps("push", "      - uses: a/b@main\n")]);
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "mutable-ref");
    assert!(log["runs"][0]["results"][0]["ruleIndex"].is_number());
}
