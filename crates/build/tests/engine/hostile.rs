//! Contexts and Dockerfiles that mean no good.

use std::fs;
use std::os::unix::fs::symlink;

use crate::fixture::Host;
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("hostile::links_lead_neither_out_of_the_context_nor_out_of_the_image", links_stay_inside),
    ("hostile::what_is_missing_is_named_with_what_is_near", what_is_missing_is_named),
    ("hostile::what_is_ignored_is_not_there", what_is_ignored_is_not_there),
    ("hostile::a_directory_does_not_become_a_file", a_directory_does_not_become_a_file),
];

fn links_stay_inside(host: &Host) {
    let fixture = host.fixture();
    let root = fixture.context(&[("evil/passwd", "stolen"), ("data", "x")]);
    let outside = fixture.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "untouched").unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink("../../../../../../etc", root.join("up")).unwrap();
    let error = |dockerfile: &str| fixture.build(&fixture.request(dockerfile)).error();
    assert!(error("FROM scratch\nCOPY out/victim /v\n").contains("not found"));
    assert!(error("FROM scratch\nCOPY up/passwd /p\n").contains("not found"));
    assert!(error("FROM scratch\nCOPY ../outside/victim /v\n").contains("not found"));
    // A link in the image to a place outside is one to a place inside the image.
    let target = outside.display();
    let dockerfile = format!(
        "FROM busybox\nRUN ln -s {target} /ln && ln -s ../../../.. /up\nCOPY data /ln/victim\nCOPY data /up/data\n"
    );
    let files = fixture.files(&fixture.ok(&dockerfile));
    assert_eq!(fs::read_to_string(outside.join("victim")).unwrap(), "untouched");
    assert_eq!(files[&format!("{target}/victim")], "f 644 0:0 x");
    assert_eq!(files["/data"], "f 644 0:0 x");
}

fn what_is_missing_is_named(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("requirements.txt", "")]);
    let error = fixture.build(&fixture.request("FROM scratch\nCOPY requirement.txt /\n")).error();
    assert!(error.contains("\"/requirement.txt\": not found") && error.contains("line 2"), "{error}");
    let result = fixture.ok("FROM scratch\nCOPY *.nope /x/\n");
    assert_eq!(result.images[0].layers.len(), 1, "a glob may match nothing");
}

fn what_is_ignored_is_not_there(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[
        (".dockerignore", "*\n!keep\nkeep/secret\n"),
        ("keep/a", "a"),
        ("keep/secret", "s"),
        ("other", "o"),
    ]);
    let files = fixture.files(&fixture.ok("FROM scratch\nCOPY . /\n"));
    assert_eq!(files.keys().collect::<Vec<_>>(), ["/keep", "/keep/a"]);
    assert!(fixture.build(&fixture.request("FROM scratch\nCOPY other /\n")).error().contains("not found"));
}

fn a_directory_does_not_become_a_file(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("d/etc", "a file called etc"), ("e/bin/busybox/x", "")]);
    let error = |dockerfile: &str| fixture.build(&fixture.request(dockerfile)).error();
    assert!(error("FROM busybox\nCOPY d /\n").contains("cannot replace to directory /etc with file"));
    assert!(error("FROM busybox\nCOPY e /\n").contains("cannot copy to non-directory: /bin/busybox"));
}
