//! What is built.

use crate::fixture::Host;
use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("image::files_and_config_of_a_multi_stage_build", files_and_config_of_a_multi_stage_build),
    ("image::metadata_alone_needs_no_layer", metadata_alone_needs_no_layer),
    ("image::copies_need_only_the_outline_of_their_base", copies_need_only_the_outline_of_their_base),
    ("image::copies_onto_outlines_are_those_onto_files", copies_onto_outlines_are_those_onto_files),
    ("image::a_copy_of_what_is_there_is_no_change", a_copy_of_what_is_there_is_no_change),
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

/// A base image that nobody runs is not unpacked for copies onto it, and the image is the same as if it were.
fn copies_need_only_the_outline_of_their_base(host: &Host) {
    const COPIES: &str = "COPY a /new/a\nCOPY --chown=app a /bin/\nWORKDIR /srv/link/deep\nCOPY d ./\n";
    let fixture = host.fixture();
    fixture.context(&[("a", "1"), ("d/b", "2")]);
    let base = fixture.ok(
        "FROM busybox\nRUN mkdir -m 750 /real && ln -s /real /srv && mkdir /real/x && ln -s x /real/link && \\
         echo 'app:x:7:8::/:' > /etc/passwd\n",
    );
    fixture.engine.store().tag("docker.io/library/base:latest", &base.image).unwrap();
    let clear = || {
        std::fs::remove_dir_all(fixture.data().join("snapshots")).unwrap();
        std::fs::create_dir(fixture.data().join("snapshots")).unwrap();
    };
    clear();
    let outlined = fixture.build(&fixture.request(&format!("FROM base\n{COPIES}"))).ok();
    let unpacked = |name: &str| fixture.data().join("snapshots").join(name).exists();
    for layer in &base.images[0].layers {
        assert!(!unpacked(layer.diff_id.digest()), "the base was unpacked");
    }
    let mut request = fixture.request(&format!("FROM base\n{COPIES}RUN true\n"));
    request.options.no_cache = wharf_build::plan::NoCache::All;
    let whole = fixture.build(&request).ok();
    let (mut outlined, mut whole) = (fixture.files(&outlined), fixture.files(&whole));
    for files in [&mut outlined, &mut whole] {
        files.retain(|path, _| !["/proc", "/sys", "/dev"].contains(&path.as_str()));
    }
    assert_eq!(outlined, whole);
    assert_eq!(outlined["/real/x/deep/b"], "f 644 0:0 2");
    assert_eq!(outlined["/bin/a"], "f 644 7:8 1");
}

/// What copies may come upon below them, layer by layer.
const STRANGE: &str = "FROM busybox
    RUN mkdir -m 750 /real && ln -s /real /srv && mkdir /real/x && ln -s x /real/link && chown 3:4 /real/x && \\
        mkdir -p /opt/dir /gone /reborn/old /over && echo f > /opt/file && chmod 4755 /opt/file && \\
        ln -s file /opt/tosym && ln -s ../loop /loop && ln -s loop /loop2 && ln /opt/file /opt/twin && \\
        echo x > /over/x && mkdir /users && mv /etc/passwd /users/who && ln -s ../users/who /etc/passwd
    COPY same repeated/ /opt/
    RUN rm -r /gone /reborn && mkdir -m 700 /reborn && rm /over/x && mkdir /over/x && chown 9:9 /opt/dir && \\
        echo 'staff:x:50:' >> /etc/group
    RUN rm -r /over && ln -s /opt /over && touch /reborn/new
";
const ONTO: &[&str] = &[
    "COPY a /new/deep/a",
    "COPY a b /bin/",
    "COPY d /srv/link",
    "COPY d/ /srv/link/deep/",
    "COPY --chown=app:staff a /opt/owned/",
    "COPY --chown=nobody a /opt/dir/",
    "COPY --chown=5:6 --chmod=700 d /opt/",
    "COPY --link a /srv/link/x",
    "COPY --parents d/e/f /opt/p/",
    "COPY --exclude=f d /opt/dir",
    "WORKDIR /srv/link/w/x",
    "USER app\nWORKDIR /opt/dir/of-app",
    "COPY a /opt/file",
    "COPY a /opt/tosym",
    "COPY a /opt/twin",
    "COPY a /gone/a",
    "COPY d /reborn/",
    "COPY d /reborn/old",
    "COPY d /over/x/",
    "COPY l /opt/dir/",
    "COPY l /opt/dir",
    "COPY . /opt",
    "COPY same repeated/twice /opt/",
    "COPY <<here /opt/here\ntext\nhere\n",
    "ADD a b /opt/dir/",
    "ADD archive.tar /opt/",
    "COPY d /opt/file",
    "COPY a /loop2/x",
];

