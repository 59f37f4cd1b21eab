//! What `RUN` sees and leaves.

use wharf_build::{Event, Secret};

use crate::fixture::{Host, find_bytes};
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("run::a_failure_tells_line_code_and_last_words", a_failure_tells_line_code_and_last_words),
    ("run::a_secret_is_seen_by_the_step_alone", a_secret_is_seen_by_the_step_alone),
    ("run::mounts_of_all_kinds", mounts_of_all_kinds),
    ("run::nothing_of_the_network_files_stays", nothing_of_the_network_files_stays),
    ("run::user_home_and_directory", user_home_and_directory),
];

fn a_failure_tells_line_code_and_last_words(host: &Host) {
    let fixture = host.fixture();
    let built =
        fixture.build(&fixture.request("FROM busybox\n\nRUN echo before && echo why >&2 && \\\n  exit 7\n"));
    assert!(built.output().contains(&"why"));
    let error = built.result.as_ref().unwrap_err();
    let wharf_build::BuildError::Step { source, lines, .. } = error else { panic!("{error}") };
    assert_eq!(*lines, (3, 4));
    let wharf_build::Cause::Process { end, output, .. } = source.cause() else { panic!("{source}") };
    assert_eq!(*end, wharf_build::End::Exit(7));
    assert!(output.contains(&"why".to_owned()) && output.contains(&"before".to_owned()));
    assert!(built.error().contains("did not complete successfully: exit code: 7"));
}

fn a_secret_is_seen_by_the_step_alone(host: &Host) {
    let fixture = host.fixture();
    let value = "correct-horse-battery-staple";
    let mut request = fixture.request(
        "FROM busybox\nRUN --mount=type=secret,id=key --mount=type=secret,id=key,env=KEY,target=/k \
         cat /run/secrets/key /k && echo $KEY && test \"$KEY\" = \"$(cat /k)\" && cp /k /gone && rm /gone && \
         cat /k | wc -c > /length\n",
    );
    request.secrets.insert("key".into(), Secret::Value(value.as_bytes().to_vec()));
    let built = fixture.build(&request);
    assert!(built.output().iter().all(|line| !line.contains(value)), "{:?}", built.output());
    assert!(built.output().iter().any(|line| line.contains("***")));
    let shown = format!("{:?} {request:?}", built.events);
    assert!(!shown.contains(value));
    let result = built.ok();
    assert_eq!(fixture.files(&result)["/length"], format!("f 644 0:0 {}", value.len()));
    assert_eq!(find_bytes(&fixture.data(), value.as_bytes()), Vec::<std::path::PathBuf>::new());
}

fn mounts_of_all_kinds(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("in/file", "content"), ("in/ignored", "x"), (".dockerignore", "in/ignored\n")]);
    let dockerfile = "FROM busybox AS side\nRUN echo side > /side\nFROM busybox\n\
        RUN --mount=target=/ctx cat /ctx/in/file > /a && test ! -e /ctx/in/ignored && ! touch /ctx/x\n\
        RUN --mount=from=side,source=/side,target=/deep/er/file cat /deep/er/file > /b\n\
        RUN --mount=source=in,target=/rw,rw echo more > /rw/new && ls /rw | wc -l > /c\n\
        RUN --mount=type=cache,target=/cache echo kept >> /cache/f\n\
        RUN --mount=type=cache,target=/cache cat /cache/f > /d\n\
        RUN --mount=type=tmpfs,target=/t echo gone > /t/x\n";
    let files = fixture.files(&fixture.ok(dockerfile));
    assert_eq!(files["/a"], "f 644 0:0 content");
    assert_eq!(files["/b"], "f 644 0:0 side");
    assert_eq!(files["/c"], "f 644 0:0 2");
    assert_eq!(files["/d"], "f 644 0:0 kept");
    for gone in ["/ctx", "/deep", "/rw", "/cache", "/t", "/side"] {
        assert!(!files.contains_key(gone), "{gone} ought to leave no trace");
    }
    assert!(!fixture.path("context/in/new").exists());
}

fn nothing_of_the_network_files_stays(host: &Host) {
    let fixture = host.fixture();
    let files = fixture.files(&fixture.ok("FROM busybox\nRUN cat /etc/hosts && touch /made\n"));
    let made: Vec<&String> = files.keys().filter(|path| !path.starts_with("/bin")).collect();
    assert_eq!(made, ["/dev", "/etc", "/etc/group", "/etc/passwd", "/made", "/proc", "/sys", "/tmp"]);
}

fn user_home_and_directory(host: &Host) {
    let fixture = host.fixture();
    let dockerfile = "FROM busybox\nWORKDIR /work\nRUN chmod 777 .\nUSER app\n\
        RUN echo $HOME $PWD $(id -u):$(id -g) > who\nUSER nobody\n";
    let files = fixture.files(&fixture.ok(dockerfile));
    assert_eq!(files["/work/who"], "f 644 1000:1001 /home/app /work 1000:1001");
    let built = fixture.build(&fixture.request("FROM busybox\nUSER nobody\nRUN true\n"));
    assert!(built.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    assert!(built.error().contains("unable to find user `nobody`"));
}
