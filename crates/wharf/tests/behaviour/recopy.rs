//! Copies that are made anew of files that were copied before: what differs is written, and the image is, byte for
//! byte, the one that a machine makes which has never seen the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use crate::skip;
use crate::world::{BUSYBOX, Ran, World, busybox_context, is_root};

/// The Dockerfiles, and what stands in them. The last steps look at all that can be seen of the files, which so has a
/// part in the image's digest.
const DOCKERFILES: [(&str, &str); 3] = [
    (
        "srv.Dockerfile",
        "RUN mkdir -p /srv/d003 && echo base > /srv/d003/f03.txt && echo low > /srv/d003/low\n\
         COPY tree/ /srv/\n\
         RUN cd /srv && find . | sort > /names && find . -type f | sort | xargs md5sum > /sums\n\
         RUN find /srv ! -type d | sort | xargs stat -c '%n %F %a %u:%g %h %s' > /stats\n\
         RUN [ $(stat -c %i /srv/one) = $(stat -c %i /srv/two) ] && echo same > /links || echo other > /links\n\
         RUN echo more >> /srv/d000/f00.txt && rm -r /srv/d003 && ln /srv/one /srv/zero\n",
    ),
    (
        "own.Dockerfile",
        "COPY --chown=app:app --chmod=u=rwX,go=rX tree/ /own/\n\
         RUN find /own ! -type d | sort | xargs stat -c '%n %F %a %u:%g %h %s %Y' > /stats\n\
         RUN find /own -type d | sort | xargs stat -c '%n %a %u:%g %Y' > /directories\n",
    ),
    ("copies.Dockerfile", "COPY --parents tree/d00* tree/one tree/t* /some/\nCOPY etc /more/\n"),
];

/// A project with a tree of files that is worth a delta.
fn machine() -> Option<World> {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        return None;
    }
    for directory in 0..10 {
        for file in 0..30 {
            world.file(&format!("tree/d{directory:03}/f{file:02}.txt"), &format!("{directory} {file}\n"));
        }
    }
    fs::create_dir(tree(&world, "empty")).unwrap();
    symlink("d000/f00.txt", tree(&world, "link")).unwrap();
    fs::write(tree(&world, "one"), "one").unwrap();
    fs::hard_link(tree(&world, "one"), tree(&world, "two")).unwrap();
    for (name, text) in DOCKERFILES {
        world.file(name, &format!("{BUSYBOX}{text}"));
    }
    Some(world)
}

fn tree(world: &World, name: &str) -> PathBuf {
    world.path("project/tree").join(name)
}

/// Builds `dockerfile` with the data directory `data`; what is printed is the image's digest.
fn build(world: &World, data: &Path, dockerfile: &str) -> Ran {
    let args = ["build", "-f", dockerfile, "--output", "type=image,rewrite-timestamp=true", "."];
    let mut command = world.command(&args);
    command.env("WHARF_DATA_DIR", data).env("SOURCE_DATE_EPOCH", "1700000000");
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran
}

/// The deltas in a data directory.
fn deltas(data: &Path) -> usize {
    let snapshots = fs::read_dir(data.join("snapshots")).into_iter().flatten().flatten();
    snapshots.filter(|entry| entry.file_name().to_string_lossy().ends_with("-delta")).count()
}

/// What an empty data directory gives is what `data` gives, which makes so many deltas for it.
fn check(world: &World, data: &Path, what: &str, expected: usize) {
    for (dockerfile, _) in DOCKERFILES {
        let before = deltas(data);
        let again = build(world, data, dockerfile);
        let fresh = world.path("fresh");
        let whole = build(world, &fresh, dockerfile);
        assert_eq!(again.stdout, whole.stdout, "{what}, {dockerfile}: {}", again.stderr);
        assert_eq!(deltas(&fresh), 0);
        assert_eq!(deltas(data) - before, expected, "{what}, {dockerfile}: {}", again.stderr);
        fs::remove_dir_all(fresh).unwrap();
    }
}

fn edit(world: &World, name: &str, text: &str) {
    fs::write(tree(world, name), text).unwrap();
}

