//! Where the reference is silent: what BuildKit does, seen in what a build leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::git_server::GitServer;
use crate::ship::git;
use crate::skip;
use crate::world::{BUSYBOX, World, busybox_context, is_root};

/// What git says of the repository in `directory`.
fn asked(directory: &Path, args: &[&str]) -> String {
    let directory = directory.to_str().unwrap();
    let output = Command::new("git").args(["-c", "safe.directory=*", "-C", directory]).args(args).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

/// Whether `text` is in any file below `directory`.
fn is_anywhere(directory: &Path, text: &str) -> bool {
    let found = Command::new("grep").args(["-rqaF", text]).arg(directory).status().unwrap();
    found.success()
}

#[test]
fn a_kept_git_directory_names_its_tag_and_tells_nothing_else() {
    let world = World::new();
    world.file("text", "of the repository\n");
    git(&world, &["init", "--quiet", "--initial-branch", "main"]);
    git(&world, &["add", "--all"]);
    git(&world, &["commit", "--quiet", "--message", "one"]);
    git(&world, &["tag", "--annotate", "--message", "the first", "v1"]);
    git(&world, &["tag", "light"]);
    let server = GitServer::start(&world);
    let real = server.address().trim_end_matches("project/.git").to_owned();
    let shown = "https://robin:hunter2-secret@example.invalid/";
    let asks = [("#v1", "tags/v1"), ("#light", "tags/light"), ("#main", "heads/main"), ("", "heads/main")];
    for (reference, name) in asks {
        let add =
            format!("FROM scratch\nADD --keep-git-dir=true {shown}project/.git{reference} /r{reference}\n");
        let context = world.path("context");
        fs::create_dir_all(&context).unwrap();
        fs::write(context.join("Dockerfile"), add).unwrap();
        let mut command = world.command(&["build", "--output", "out", context.to_str().unwrap()]);
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", format!("url.{real}.insteadOf")).env("GIT_CONFIG_VALUE_0", shown);
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let out = world.path("project/out").join(format!("r{reference}"));
        assert_eq!(asked(&out, &["describe", "--all", "--exact-match"]), name, "{reference}");
        assert_eq!(asked(&out, &["status", "--porcelain"]), "");
        assert_eq!(asked(&out, &["remote", "get-url", "origin"]), "https://example.invalid/project/.git");
        assert!(!is_anywhere(&out, "hunter2"), "a password is in the image");
        let here = world.path("").display().to_string();
        assert!(!is_anywhere(&out, here.trim_end_matches('/')), "the image tells where it was built");
    }
}

#[test]
fn caches_that_start_differently_are_different_ones() {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        skip!("it needs root and busybox-static");
    }
    let steps = "RUN mkdir -p /start/here && touch /start/here/f\n\
        RUN --mount=type=cache,id=c,target=/c,uid=5,gid=6,mode=01711 stat -c '%u %g %a' /c > /1; touch /c/x\n\
        RUN --mount=type=cache,id=c,target=/c ls /c > /2; stat -c '%u %g %a' /c >> /2\n\
        RUN --mount=type=cache,id=c,target=/c,uid=5,gid=6,mode=01711 ls /c > /3\n\
        FROM first\n\
        RUN --mount=type=cache,from=first,source=/start,target=/c ls /c > /4\n\
        RUN --mount=type=cache,from=first,source=/,target=/c,uid=7 ls /c > /5; stat -c '%u %a' /c >> /5\n";
    let named = BUSYBOX.replacen("FROM scratch", "FROM scratch AS first", 1);
    world.file("Dockerfile", &format!("{named}{steps}"));
    world.wharf_ok(&["build", "--output", "out", "."]);
    let read = |name: &str| fs::read_to_string(world.path("project/out").join(name)).unwrap();
    assert_eq!(read("1"), "5 6 711\n", "permissions only");
    assert_eq!(read("2"), "0 0 755\n", "another cache");
    assert_eq!(read("3"), "x\n", "the first one again");
    assert_eq!(read("4"), "here\n");
    assert_eq!(read("5"), "7 755\n", "an owner asks for a new directory in what the cache starts from");
}

#[test]
fn directories_on_the_way_have_the_permissions_of_a_mode_in_digits() {
    let world = World::new();
    if !is_root() {
        skip!("it needs root");
    }
    world.file("d/e/f", "");
    let copies =
        "FROM scratch\nCOPY --chmod=1777 d /1\nCOPY --chmod=6750 d/e/f /2/3/\nCOPY --chmod=g=u d /4\n";
    world.file("Dockerfile", copies);
    world.wharf_ok(&["build", "--output", "out", "."]);
    let mode = |name: &str| {
        let metadata = fs::metadata(world.path("project/out").join(name)).unwrap();
        format!("{:o}", metadata.permissions().mode() & 0o7777)
    };
    let modes = ["1", "1/e", "2", "2/3", "2/3/f", "4"].map(|name| format!("{name} {}", mode(name)));
    assert_eq!(modes.join(", "), "1 777, 1/e 1777, 2 750, 2/3 750, 2/3/f 6750, 4 755");
}
