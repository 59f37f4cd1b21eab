//! What is not built again, and why the rest is.

use std::fs;
use std::time::SystemTime;

use wharf_build::Reason;
use wharf_build::plan::NoCache;

use crate::fixture::{Fixture, Host};
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("cache::nothing_changed_nothing_runs", nothing_changed_nothing_runs),
    ("cache::an_edit_is_noticed_whatever_its_size_and_time", an_edit_is_noticed_whatever_its_size_and_time),
    ("cache::each_step_says_why_it_ran", each_step_says_why_it_ran),
    ("cache::equal_files_of_a_rebuilt_stage_are_a_hit", equal_files_of_a_rebuilt_stage_are_a_hit),
    ("cache::without_it_all_runs_and_what_follows_too", without_it_all_runs_and_what_follows_too),
    ("cache::a_damaged_layer_is_made_again", a_damaged_layer_is_made_again),
    ("cache::what_steps_make_is_pinned", what_steps_make_is_pinned),
    ("cache::a_linked_copy_outlives_its_base", a_linked_copy_outlives_its_base),
];

const DOCKERFILE: &str =
    "FROM busybox\nARG WHO=me\nRUN echo $WHO > /who\nCOPY src /src\nRUN cat /src/a > /b\n";

fn counts(fixture: &Fixture, dockerfile: &str) -> (usize, usize) {
    let result = fixture.ok(dockerfile);
    (result.cached, result.executed)
}

fn nothing_changed_nothing_runs(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("src/a", "1"), ("unused", "1")]);
    let first = fixture.ok(DOCKERFILE);
    fixture.context(&[("unused", "2")]);
    let snapshots = fixture.data().join("snapshots");
    fs::remove_dir_all(&snapshots).unwrap();
    fs::create_dir(&snapshots).unwrap();
    let second = fixture.ok(DOCKERFILE);
    assert_eq!((second.cached, second.executed), (3, 0));
    assert_eq!(second.image, first.image);
    assert_eq!(fs::read_dir(&snapshots).unwrap().count(), 0, "a hit needs no files");
}

fn an_edit_is_noticed_whatever_its_size_and_time(host: &Host) {
    let fixture = host.fixture();
    let root = fixture.context(&[("src/a", "1")]);
    let time = SystemTime::UNIX_EPOCH;
    let write = |content: &str| {
        fs::write(root.join("src/a"), content).unwrap();
        let file = fs::File::options().write(true).open(root.join("src/a")).unwrap();
        file.set_modified(time).unwrap();
    };
    write("1");
    counts(&fixture, DOCKERFILE);
    for round in ["2", "3", "4"] {
        write(round);
        let result = fixture.ok(DOCKERFILE);
        assert_eq!((result.cached, result.executed), (1, 2));
        assert_eq!(fixture.files(&result)["/b"], format!("f 644 0:0 {round}"));
    }
}

fn each_step_says_why_it_ran(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("src/a", "1"), ("src/b", "1")]);
    let mut request = fixture.request(DOCKERFILE);
    let first = fixture.build(&request);
    assert_eq!(first.reasons(), [&Reason::New, &Reason::New, &Reason::New]);
    fixture.context(&[("src/b", "2"), ("src/c", "3")]);
    let edited = fixture.build(&request);
    let files = Reason::Files { paths: vec!["src/b".into(), "src/c".into()], count: 2 };
    let parent = |step: &str| Reason::Parent { step: Some(step.into()) };
    assert_eq!(edited.reasons(), [&files, &parent("[3/4] COPY src /src")]);
    request.options.build_args.insert("WHO".into(), "you".into());
    let argument = fixture.build(&request);
    let who = Reason::Variables(vec!["WHO".into()]);
    assert_eq!(argument.reasons(), [&who, &parent("[2/4] RUN echo you > /who"), &who]);
    let mut request = fixture.request(&DOCKERFILE.replace("cat", "cat -n"));
    request.options.build_args.insert("WHO".into(), "you".into());
    assert_eq!(fixture.build(&request).reasons(), [&Reason::Instruction]);
}

