//! `COPY` and `ADD`.

use super::super::{CopyOp, CopySource, GitSource, Source, StageId};
use super::{build, planned, refused};

#[track_caller]
fn copy(line: &str) -> CopyOp {
    let plan = planned(&format!("FROM scratch\nWORKDIR /w\n{line}"));
    plan.copies()[0].clone()
}

fn paths(op: &CopyOp) -> Vec<&str> {
    let paths = op.sources.iter().map(|source| match source {
        CopySource::Path { path, .. } => path.as_str(),
        other => panic!("{other:?}"),
    });
    paths.collect()
}

#[test]
fn paths_are_absolute_and_stay_below_the_root() {
    let op = copy("COPY a/ ./b ../../c /d *.txt out/");
    assert_eq!(paths(&op), ["/a", "/b", "/c", "/d", "/*.txt"]);
    assert_eq!((op.dest.as_str(), op.dest_is_dir()), ("/w/out/", true));
    assert_eq!((op.unpack, op.is_add, op.from), (false, false, Source::Context));
    assert_eq!(copy("COPY a .").dest, "/w/");
    assert_eq!(copy("COPY a b").dest, "/w/b");
    assert!(copy("COPY --link a b").link && !copy("COPY --link --chmod=700 a b").link);
    assert!(copy("ADD a b").unpack && !copy("ADD --unpack=false a b").unpack);
}

#[test]
fn flags_are_expanded_and_shown_as_buildkit_shows_them() {
    let plan = planned(
        "FROM busybox\nARG U=app\nARG M=0750\nCOPY --link --chown=$U:$U --chmod=$M --exclude=*.md a b c/\nCOPY --parents x/./y z /",
    );
    let op = plan.copies()[0];
    assert_eq!(op.chown.as_deref(), Some("app:app"));
    assert_eq!(op.chmod.as_ref().unwrap().apply(0o600, false), 0o750);
    assert!(!op.link, "a mode is given on top of what is below");
    assert_eq!(op.excludes, ["*.md"]);
    assert_eq!(
        plan.created_by()[2..],
        ["COPY --chown=app:app --chmod=0750 a b c/ # buildkit", "COPY --parents x/./y z / # buildkit"]
    );
    assert!(refused("FROM scratch\nCOPY --chmod=999 a b").contains("invalid chmod parameter"));
}

#[test]
fn parents_are_kept_from_the_pivot_on() {
    let op = copy("COPY --parents src/./a/b c/d* /out/");
    let [
        CopySource::Path { path: first, parents: Some(one) },
        CopySource::Path { path: second, parents: Some(two) },
    ] = op.sources.as_slice()
    else {
        panic!("{op:?}")
    };
    assert_eq!(
        (first.as_str(), one.pattern.as_str(), one.required.as_deref()),
        ("/src", "a/b", Some("/src/a/b"))
    );
    assert_eq!((second.as_str(), two.pattern.as_str(), two.required.as_deref()), ("/", "c/d*", None));
}

#[test]
fn inline_files_come_after_paths() {
    let plan = planned("FROM scratch\nARG A=1\nCOPY <<one x <<'two' /d/\n$A\none\n$A\ntwo\n");
    let op = plan.copies()[0];
    let content = |index: usize| match &op.sources[index] {
        CopySource::Inline { name, content } => (name.as_str(), String::from_utf8_lossy(content)),
        other => panic!("{other:?}"),
    };
    assert_eq!(content(1), ("one", "1\n".into()));
    assert_eq!(content(2), ("two", "$A\n".into()));
    assert_eq!(plan.created_by()[1], "COPY x <<one <<two /d/ # buildkit");
}

#[test]
fn downloads_are_named_after_their_path() {
    let source = |line: &str| copy(line).sources[0].clone();
    let named = |line: &str| match source(line) {
        CopySource::Url { name, .. } => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(named("ADD https://h/a/b%20c.tar?q=1#f /x"), "b c.tar");
    assert_eq!(named("ADD https://h /x"), "__unnamed__");
    let sum = format!("sha256:{}", "a".repeat(64));
    let CopySource::Url { checksum, unpack, .. } =
        source(&format!("ADD --unpack --checksum={sum} https://h/f /x"))
    else {
        panic!()
    };
    assert_eq!((checksum.unwrap().to_string(), unpack), (sum, true));
}

#[test]
fn repositories_are_checked_out() {
    let source = |line: &str| copy(line).sources[0].clone();
    let plain = GitSource {
        remote: "https://h/r.git".into(),
        reference: "v1".into(),
        subdir: "d".into(),
        checksum: None,
        keep_git_dir: false,
        submodules: true,
    };
    assert_eq!(source("ADD https://h/r.git#v1:d /x"), CopySource::Git(plain.clone()));
    let kept = GitSource { remote: "https://h/r".into(), keep_git_dir: true, ..plain };
    assert_eq!(source("ADD --keep-git-dir=true https://h/r#v1:d /x"), CopySource::Git(kept));
}

#[test]
fn what_cannot_be_copied_is_refused() {
    for (line, why) in [
        ("COPY https://h/f /x", "can't be a URL"),
        ("COPY https://h/r.git /x", "can't be a git ref"),
        ("ADD --checksum=sha256:1 a /x", "requires HTTP(S) or Git"),
        ("ADD --checksum=sha256:1 https://h/a https://h/b /x/", "multiple sources"),
        ("ADD --checksum=sha256:1 https://h/a /x", "sha256:1"),
        ("ADD --checksum=abc https://h/r.git?checksum=abd /x", "checksum mismatch"),
        ("ADD --keep-git-dir=false https://h/r.git?keep-git-dir=1 /x", "inconsistent"),
        ("ADD https://h/r.git?nope=1 /x", "unexpected query"),
        ("COPY --from=$A a /x", "variable expansion is not supported"),
        ("COPY --from=7 a /x", "invalid stage index 7"),
        ("COPY --from=-1 a /x", "invalid stage index -1"),
        ("COPY --from=nosuch a /x", "nosuch"),
    ] {
        let error = refused(&format!("FROM scratch\n{line}"));
        assert!(error.contains(why), "{line}: {error}");
    }
}

#[test]
fn files_come_from_stages_images_contexts_and_nowhere() {
    use super::super::ContextKind;
    let from = |name: &str| {
        let text = format!("FROM scratch AS one\nFROM scratch\nCOPY --from={name} / /");
        let plan = build(&text).context("files", ContextKind::Files).plan();
        plan.copies()[0].from.clone()
    };
    assert_eq!(from("one"), Source::Stage(StageId(0)));
    assert_eq!(from("ONE"), Source::Stage(StageId(0)));
    assert_eq!(from("0"), Source::Stage(StageId(0)));
    assert_eq!(from("files"), Source::NamedContext("files".into()));
    assert_eq!(from("scratch"), Source::Scratch);
    let Source::Image(image) = from("busybox") else { panic!() };
    assert_eq!(image.reference, "docker.io/library/busybox:latest");
}
