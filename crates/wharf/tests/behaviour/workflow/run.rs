//! `wharf workflow run`: jobs, steps, what they see and leave, and how they are stopped.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{commit, git, of_steps, project, run};
use crate::skip;
use crate::world::Ran;

/// Name and outcome of every step of a job.
fn outcomes(report: &Value, job: usize) -> Vec<(String, String)> {
    let steps = report["jobs"][job]["steps"].as_array().unwrap().iter();
    steps
        .map(|step| (step["name"].as_str().unwrap().to_owned(), step["outcome"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn steps_see_a_clean_copy_and_speak_through_files() {
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - id: one\n        run: |\n          test ! -e untracked && test \"$(cat app.txt)\" = one && git log -1 --format=%D\n          echo \"answer=42\" >> $GITHUB_OUTPUT\n          echo \"LATER=set\" >> $GITHUB_ENV\n          mkdir -p tools && echo 'echo from-path' > tools/mine && chmod +x tools/mine && echo \"$PWD/tools\" >> $GITHUB_PATH\n          echo '# Done' >> $GITHUB_STEP_SUMMARY\n      - run: test \"$LATER\" = set && mine && test -z \"$SECRET_OF_THE_HOST\"\n      - run: test \"${{ steps.one.outputs.answer }}\" = 42 && echo new > made.txt\n      - run: print('python', 6 * 7)\n        shell: python\n",
    ));
    world.file("untracked", "x");
    world.file("app.txt", "changed\n");
    let mut command = world.command(&["workflow", "run", ".github/workflows/w.yml", "--json"]);
    let ran = Ran::from(command.env("SECRET_OF_THE_HOST", "x").output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["jobs"][0]["steps"][1]["outputs"]["answer"], "42");
    assert_eq!(report["summary"], "# Done\n");
    assert!(ran.stderr.contains("from-path") && ran.stderr.contains("python 42"), "{}", ran.stderr);
    assert!(ran.stderr.contains("what is not committed is not part of the run"), "{}", ran.stderr);
    let made = world.path("project/.wharf/workflow/files/a/made.txt");
    assert_eq!(std::fs::read_to_string(made).unwrap(), "new\n");
    assert_eq!(std::fs::read_to_string(world.path("project/app.txt")).unwrap(), "changed\n");
}

#[test]
fn secrets_are_hidden_in_every_form() {
    let world = project(&of_steps(
        "      - run: |\n          echo \"plain ${{ secrets.TOKEN }}\"\n          printf '%s' \"user:$T\" | base64\n          python3 -c 'import os, urllib.parse as u; print(u.quote(os.environ[\"T\"], safe=\"\"))'\n          echo \"::add-mask::made-up-here\"; echo made-up-here\n          echo \"out=${{ secrets.TOKEN }}\" >> $GITHUB_OUTPUT; echo \"${{ secrets.TOKEN }}\" >> $GITHUB_STEP_SUMMARY\n        id: x\n        env: {T: \"${{ secrets.TOKEN }}\"}\n",
    ));
    let (ran, report) = run(&world, &["--secret", "TOKEN=hunter/2 & hunter"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let all = format!("{}{}", ran.stderr, ran.stdout);
    for form in ["hunter/2", "dXNlcjpodW50ZXIvMiAmIGh1bnRlcg", "hunter%2F2", "made-up-here"] {
        assert!(
            !ran.stderr
                .lines()
                .filter(|line| !line.contains("▸") && !line.contains("✓"))
                .any(|line| line.contains(form)),
            "{form}: {}",
            ran.stderr
        );
    }
    assert!(!all.contains("hunter/2"), "{all}");
    assert_eq!(report["jobs"][0]["steps"][0]["outputs"]["out"], "***");
}

#[test]
fn a_failure_skips_what_follows_but_not_what_always_runs() {
    let world = project(&of_steps(
        "      - run: exit 3\n        name: fails\n        id: f\n      - run: echo\n        name: skipped\n      - run: test ${{ steps.f.outcome }} = failure\n        name: on failure\n        if: failure()\n      - run: echo\n        name: always\n        if: always()\n",
    ));
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 1);
    let expected =
        [("fails", "failure"), ("skipped", "skipped"), ("on failure", "success"), ("always", "success")];
    assert_eq!(outcomes(&report, 0), expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())));
    assert!(ran.stderr.contains("w.yml:6: the step `fails` of the job `a` failed"), "{}", ran.stderr);
}

#[test]
fn jobs_follow_their_needs_and_hand_outputs_on() {
    let world = project(
        "on: push\njobs:\n  last:\n    needs: [matrix, broken]\n    if: ${{ !cancelled() }}\n    runs-on: x\n    steps:\n      - run: test '${{ needs.matrix.outputs.v }}' = from-2 && test ${{ needs.broken.result }} = failure\n  dependent:\n    needs: broken\n    runs-on: x\n    steps: [{run: echo}]\n  matrix:\n    runs-on: x\n    strategy:\n      max-parallel: 1\n      matrix: {n: [1, 2], include: [{n: 2, extra: yes-two}], exclude: [{n: 3}, {n: 1}]}\n    outputs: {v: \"${{ steps.s.outputs.v }}\"}\n    steps:\n      - {id: s, run: 'echo \"v=from-${{ matrix.n }}\" >> $GITHUB_OUTPUT; test \"${{ matrix.extra }}\" = yes-two'}\n  broken:\n    runs-on: x\n    steps: [{run: 'false'}]\n",
    );
    let (ran, report) = run(&world, &[]);
    let results: Vec<(&str, &str)> = report["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (job["name"].as_str().unwrap(), job["result"].as_str().unwrap()))
        .collect();
    let expected = [
        ("last", "success"),
        ("dependent", "skipped"),
        ("matrix (2, yes-two)", "success"),
        ("broken", "failure"),
    ];
    assert_eq!(results, expected, "{}", ran.stderr);
    assert_eq!(ran.code, 1);
    let (_, only) = run(&world, &["--job", "matrix"]);
    assert_eq!(only["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn local_actions_and_workflows_run() {
    let world = project(
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - id: c\n        uses: ./.github/actions/c\n        with: {who: world}\n      - run: test \"${{ steps.c.outputs.said }}\" = 'hello world'\n  b:\n    uses: ./.github/workflows/inner.yml\n    with: {n: 3}\n    secrets: inherit\n  c:\n    needs: b\n    runs-on: x\n    steps: [{run: 'test ${{ needs.b.outputs.twice }} = 33'}]\n",
    );
    world.file(
        ".github/actions/c/action.yml",
        "inputs: {who: {default: nobody}}\noutputs: {said: {value: '${{ steps.s.outputs.said }}'}}\nruns:\n  using: composite\n  steps:\n    - {id: s, shell: bash, run: 'echo \"said=hello ${{ inputs.who }}\" >> $GITHUB_OUTPUT'}\n",
    );
    world.file(
        ".github/workflows/inner.yml",
        "on:\n  workflow_call:\n    inputs: {n: {type: number, required: true}}\n    outputs: {twice: {value: '${{ jobs.j.outputs.o }}'}}\njobs:\n  j:\n    runs-on: x\n    outputs: {o: '${{ steps.s.outputs.o }}'}\n    steps: [{id: s, run: 'echo o=${{ inputs.n }}${{ inputs.n }} >> $GITHUB_OUTPUT'}]\n",
    );
    commit(&world);
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(report["jobs"][1]["name"], "b / j");
    assert_eq!(report["jobs"][0]["steps"][2]["depth"], 1);
}

#[test]
fn a_javascript_action_runs_with_its_post() {
    if !std::path::Path::new("/usr/bin/node").exists() {
        skip!("node is not installed");
    }
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - uses: ./act\n        with: {name: x}\n",
    ));
    world.file("act/action.yml", "inputs: {name: {}}\nruns: {using: node20, main: main.js, post: post.js}\n");
    world.file(
        "act/main.js",
        "require('fs').appendFileSync(process.env.GITHUB_STATE, 'k=' + process.env.INPUT_NAME + '\\n')",
    );
    world.file("act/post.js", "console.log('post got ' + process.env.STATE_k)");
    commit(&world);
    let (ran, _) = run(&world, &[]);
    assert!(ran.code == 0 && ran.stderr.contains("post got x"), "{}", ran.stderr);
}

#[test]
fn an_unknown_action_is_refused_before_anything_runs_or_left_out() {
    let world = project(&of_steps(
        "      - run: touch $HOME/ran\n      - uses: slackapi/slack-github-action@v1\n      - run: echo after\n",
    ));
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 1);
    assert_eq!(report["jobs"][0]["steps"][1]["kind"], "refused");
    assert!(
        ran.stderr.contains("slackapi/slack-github-action@v1") && ran.stderr.contains("--skip-unknown"),
        "{}",
        ran.stderr
    );
    assert!(!world.path("home/ran").exists(), "a step ran before the refusal");
    let (ran, report) = run(&world, &["--skip-unknown"]);
    assert_eq!(
        (ran.code, &report["jobs"][0]["steps"][1]["kind"]),
        (0, &Value::from("skipped")),
        "{}",
        ran.stderr
    );
}

#[test]
fn services_and_foreign_machines_are_refused_with_a_reason() {
    for (key, words) in [("services: {db: {image: postgres}}", "`db`"), ("container: alpine", "`container`")]
    {
        let world =
            project(&of_steps("      - run: echo\n").replace("    steps", &format!("    {key}\n    steps")));
        let (ran, report) = run(&world, &[]);
        let reason = report["jobs"][0]["reason"].as_str().unwrap();
        assert!(ran.code == 1 && reason.contains("refused") && reason.contains(words), "{reason}");
    }
    let world = project(&of_steps("      - run: echo\n").replace("ubuntu-latest", "windows-latest"));
    assert!(run(&world, &[]).0.stderr.contains("windows-latest"));
}

#[test]
fn a_step_that_takes_too_long_is_stopped_with_all_it_started() {
    let world = project(&of_steps(
        "      - run: (setsid sleep 61.25 &) ; sleep 61.25\n        timeout-minutes: 0.005\n",
    ));
    let began = Instant::now();
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 1);
    assert!(report["jobs"][0]["steps"][0]["message"].as_str().unwrap().contains("timed out"));
    assert!(began.elapsed() < Duration::from_secs(50), "it was waited for");
    assert_eq!(processes("61.25"), 0);
}

