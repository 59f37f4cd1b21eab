//! What a builder cannot do, and what its machine or the way to it has too little of.

use wharf_testkit::{Engine, Forwarder, Release, Wishes};

use super::{engine, old};
use crate::bad_input::SmallDisk;
use crate::world::{BUSYBOX, World, busybox_context};

#[test]
fn a_full_disk_of_a_builder_is_named() {
    let engine = match Engine::start(Release::Trixie, &Wishes { disk: Some(96 << 20), ..Wishes::default() }) {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = World::new();
    if !busybox_context(&world) {
        crate::skip!("there is no busybox");
    }
    world.file("Dockerfile", &format!("{BUSYBOX}RUN dd if=/dev/zero of=/big bs=1M count=300\n"));
    let ran = world.wharf(&["build", "--builder", &engine.address(), "--tag", "it:1", "."]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Dockerfile, line 5") && ran.stderr.contains("No space left"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: the builder's disk is full"), "{}", ran.stderr);
}

#[test]
fn a_full_disk_of_this_machine_is_not_taken_for_the_builders() {
    let engine = engine!();
    let world = World::new();
    let Some(_disk) = SmallDisk::at(world.path("small")) else { crate::skip!("it needs to mount") };
    world.file("Dockerfile", "FROM scratch\nCOPY large /\n");
    // Noise, which stays as large as it is: the disk has eight megabytes.
    let noise = "head -c 20000000 /dev/urandom >large";
    let made =
        std::process::Command::new("sh").args(["-c", noise]).current_dir(world.path("project")).status();
    assert!(made.unwrap().success());
    let data = world.path("small/data").display().to_string();
    let address = engine.address();
    let outputs: [&[&str]; 2] = [&["--tag", "it:1"], &["--output", "type=tar,dest=../small/out.tar"]];
    for output in outputs {
        let ran =
            world.wharf(&[&["--data-dir", &data, "build", "--builder", &address], output, &["."]].concat());
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: the disk of this machine is full"), "{output:?}: {}", ran.stderr);
    }
}

#[test]
fn what_a_builder_is_too_old_for_names_the_version_that_is_not() {
    let engine = match old() {
        Ok(engine) => engine,
        Err(why) => crate::skip!("{why}"),
    };
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let address = engine.address();
    for (flags, what, since) in [
        (&["--provenance=true"][..], "an attestation (--provenance, --sbom)", "0.11"),
        (&["--build-context", "more=."], "--build-context", "0.10"),
        (&["--ulimit", "nofile=10"], "--ulimit", "0.9"),
        (&["--shm-size", "64m"], "--shm-size", "0.9"),
        (&["--output", "type=image,rewrite-timestamp=true"], "rewrite-timestamp=true", "0.13"),
    ] {
        let ran = world.wharf(&[&["build", "--builder", &address], flags, &["."]].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let said =
            format!("{what} needs BuildKit {since} or newer, and the builder {address} is older than 0.11");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: use a newer builder"), "{}", ran.stderr);
    }
}

#[test]
fn a_slow_way_is_a_way() {
    let engine = engine!();
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPY data /\n");
    let text: String = (0..20_000).map(|n: u32| format!("{:08x}\n", n.wrapping_mul(2_654_435_761))).collect();
    world.file("data", &text);
    let way = Forwarder::plain(&engine.socket());
    way.slow_down(300_000);
    let address = format!("tcp://{}", way.address());
    world.wharf_ok(&["build", "--builder", &address, "--output", "out", "."]);
    assert!(std::fs::read_to_string(world.path("project/out/data")).unwrap() == text);
}
