//! A builder that goes away in the middle of a build: another one takes it over, or the build fails and says so.

use wharf_buildkit::rendezvous;
use wharf_oci::Reference;
use wharf_testkit::{Engine, Forwarder, KubeServer, Release, Wishes};

use super::cluster::kubeconfig;
use super::running::{MODE, Running, wait_until, waiting};
use super::{Papers, engine, old};

/// A name for an image that would have `first` before all others.
fn image_for(first: &str, all: &[&str]) -> String {
    let names = (0..).map(|n| format!("app-{n}"));
    let is_first = |name: &String| {
        let key = name.parse::<Reference>().unwrap().name();
        rendezvous::order(&key, all.iter().copied())[0] == first
    };
    names.into_iter().find(is_first).unwrap()
}

#[test]
fn a_pod_that_dies_hands_on_to_the_next() {
    let survivor = engine!();
    let mut victim = match Engine::start(Release::Trixie, &Wishes::default()) {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let Some(world) = waiting("a-pod-dies") else { crate::skip!("there is no busybox") };
    let papers = Papers::new();
    let cluster = KubeServer::start(&papers.server, &papers.authority);
    kubeconfig(&world, &papers, &cluster);
    cluster.pod("victim", Some(&victim.socket()));
    cluster.pod("survivor", Some(&survivor.socket()));
    let image = image_for("victim", &["victim", "survivor"]);
    let build = ["build", "--builder", "kube://ci?selector=app=buildkitd", "--tag", &image];
    let mut building = Running::start(world.command(&[&build[..], &MODE, &["."]].concat()));
    building.says("| begun a-pod-dies");
    world.file("mode", "go");
    victim.kill();
    let ran = building.end();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = "warning: the builder kube-pod://victim?namespace=ci went away during the build: ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let next = "trying the next one, kube-pod://survivor?namespace=ci";
    assert!(ran.stderr.contains(next), "{}", ran.stderr);
    assert!(world.wharf_ok(&["images"]).stdout.contains(&image));
}

#[test]
fn a_builder_that_falls_silent_hands_on_to_the_next() {
    let engine = engine!();
    let other = match old() {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let Some(world) = waiting("it-falls-silent") else { crate::skip!("there is no busybox") };
    let (first, second) = (Forwarder::plain(&engine.socket()), Forwarder::plain(&other.socket()));
    let [silent, next] = [&first, &second].map(|forwarder| format!("tcp://{}", forwarder.address()));
    let image = image_for(&silent, &[&silent, &next]);
    let both = format!("{next},{silent}");
    let build = ["build", "--builder", &both, "--tag", &image, "--output", "out"];
    let mut building = Running::start(world.command(&[&build[..], &MODE, &["."]].concat()));
    building.says("| begun it-falls-silent");
    world.file("mode", "go");
    first.freeze();
    let ran = building.end();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("trying the next one, {next}")), "{}", ran.stderr);
    let built = std::fs::read_to_string(world.path("project/out/built")).unwrap();
    assert_eq!(built, "it-falls-silent\n");
}

#[test]
fn the_last_builder_that_goes_ends_the_build() {
    let engine = engine!();
    let Some(world) = waiting("the-last-one") else { crate::skip!("there is no busybox") };
    let way = Forwarder::plain(&engine.socket());
    let address = format!("tcp://{}", way.address());
    let build = ["build", "--builder", &address, "--tag", "it:1"];
    let mut building = Running::start(world.command(&[&build[..], &MODE, &["."]].concat()));
    building.says("| begun the-last-one");
    way.cut();
    let ran = building.end();
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let said =
        format!("error: the builder {address} went away during the build\n  caused by: the connection");
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: run it again"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("status:") && !ran.stderr.contains("transport error"), "{}", ran.stderr);
    assert!(!world.wharf_ok(&["images"]).stdout.contains("it"), "nothing has a name");
}

#[test]
fn a_step_that_fails_is_not_tried_elsewhere() {
    let engine = engine!();
    let Some(world) = waiting("it-fails") else { crate::skip!("there is no busybox") };
    world.file("Dockerfile", &format!("{}RUN echo first; exit 7\n", crate::world::BUSYBOX));
    let ways = [Forwarder::plain(&engine.socket()), Forwarder::plain(&engine.socket())];
    let both = ways.each_ref().map(|way| format!("tcp://{}", way.address())).join(",");
    let ran = world.wharf(&["build", "--builder", &both, "--tag", "it:1", "."]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Dockerfile, line 5") && ran.stderr.contains("exit code: 7"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("trying the next one"), "{}", ran.stderr);
}

#[test]
fn an_interrupt_stops_the_build_at_the_builder() {
    let engine = engine!();
    let Some(world) = waiting("it-is-interrupted") else { crate::skip!("there is no busybox") };
    let address = engine.address();
    let build = ["build", "--builder", &address, "--tag", "it:1"];
    let mut building = Running::start(world.command(&[&build[..], &MODE, &["."]].concat()));
    building.says("| begun it-is-interrupted");
    assert!(runs("begun it-is-interrupted"), "the step is a process of this machine");
    building.interrupt();
    let ran = building.end();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("is stopped at the builder"), "{}", ran.stderr);
    wait_until("the step has ended", || !runs("begun it-is-interrupted"));
}

/// Whether a process has this on its command line.
fn runs(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(text))
}
