//! What an image shows of how it was put together: whom it runs as, whether its health check can work, bytes for nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod fixture;

use fixture::{TestImage, tar, tree};
use wharf_oci::{ContainerConfig, Healthcheck};
use wharf_scan::{Checks, Database, Options};

/// What is found, as `rule: title`.
fn found(image: &TestImage) -> Vec<String> {
    let options = Options { checks: Checks { config: true, ..Checks::NONE }, ..Options::default() };
    let report = image.scan(&options, &Database::default());
    report.findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.title)).collect()
}

/// An image without a known Dockerfile, that runs as `app`.
fn image(layers: &[(&str, Vec<u8>)], config: impl FnOnce(&mut ContainerConfig)) -> TestImage {
    let mut image = TestImage::new("", layers);
    image.config.config.user = "app".into();
    config(&mut image.config.config);
    image
}

fn check(config: &mut ContainerConfig, test: &[&str]) {
    let test = Some(test.iter().map(|word| (*word).to_owned()).collect());
    config.healthcheck = Some(Healthcheck { test, ..Healthcheck::default() });
}

const SITE: &str = "root/.local/lib/python3.12/site-packages/flask/__init__.py";

#[test]
fn modules_that_the_user_may_not_reach() {
    let closed = [("COPY /root/.local", tree(&[("root", 0o700)], &[(SITE, b"")]))];
    assert_eq!(
        found(&image(&closed, |_| {})),
        [
            "user-site-unreadable: `app` runs the image and may not enter /root, where modules are installed (`--user`)"
        ]
    );
    let opened = [closed[0].clone(), ("RUN chmod 755 /root", tree(&[("root", 0o755)], &[]))];
    assert_eq!(found(&image(&opened, |_| {})), [""; 0]);
    assert_eq!(
        found(&image(&closed, |config| config.user = "root".into())),
        ["user-root: the image runs as root"]
    );
}

#[test]
fn a_health_check_needs_its_program_its_module_and_its_port() {
    let python: [(&str, &[u8]); 2] =
        [("usr/local/bin/python", b""), ("usr/local/lib/python3.12/urllib/__init__.py", b"")];
    let with = |test: &[&str]| found(&image(&[("# base", tar(&python))], |config| check(config, test)));
    let shell = |line: &str| with(&["CMD-SHELL", line]);
    assert_eq!(
        shell("curl -f http://localhost/ || exit 1"),
        ["healthcheck-tool-missing: the health check wants `curl`, which the image does not have"]
    );
    assert_eq!(
        shell("python -c \"import requests\""),
        ["healthcheck-tool-missing: the health check imports `requests`, which the image does not have"]
    );
    assert_eq!(shell("python -c \"import urllib.request, sys\""), [""; 0]);
    assert_eq!(with(&["CMD", "/usr/local/bin/python", "ready.py"]), [""; 0]);
    assert_eq!(with(&["NONE"]), [""; 0]);

    let port = image(&[("# base", tar(&python))], |config| {
        check(
            config,
            &["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8080')"],
        );
        config.exposed_ports.insert("8000/tcp".into(), Default::default());
    });
    assert_eq!(found(&port), ["healthcheck-port: the health check asks port 8080, and the image names 8000"]);
}

#[test]
fn a_module_counts_where_python_looks_for_it() {
    let misses = |path: &str| {
        let files: [(&str, &[u8]); 2] = [("usr/local/bin/python", b""), (path, b"")];
        let image = image(&[("# base", tar(&files))], |config| {
            check(config, &["CMD", "python", "-c", "import requests"]);
            config.working_dir = "/srv/app".into();
            config.env = Some(vec!["PYTHONPATH=/opt/lib:/opt/more/".into()]);
        });
        !found(&image).is_empty()
    };
    for path in [
        "usr/local/lib/python3.12/site-packages/requests/__init__.py",
        "usr/lib/python3/dist-packages/requests/api.py",
        "home/app/.local/lib/python3.9/site-packages/requests.cpython-39-x86_64-linux-gnu.so",
        "srv/app/requests.py",
        "opt/more/requests/__init__.py",
    ] {
        assert!(!misses(path), "{path}");
    }
    for path in [
        "usr/local/lib/python3.12/site-packages/pip/_vendor/requests/__init__.py",
        "usr/local/lib/python3.12/site-packages/requests_oauthlib/__init__.py",
        "srv/requests.py",
        "usr/share/doc/requests/api.py",
    ] {
        assert!(misses(path), "{path}");
    }
}

#[test]
fn cuda_where_nothing_wants_a_gpu() {
    let library = vec![0; 12 << 20];
    let place = "usr/local/lib/python3.12/site-packages/nvidia/cublas/lib/libcublas.so.12";
    let layers = [("RUN pip install torch", tar(&[(place, &library)]))];
    assert_eq!(
        found(&image(&layers, |_| {})),
        ["cuda-in-cpu-image: 12.6 MB of CUDA libraries, and nothing says that there is a GPU"]
    );
    let gpu = |config: &mut ContainerConfig| config.env = Some(vec!["NVIDIA_VISIBLE_DEVICES=all".into()]);
    assert_eq!(found(&image(&layers, gpu)), [""; 0]);
}

#[test]
fn a_layer_that_writes_again_what_is_below() {
    let data = vec![7; 11 << 20];
    let files = tar(&[("app/data.bin", &data)]);
    let twice = |by| [("COPY . /app", files.clone()), (by, files.clone())];
    let chown = found(&image(&twice("RUN /bin/sh -c chown -R app /app # buildkit"), |_| {}));
    assert_eq!(
        chown,
        ["layer-repeats-files: layer 1 writes 11.5 MB in 1 file again that are below in the same size"]
    );
    assert_eq!(found(&image(&twice("COPY . /app"), |_| {})), [""; 0], "a newer file of that size");
}

#[test]
fn the_history_of_a_repository() {
    let layers = [("COPY . /app", tar(&[("app/.git/objects/ab/cdef", b"blob"), ("app/.git/HEAD", b"ref")]))];
    assert_eq!(
        found(&image(&layers, |_| {})),
        ["git-in-image: the history of a repository is in the image (4 B in 1 file)"]
    );
}