fn equal_files_of_a_rebuilt_stage_are_a_hit(host: &Host) {
    let fixture = host.fixture();
    let dockerfile = |note: &str| {
        format!(
            "FROM busybox AS one\nRUN echo {note} > /note && echo same > /out\n\
             FROM busybox\nCOPY --from=one /out /out\nRUN cat /out > /copy\n"
        )
    };
    assert_eq!(counts(&fixture, &dockerfile("first")), (0, 3));
    assert_eq!(counts(&fixture, &dockerfile("second")), (2, 1));
    assert_eq!(counts(&fixture, &dockerfile("second")), (3, 0));
}

fn without_it_all_runs_and_what_follows_too(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("src/a", "1")]);
    let mut request = fixture.request(DOCKERFILE);
    fixture.build(&request).ok();
    request.options.no_cache = NoCache::All;
    let built = fixture.build(&request);
    assert!(built.reasons().iter().all(|reason| **reason == Reason::Disabled));
    assert_eq!(built.ok().executed, 3);
    assert_eq!(counts(&fixture, DOCKERFILE), (3, 0), "what was made last is what is found");
}

fn a_damaged_layer_is_made_again(host: &Host) {
    let fixture = host.fixture();
    let first = fixture.ok("FROM busybox\nRUN echo one > /one\n");
    let digest = &first.images[0].layers[1].blob.digest;
    let blob = fixture.engine.store().path(digest);
    // Truncated: noticed before it is used. Turned over: noticed when it is unpacked.
    let whole = fs::read(&blob).unwrap();
    fs::write(&blob, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(counts(&fixture, "FROM busybox\nRUN echo one > /one\n"), (0, 1));
    let second = fixture.ok("FROM busybox\nRUN echo one > /one\n");
    let blob = fixture.engine.store().path(&second.images[0].layers[1].blob.digest);
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&blob, bytes).unwrap();
    let snapshots = fixture.data().join("snapshots");
    fs::remove_dir_all(&snapshots).unwrap();
    fs::create_dir(&snapshots).unwrap();
    let third = fixture.ok("FROM busybox\nRUN echo one > /one\nRUN cat /one > /two\n");
    assert_eq!(fixture.files(&third)["/two"], "f 644 0:0 one");
}

fn a_linked_copy_outlives_its_base(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("a", "1")]);
    let dockerfile =
        |note: &str| format!("FROM busybox\nRUN echo {note} > /x\nCOPY --link a /dir/a\nRUN cat /dir/a\n");
    assert_eq!(counts(&fixture, &dockerfile("first")), (0, 3));
    assert_eq!(
        counts(&fixture, &dockerfile("second")),
        (1, 2),
        "the copy is taken over, what follows is not"
    );
}

/// What steps make of given parts is part of the meaning of a cache that outlives the version of wharf. Where
/// this fails, and the new layers are right, raise `ENGINE` in `step/key.rs` and put the new digests here.
fn what_steps_make_is_pinned(host: &Host) {
    let fixture = host.fixture();
    let root = fixture.context(&[("tree/a", "1"), ("tree/d/b", "2"), ("tree/d/c", "3")]);
    for name in ["tree/a", "tree/d/b", "tree/d/c", "tree/d", "tree"] {
        let file = fs::File::open(root.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let result = fixture.ok(
        "FROM scratch\nCOPY tree /\nCOPY --chown=5:6 --chmod=u+x tree/a /a\nCOPY --link tree/d /\nCOPY --parents tree/d/* /\n",
    );
    let layers: Vec<String> = result.images[0].layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    assert_eq!(layers, PINNED);
}

const PINNED: [&str; 4] = [
    "sha256:5f742a8fbc3b8d713c85092a3d0fbffe0ebfae222adf1fa6019f2f78ff290343",
    "sha256:be0d35c68c997a3a8b15ab9bec95c6f61dc925f710c80a13fab4f917df461ad1",
    "sha256:78175c923fd49ea5c2450bf31557e9ffdba1a39005d2044ae1d60202e87f2dc5",
    "sha256:c7ba058ad494dd579b21cce93a34fd45b021aa8c85e8df7f5654e3969248897c",
];
