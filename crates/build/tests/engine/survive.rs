//! Builds that are killed, and builds side by side.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use wharf_build::{BuildRequest, ContextSource};

use crate::fixture::{Host, build};
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("survive::a_killed_build_leaves_nothing_that_is_trusted", a_killed_build_leaves_nothing_that_is_trusted),
    ("survive::builds_side_by_side_agree", builds_side_by_side_agree),
];

/// The first argument of a process that only builds.
pub(crate) const CHILD: &str = "--build-as-child";

pub(crate) fn build_as_child(data: &Path, context: &Path) {
    let host = Host::enter().expect("the parent has entered, too");
    let engine = host.engine(data);
    let built = build(&engine, &BuildRequest::new(ContextSource::Directory(context.to_owned())));
    println!("{}", built.ok().image.digest);
}

fn a_killed_build_leaves_nothing_that_is_trusted(host: &Host) {
    let fixture = host.fixture();
    let context = fixture.context(&[("a", "1")]);
    let mark = fixture.path("mark");
    fs::create_dir(&mark).unwrap();
    // The step tells through a cache mount that it is running, and then waits to be killed.
    let request = fixture.request(
        "FROM busybox\nRUN echo one > /one\n\
         RUN --mount=type=cache,id=k,target=/k if test ! -e /k/again; then touch /k/again && echo half > /half && sleep 1000; fi\n\
         COPY a /a\n",
    );
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD.as_ref(), fixture.data().as_os_str(), context.as_os_str()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let caches = fixture.data().join("cache-mounts");
    let started = || {
        let entries = fs::read_dir(&caches).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join("again")).any(|path| path.exists())
    };
    while !started() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let engine = host.engine(&fixture.data());
    let left = fs::read_dir(fixture.data().join("work")).unwrap().flatten();
    assert_eq!(left.filter(|entry| entry.path().is_dir()).count(), 0, "left-overs are swept");
    let result = build(&engine, &request).ok();
    let files = fixture.files(&result);
    assert_eq!(files["/one"], "f 644 0:0 one");
    assert!(!files.contains_key("/half"), "nothing of the killed step is used");
}

fn builds_side_by_side_agree(host: &Host) {
    let fixture = host.fixture();
    let context = fixture.context(&[("a", "1"), ("b/c", "2")]);
    fixture.request("FROM busybox AS x\nRUN echo x > /x\nFROM busybox\nCOPY . /ctx\nCOPY --from=x /x /x\nRUN cat /x /ctx/a > /y\n");
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([CHILD.as_ref(), fixture.data().as_os_str(), context.as_os_str()])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
    }
    let result = build(&fixture.engine, &BuildRequest::new(ContextSource::Directory(context))).ok();
    assert_eq!((result.cached, result.executed), (4, 0));
    assert_eq!(fixture.files(&result)["/y"], "f 644 0:0 x\n1");
}
