//! What is built.

use crate::fixture::Host;
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("image::files_and_config_of_a_multi_stage_build", files_and_config_of_a_multi_stage_build),
    ("image::metadata_alone_needs_no_layer", metadata_alone_needs_no_layer),
    ("image::two_builds_of_the_same_are_the_same", two_builds_of_the_same_are_the_same),
];

fn files_and_config_of_a_multi_stage_build(host: &Host) {
    let fixture = host.fixture();
    fixture.context(&[("src/a.txt", "a"), ("src/deep/b.txt", "b"), ("run.sh", "#!/bin/sh\n")]);
    let result = fixture.ok(
        "FROM busybox AS builder\nWORKDIR /build\nCOPY src ./src\nRUN cat src/a.txt src/deep/b.txt > out && chmod 640 out\n\
         FROM busybox\nENV A=1\nCOPY --from=builder --chown=app /build/out /opt/\nCOPY --chmod=755 run.sh /bin/\n\
         RUN rm /etc/group\nCMD [\"run.sh\"]\n",
    );
    let files = fixture.files(&result);
    assert_eq!(files["/opt/out"], "f 640 1000:1001 ab");
    assert_eq!(files["/bin/run.sh"], "f 755 0:0 #!/bin/sh");
    assert!(!files.contains_key("/etc/group") && files.contains_key("/etc/passwd"));
    assert!(!files.contains_key("/build/out"));
    let image = &result.images[0];
    assert_eq!(image.config.config.env.as_deref().unwrap(), ["PATH=/bin", "A=1"]);
    assert_eq!(image.layers.len(), 4);
    assert_eq!(image.layers[3].created_by, "RUN /bin/sh -c rm /etc/group # buildkit");
    assert!(image.layers[0].base && !image.layers[1].base);
    assert!(image.config.history.iter().skip(1).all(|line| line.created.is_some()));
    assert_eq!((result.cached, result.executed), (0, 6));
}

fn metadata_alone_needs_no_layer(host: &Host) {
    let fixture = host.fixture();
    let result = fixture.ok("FROM busybox\nENV A=1\nCMD [\"true\"]\n");
    assert_eq!(result.images[0].layers.len(), 1);
    assert_eq!(
        std::fs::read_dir(fixture.data().join("snapshots")).unwrap().count(),
        0,
        "nothing was unpacked"
    );
}

fn two_builds_of_the_same_are_the_same(host: &Host) {
    let digest = |name: &str| {
        let fixture = host.fixture();
        fixture.context(&[("a", "one"), ("b/c", "two")]);
        let mut request = fixture.request("FROM busybox\nWORKDIR /w\nCOPY . .\nRUN cat a b/c > d\n");
        request.options.build_args.insert("SOURCE_DATE_EPOCH".into(), "1700000000".into());
        request.image.rewrite_timestamp = true;
        request.tags = vec![name.parse().unwrap()];
        fixture.build(&request).ok().image.digest
    };
    assert_eq!(digest("first"), digest("second"));
}
