//! Files, good and bad.

use proptest::prelude::*;

use super::*;
use crate::source::Source;

fn read(text: &str) -> Result<Workflow, String> {
    let source = Source { name: "w.yml".into(), text: text.into() };
    Workflow::read(source).map_err(|faults| faults.to_string())
}

const GOOD: &str = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n";

#[test]
fn a_good_file_reads() {
    let workflow = read(GOOD).unwrap();
    assert_eq!(workflow.jobs[0].id, "a");
    assert_eq!(workflow.triggers[0].event, "push");
    assert_eq!(workflow.name, "w.yml");
}

#[test]
fn what_is_wrong_is_shown_in_place() {
    for (from, to, expected) in [
        (
            "runs-on",
            "run-on",
            "w.yml:4:5: Unexpected value 'run-on'\n    4 |     run-on: x\n      |     ^^^^^^ did you mean `runs-on`?",
        ),
        ("echo", "echo ${{ secrets. }}", "w.yml:6:32: Unexpected end of expression: secrets."),
        ("echo", "echo ${{ nope.x }}", "w.yml:6:23: Unrecognized named-value: 'nope'"),
        ("echo", "echo ${{ x", "w.yml:6:19: The expression is not closed"),
        ("      - run: echo", "      - id: x", "w.yml:6:9: Every step must define a `uses` or `run` key"),
        ("run: echo", "uses: checkout", "w.yml:6:15: Expected format {owner}/{repo}"),
        ("    steps", "    needs: b\n    steps", "w.yml:5:12: Job 'a' depends on unknown job 'b'."),
        (
            "    steps",
            "    needs: a\n    steps",
            "w.yml:5:12: The workflow must contain no cycle in `needs`: a -> a",
        ),
        ("    steps", "    if: secrets.X == ''\n    steps", "w.yml:5:9: Unrecognized named-value: 'secrets'"),
        ("on: push", "on: pusg", "w.yml:1:5: Unexpected value 'pusg': no event has this name"),
        ("on: push", "name: x", "w.yml:1:1: Required property is missing: on"),
        ("on: push", "on: {push: {branches: [a], branches-ignore: [b]}}", "cannot both be used"),
        ("on: push", "on: {push: {branches: ['[']}}", "w.yml:1:24: `[` is no pattern"),
        ("on: push", "on: push: x", "w.yml:1:9: not YAML"),
        ("jobs:", "permissions: {content: read}\njobs:", "w.yml:2:15: Unexpected value 'content'"),
    ] {
        let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(expected), "{expected}\n---\n{error}");
    }
}

#[test]
fn a_circle_is_named() {
    let job = |id: &str, needs: &str| {
        format!("  {id}:\n    needs: [{needs}]\n    runs-on: x\n    steps: [run: x]\n")
    };
    let text = format!("on: push\njobs:\n{}{}{}", job("a", "c"), job("b", "a"), job("c", "b"));
    assert!(read(&text).unwrap_err().contains("a -> c -> b -> a"));
}

#[test]
fn an_expression_in_a_block_has_its_own_place() {
    let text =
        GOOD.replace("run: echo", "run: |\n          one\n          two ${{ github.sha }} ${{ oops( }}");
    let error = read(&text).unwrap_err();
    assert!(error.starts_with("w.yml:8:37: Unrecognized function: 'oops'"), "{error}");
}

proptest! {
    #[test]
    fn no_file_panics(at in 0usize..60, cut in 0usize..20, put in "[ -:{}\\[\\]$'\"a-c\n]{0,8}") {
        let mut text = GOOD.replace("echo", "echo ${{ github.sha }}");
        let end = (at + cut).min(text.len());
        text.replace_range(at.min(end)..end, &put);
        let _ = read(&text);
    }
}
