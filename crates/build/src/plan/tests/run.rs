//! `RUN`.

use super::super::{FileOwner, Mount, Network, Security, Sharing, Source, StageId};
use super::{build, planned, refused};

#[track_caller]
fn mount(options: &str) -> Mount {
    let plan = planned(&format!("FROM busybox AS s\nFROM busybox\nWORKDIR /w\nRUN --mount={options} x"));
    plan.runs()[0].mounts[0].clone()
}

#[test]
fn forms_of_a_command() {
    let plan = planned(
        "FROM busybox\nARG A\nRUN echo $A\nRUN [\"/bin/x\", \"$A\"]\nRUN <<EOF\none\ntwo\nEOF\nRUN cat <<E >/f\nx\nE\n",
    );
    let args: Vec<&[String]> = plan.runs().iter().map(|run| run.args.as_slice()).collect();
    assert_eq!(args[0], ["/bin/sh", "-c", "echo $A"]);
    assert_eq!(args[1], ["/bin/x", "$A"]);
    assert_eq!(args[2], ["/bin/sh", "-c", "one\ntwo\n"]);
    assert_eq!(args[3], ["/bin/sh", "-c", "cat <<E >/f\nx\nE"]);
    assert_eq!(plan.created_by()[2], "RUN |1 A= /bin/x $A # buildkit");
    assert_eq!(plan.target().steps[3].title, "[4/5] RUN <<EOF (one...)");
    assert!(refused("FROM busybox\nRUN []").contains("arguments are required"));
}

#[test]
fn a_script_is_mounted_and_run() {
    let plan = planned("FROM busybox\nRUN <<EOF\n#!/bin/awk -f\nBEGIN{}\nEOF\n");
    let run = plan.runs()[0];
    assert_eq!(run.args, ["/bin/sh", "-c", "/dev/pipes/EOF"]);
    let Mount::Script(script) = &run.mounts[0] else { panic!("{run:?}") };
    assert_eq!((script.directory.as_str(), script.name.as_str()), ("/dev/pipes", "EOF"));
    assert_eq!(script.content, b"#!/bin/awk -f\nBEGIN{}\n");
}

#[test]
fn bind_mounts() {
    let Mount::Bind(bind) = mount("target=t,source=../a") else { panic!() };
    assert_eq!((bind.target.as_str(), bind.source.as_str(), bind.read_only), ("/w/t", "/a", true));
    assert_eq!(bind.from, Source::Context);
    let Mount::Bind(bind) = mount("type=bind,from=S,target=/t,rw") else { panic!() };
    assert_eq!((bind.from, bind.source.as_str(), bind.read_only), (Source::Stage(StageId(0)), "/", false));
}

#[test]
fn caches() {
    let Mount::Cache(cache) = mount("type=cache,target=/c/") else { panic!() };
    assert_eq!(
        (cache.id.as_str(), cache.sharing, cache.from, cache.owner),
        ("//c", Sharing::Shared, Source::Scratch, None)
    );
    let Mount::Cache(cache) = mount("type=cache,target=/c,id=x,sharing=locked,uid=5,mode=0700") else {
        panic!()
    };
    assert_eq!((cache.id.as_str(), cache.sharing), ("/x", Sharing::Locked));
    assert_eq!(cache.owner, Some(FileOwner { uid: 5, gid: 0, mode: 0o700 }));
}

#[test]
fn memory() {
    let Mount::Tmpfs(tmpfs) = mount("type=tmpfs,target=t,size=1m") else { panic!() };
    assert_eq!((tmpfs.target.as_str(), tmpfs.size, tmpfs.read_only), ("/w/t", Some(1 << 20), false));
}