#[test]
fn a_copy_made_anew_is_the_same_as_a_first_one() {
    let Some(world) = machine() else { skip!("it needs root and busybox-static") };
    let data = world.path("data");
    check(&world, &data, "first", 0);

    edit(&world, "d001/f01.txt", "edited\n");
    edit(&world, "d001/new.txt", "new\n");
    fs::create_dir_all(tree(&world, "d002/deep/er")).unwrap();
    edit(&world, "d002/deep/er/file", "");
    fs::set_permissions(tree(&world, "d002/f02.txt"), Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(tree(&world, "d004"), Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(tree(&world, "link")).unwrap();
    symlink("d001/new.txt", tree(&world, "link")).unwrap();
    let touched = fs::File::options().write(true).open(tree(&world, "d005/f05.txt")).unwrap();
    touched.set_modified(UNIX_EPOCH + Duration::from_secs(1_600_000_000)).unwrap();
    check(&world, &data, "edited, added, other modes, links and times", 1);

    fs::remove_file(tree(&world, "d001/f01.txt")).unwrap();
    fs::remove_dir_all(tree(&world, "d006")).unwrap();
    fs::remove_file(tree(&world, "d005/f05.txt")).unwrap();
    fs::create_dir(tree(&world, "d005/f05.txt")).unwrap();
    edit(&world, "d005/f05.txt/inside", "inside\n");
    fs::remove_dir_all(tree(&world, "d002/deep")).unwrap();
    edit(&world, "d002/deep", "no directory any more\n");
    fs::remove_dir(tree(&world, "empty")).unwrap();
    // Nobody sees it by the directory's time.
    let directory = fs::File::open(tree(&world, "d007")).unwrap();
    let modified = directory.metadata().unwrap().modified().unwrap();
    fs::remove_file(tree(&world, "d007/f07.txt")).unwrap();
    directory.set_modified(modified).unwrap();
    check(&world, &data, "removed and replaced", 1);

    fs::hard_link(tree(&world, "one"), tree(&world, "three")).unwrap();
    check(&world, &data, "one more name", 1);
    fs::remove_file(tree(&world, "two")).unwrap();
    edit(&world, "two", "one");
    check(&world, &data, "a file of its own", 1);
}

#[test]
fn what_a_copy_no_longer_covers_comes_to_light() {
    let Some(world) = machine() else { skip!("it needs root and busybox-static") };
    let data = world.path("data");
    check(&world, &data, "first", 0);
    // The layers below have a file of this name, so the copy is made as a whole.
    fs::remove_file(tree(&world, "d003/f03.txt")).unwrap();
    let again = build(&world, &data, "srv.Dockerfile");
    assert_eq!(deltas(&data), 0, "{}", again.stderr);
    assert_eq!(build(&world, &world.path("fresh"), "srv.Dockerfile").stdout, again.stdout);
    // Most of it is new: no delta would save anything, and the next one is made on this.
    for file in 0..300 {
        edit(&world, &format!("d008/more{file}"), "more\n");
        edit(&world, &format!("d009/more{file}"), "more\n");
    }
    check(&world, &data, "many new files", 0);
    edit(&world, "d009/more1", "edited\n");
    check(&world, &data, "one of them edited", 1);
}

#[test]
fn a_delta_takes_no_more_of_the_layers_below_than_a_whole_copy_does() {
    let Some(world) = machine() else { skip!("it needs root and busybox-static") };
    let data = world.path("data");
    build(&world, &data, "copies.Dockerfile");
    for snapshot in fs::read_dir(data.join("snapshots")).unwrap().flatten() {
        if !snapshot.path().join("some").is_dir() {
            fs::remove_dir_all(snapshot.path()).unwrap();
        }
    }
    edit(&world, "d001/f01.txt", "edited\n");
    let edited = build(&world, &data, "copies.Dockerfile");
    assert_eq!(deltas(&data), 1, "{}", edited.stderr);
    assert_eq!(build(&world, &world.path("fresh"), "copies.Dockerfile").stdout, edited.stdout);
    // What lower layers have at a place that is bare now is in their outlines alone.
    fs::remove_file(tree(&world, "d001/f01.txt")).unwrap();
    let removed = build(&world, &data, "copies.Dockerfile");
    assert_eq!(build(&world, &world.path("fresher"), "copies.Dockerfile").stdout, removed.stdout);
}

#[test]
fn deltas_survive_kills_prunes_and_builds_side_by_side() {
    let Some(world) = machine() else { skip!("it needs root and busybox-static") };
    let data = world.path("data");
    build(&world, &data, "srv.Dockerfile");

    // Killed while a step runs on a delta.
    edit(&world, "d001/f01.txt", "killed\n");
    let text = fs::read_to_string(world.path("project/srv.Dockerfile")).unwrap();
    let wait = "RUN --mount=type=cache,target=/held touch /held/began && sleep 1000\n";
    world.file("srv.Dockerfile", &format!("{text}{wait}"));
    let args = ["build", "-f", "srv.Dockerfile", "--output", "type=cacheonly", "."];
    let mut child = world.command(&args).stderr(Stdio::null()).spawn().unwrap();
    let began = || {
        let mounts = fs::read_dir(data.join("cache-mounts")).into_iter().flatten().flatten();
        mounts.map(|entry| entry.path().join("began")).any(|path| path.exists())
    };
    while !began() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.file("srv.Dockerfile", &text);
    let after = build(&world, &data, "srv.Dockerfile");
    assert_eq!(build(&world, &world.path("fresh"), "srv.Dockerfile").stdout, after.stdout);

    // Several at once, each of which finds the tree in its own state.
    let children: Vec<_> = (0..3)
        .map(|number| {
            edit(&world, "d002/f02.txt", &format!("state {}\n", number / 2));
            let child = world.command(&args).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(100));
            child
        })
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    edit(&world, "d002/f03.txt", "after them\n");
    let last = build(&world, &data, "srv.Dockerfile");
    assert_eq!(build(&world, &world.path("fresher"), "srv.Dockerfile").stdout, last.stdout);

    // Without the snapshot that it stands on, a delta is none: its layer is unpacked.
    for entry in fs::read_dir(data.join("snapshots")).unwrap().flatten() {
        if let Ok(beneath) = fs::read_link(entry.path().join("beneath")) {
            let _ = fs::remove_dir_all(data.join("snapshots").join(beneath.file_name().unwrap()));
        }
    }
    world.file("srv.Dockerfile", &format!("{text}RUN cat /srv/d002/f03.txt /srv/d001/f01.txt > /both\n"));
    world.wharf_ok(&["build", "-f", "srv.Dockerfile", "--tag", "both", "."]);
    assert_eq!(world.wharf_ok(&["run", "both", "cat", "/both"]).stdout, "after them\nkilled\n");
    world.wharf_ok(&["prune", "--all", "--force"]);
    edit(&world, "d002/f03.txt", "after the prune\n");
    world.wharf_ok(&["build", "-f", "srv.Dockerfile", "--tag", "both", "."]);
    assert_eq!(world.wharf_ok(&["run", "both", "cat", "/both"]).stdout, "after the prune\nkilled\n");
}