/// Processes with this on their command line.
fn processes(word: &str) -> usize {
    let holds = |path: std::path::PathBuf| {
        std::fs::read(path.join("cmdline"))
            .is_ok_and(|line| line.split(|b| *b == 0).any(|part| part == word.as_bytes()))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| holds(entry.path())).count()
}

#[test]
fn an_interrupt_stops_everything_and_still_cleans_up() {
    let world = project(&of_steps(
        "      - run: (setsid sleep 62.75 &) ; echo begun; sleep 62.75\n      - run: echo cleaned\n        if: always()\n",
    ));
    let mut command = world.command(&["workflow", "run", ".github/workflows/w.yml"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("  begun")), "it does not begin");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.iter().any(|line| line.ends_with("  cleaned")), "{rest:?}");
    assert_eq!(processes("62.75"), 0);
}

#[test]
fn filters_decide_whether_it_runs_and_say_why_not() {
    let world = project(
        "on: {push: {branches: [main], paths: ['src/**']}, pull_request: {branches: [main]}}\njobs: {a: {runs-on: x, steps: [{run: 'test ${{ github.event.number }} = 42'}]}}\n",
    );
    let (ran, report) = run(&world, &[]);
    assert_eq!((ran.code, &report["runs"]), (0, &Value::Bool(false)));
    assert!(report["reason"].as_str().unwrap().contains("no changed file matches `paths`"));
    let plain = world.wharf_ok(&["workflow", "run", ".github/workflows/w.yml", "--ref", "refs/tags/v1"]);
    assert!(plain.stdout.contains("its filters name branches only"), "{}", plain.stdout);
    let (ran, _) = run(&world, &["--event", "pull_request", "--ref", "refs/pull/42/merge"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(run(&world, &["--event", "release"]).1["runs"], false);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - run: touch $HOME/ran\n      - run: echo\n        if: github.ref == 'refs/heads/other'\n",
    ));
    let (ran, report) = run(&world, &["--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let kinds: Vec<&str> = report["jobs"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["native", "executed", "skipped"]);
    assert!(!world.path("home/ran").exists());
}

#[test]
fn the_end_is_a_table_of_every_step() {
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - id: o\n        run: echo \"k=v\" >> $GITHUB_OUTPUT\n      - run: echo\n        if: false\n",
    ));
    let ran = world.wharf_ok(&["workflow", "run", ".github/workflows/w.yml"]);
    let rows: Vec<&str> = ran.stdout.lines().skip_while(|line| !line.starts_with("JOB ")).collect();
    assert!(rows[0].contains("HOW") && rows[0].contains("TIME") && rows[0].contains("OUTPUTS"), "{rows:?}");
    for (row, words) in [
        (1, ["native", "success"]),
        (2, ["executed", "k=v"]),
        (3, ["skipped", "its condition is false: false"]),
    ] {
        assert!(words.iter().all(|word| rows[row].contains(word)), "{}", rows[row]);
    }
}