#[test]
fn secrets() {
    let secret = |options: &str| match mount(&format!("type=secret,{options}")) {
        Mount::Secret(secret) => secret,
        other => panic!("{other:?}"),
    };
    let by_id = secret("id=a/b,required");
    assert_eq!(
        (by_id.id.as_str(), by_id.target.as_deref(), by_id.required),
        ("a/b", Some("/run/secrets/b"), true)
    );
    assert_eq!(by_id.owner, FileOwner { uid: 0, gid: 0, mode: 0o400 });
    let by_target = secret("target=/etc/key");
    assert_eq!((by_target.id.as_str(), by_target.target.as_deref()), ("key", Some("/etc/key")));
    let as_variable = secret("id=a,env=A");
    assert_eq!((as_variable.target, as_variable.env.as_deref()), (None, Some("A")));
    let as_both = secret("id=a,env=A,target=/a,mode=0444");
    assert_eq!((as_both.target.as_deref(), as_both.owner.mode), (Some("/a"), 0o444));
}

#[test]
fn agents_announce_their_socket() {
    let plan = planned("FROM busybox\nRUN --mount=type=ssh --mount=type=ssh,id=o,target=/s x");
    let run = plan.runs()[0];
    let [Mount::Ssh(one), Mount::Ssh(two)] = run.mounts.as_slice() else { panic!("{run:?}") };
    assert_eq!((one.id.as_str(), one.target.as_str()), ("default", "/run/buildkit/ssh_agent.0"));
    assert_eq!((two.id.as_str(), two.target.as_str()), ("o", "/s"));
    assert_eq!(run.var("SSH_AUTH_SOCK"), Some("/run/buildkit/ssh_agent.0"));
    let plan = planned("FROM busybox\nENV SSH_AUTH_SOCK=/mine\nRUN --mount=type=ssh x");
    assert_eq!(plan.runs()[0].var("SSH_AUTH_SOCK"), Some("/mine"));
}

#[test]
fn mount_options_are_expanded() {
    let plan = planned("FROM busybox\nARG D=/data\nRUN --mount=type=cache,target=$D/x,id=${D#/} x");
    let Mount::Cache(cache) = &plan.runs()[0].mounts[0] else { panic!() };
    assert_eq!((cache.target.as_str(), cache.id.as_str()), ("/data/x", "/data"));
}

#[test]
fn mounts_that_cannot_be() {
    for (options, why) in [
        ("type=bind,target=/", "invalid mount target"),
        ("type=ssh,source=x", "ssh does not support source"),
        ("type=bind,target=/x,sharing=locked", "invalid cache sharing"),
        ("type=secret", "one of source, target required"),
        ("type=nope", "unsupported mount type"),
        ("type=bind,from=later,target=/x", "needs to be defined before"),
    ] {
        let error = refused(&format!(
            "FROM busybox AS now\nRUN --mount={options} x\nFROM busybox AS later\nRUN y\nFROM now"
        ));
        assert!(error.contains(why), "{options}: {error}");
    }
}

#[test]
fn permissions_must_be_given() {
    let host = "FROM busybox\nRUN --network=host x";
    assert!(build(host).refused().starts_with("network.host is not allowed\n"));
    let allowed = build(host).with(|request| request.allow.push("network.host".into())).plan();
    assert_eq!(allowed.runs()[0].network, Network::Host);
    let everywhere = build("FROM busybox\nRUN x\nRUN --network=none y")
        .with(|request| request.network = Network::Host)
        .plan();
    assert_eq!((everywhere.runs()[0].network, everywhere.runs()[1].network), (Network::Host, Network::None));
    let insecure = "FROM busybox\nRUN --security=insecure x";
    assert!(build(insecure).refused().starts_with("security.insecure is not allowed\n"));
    let allowed = build(insecure).with(|request| request.allow.push("security.insecure".into())).plan();
    assert_eq!(allowed.runs()[0].security, Security::Insecure);
}

#[test]
fn a_step_sees_the_variables_in_the_order_they_were_last_set() {
    let plan = planned("FROM busybox\nENV A=1\nARG B=2\nENV A=3\nRUN x");
    let names: Vec<&str> = plan.runs()[0].env.iter().map(|var| var.name.as_str()).collect();
    assert_eq!(names, ["PATH", "B", "A"]);
    assert_eq!(plan.runs()[0].cwd, "/");
}