/// Byte for byte, and error for error.
fn copies_onto_outlines_are_those_onto_files(host: &Host) {
    let fixture = host.fixture();
    let root = fixture.context(&[
        (".dockerignore", "Dockerfile\n"),
        ("a", "1"),
        ("b", "22"),
        ("d/e/f", "333"),
        ("d/g", "4"),
        ("same", "as before"),
        ("repeated/twice", "again"),
    ]);
    std::os::unix::fs::symlink("a", root.join("l")).unwrap();
    let archive = std::fs::File::create(root.join("archive.tar")).unwrap();
    let (mut out, _) = {
        let options = wharf_layer::WriteOptions {
            compression: wharf_layer::Compression::None,
            ..wharf_layer::WriteOptions::default()
        };
        let mut layer = wharf_layer::LayerWriter::new(archive, &options);
        layer.append(&wharf_layer::Entry::file("dir/unpacked", 1), &b"u"[..]).unwrap();
        layer.finish().unwrap()
    };
    std::io::Write::flush(&mut out).unwrap();
    let base = fixture.ok(STRANGE);
    fixture.engine.store().tag("docker.io/library/base:latest", &base.image).unwrap();
    let clear = || {
        std::fs::remove_dir_all(fixture.data().join("snapshots")).unwrap();
        std::fs::create_dir(fixture.data().join("snapshots")).unwrap();
    };
    let build = |dockerfile: &str| {
        let mut request = fixture.request(dockerfile);
        request.options.build_args.insert("SOURCE_DATE_EPOCH".into(), "1600000000".into());
        request.options.no_cache = wharf_build::plan::NoCache::All;
        request.image.rewrite_timestamp = true;
        let built = fixture.build(&request);
        match built.result {
            Ok(result) => Ok(result.images[0].config.rootfs.diff_ids.clone()),
            Err(_) => Err(built.error()),
        }
    };
    let is_unpacked = || {
        let mut layers = base.images[0].layers.iter();
        layers.any(|layer| fixture.data().join("snapshots").join(layer.diff_id.digest()).exists())
    };
    for onto in ONTO {
        clear();
        let outlined = build(&format!("FROM base\n{onto}\n"));
        assert_eq!(is_unpacked(), onto.contains("archive.tar"), "{onto}");
        // A stage that another starts from may be looked into, so its layers are unpacked.
        let whole = build(&format!("FROM base AS copies\n{onto}\nFROM copies\n"));
        assert!(is_unpacked() || onto.contains("--link"));
        match (outlined, whole) {
            (Err(outlined), Err(whole)) => {
                let cause = |text: &str| text.split_once(": ").map(|(_, cause)| cause.to_owned());
                assert_eq!(cause(&outlined), cause(&whole), "{onto}");
            }
            (outlined, whole) => assert_eq!(outlined, whole, "{onto}"),
        }
    }
}

/// A file that is copied onto itself, with its time, is no change; which only its content can tell.
fn a_copy_of_what_is_there_is_no_change(host: &Host) {
    let fixture = host.fixture();
    let root = fixture.context(&[("a", "1")]);
    let file = std::fs::File::open(root.join("a")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let base = fixture.ok("FROM scratch\nCOPY a /a\n");
    fixture.engine.store().tag("docker.io/library/base:latest", &base.image).unwrap();
    std::fs::remove_dir_all(fixture.data().join("snapshots")).unwrap();
    std::fs::create_dir(fixture.data().join("snapshots")).unwrap();
    let again = fixture.ok("FROM base\nCOPY a /a\n");
    let empty = fixture.ok("FROM base\nCOPY nothing* /\n");
    assert_eq!(again.images[0].layers[1].diff_id, empty.images[0].layers[1].diff_id);
}