#[test]
fn bad_files_are_told_with_place_and_caret() {
    let world = project(
        "on: push\njobs:\n  a:\n    runs-on: x\n    needs: b\n    steps:\n      - run: echo ${{ github.sha == }}\n      - rum: echo\n",
    );
    let ran = world.wharf(&["workflow", "run", ".github/workflows/w.yml"]);
    assert_eq!(ran.code, 2);
    for words in [
        "w.yml:5:12: Job 'a' depends on unknown job 'b'.",
        "w.yml:7:37: Unexpected end of expression",
        "w.yml:8:9: Unexpected value 'rum'",
        "^^^ did you mean `run`?",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let ran = world.wharf(&["workflow", "run", "nope.yml"]);
    assert!(ran.code == 2 && ran.stderr.contains("nope.yml"), "{}", ran.stderr);
}

#[test]
fn a_missing_secret_is_empty_and_said() {
    let world = project(&of_steps(
        "      - uses: docker/login-action@v3\n        with: {username: me, password: '${{ secrets.NOT_THERE }}'}\n",
    ));
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the secret `NOT_THERE` (line 7) is not given"), "{}", ran.stderr);
    assert_eq!(report["jobs"][0]["steps"][0]["message"], "Password required");
}

#[test]
fn artifacts_and_caches_go_from_job_to_job_and_run_to_run() {
    let world = project(
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - id: c\n        uses: actions/cache@v4\n        with: {path: kept, key: \"k-${{ hashFiles('app.txt') }}\"}\n      - run: mkdir -p kept out/sub && echo x > kept/f && echo y > out/sub/g && echo \"hit=${{ steps.c.outputs.cache-hit }}.\"\n      - uses: actions/upload-artifact@v4\n        with: {name: made, path: out/}\n  b:\n    needs: a\n    runs-on: x\n    steps:\n      - uses: actions/download-artifact@v4\n        with: {name: made, path: got}\n      - run: test \"$(cat got/sub/g)\" = y\n",
    );
    let (first, _) = run(&world, &[]);
    assert!(first.code == 0 && first.stderr.contains("hit=."), "{}", first.stderr);
    let (second, report) = run(&world, &[]);
    assert!(second.code == 0 && second.stderr.contains("hit=true."), "{}", second.stderr);
    assert_eq!(report["artifacts"][0]["files"], 1);
}

#[test]
fn inputs_are_checked_and_typed() {
    let world = project(
        "on: {workflow_dispatch: {inputs: {n: {type: number, required: true}, level: {type: choice, options: [a, b], default: a}}}}\njobs: {a: {runs-on: x, steps: [{run: \"test '${{ inputs.n == 3 }}' = true && test ${{ inputs.level }} = a\"}]}}\n",
    );
    let dispatch = ["--event", "workflow_dispatch"];
    let fails = |more: &[&str]| {
        world.wharf(&[&["workflow", "run", ".github/workflows/w.yml"], &dispatch[..], more].concat())
    };
    assert!(fails(&[]).stderr.contains("Required input 'n' not provided"));
    assert!(fails(&["--input", "n=3", "--input", "level=c"]).stderr.contains("one of a, b"));
    assert_eq!(fails(&["--input", "nope=1"]).code, 2);
    let (ran, _) = run(&world, &[&dispatch[..], &["--input", "n=3"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_tag_is_checked_out_detached_and_history_is_shallow() {
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - run: test \"$(git describe --tags)\" = v1 && ! git symbolic-ref -q HEAD && test $(git rev-list --count HEAD) = 1\n      - uses: actions/checkout@v4\n        with: {fetch-depth: 0, path: deep}\n      - run: test $(git -C deep rev-list --count HEAD) = 2\n",
    ));
    git(&world, &["commit", "--quiet", "--allow-empty", "--message", "two"]);
    git(&world, &["tag", "v1"]);
    let (ran, _) = run(&world, &["--ref", "v1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_folder_without_git_is_copied() {
    let world = crate::world::World::new();
    world.file(
        ".github/workflows/w.yml",
        &of_steps("      - uses: actions/checkout@v4\n      - run: test -f here.txt\n"),
    );
    world.file("here.txt", "x");
    let (ran, _) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("no git repository"), "{}", ran.stderr);
}
