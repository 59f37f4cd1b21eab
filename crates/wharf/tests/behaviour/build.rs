//! Builds, through the binary: caching, outputs, crashes, secrets, ordinary users.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::skip;
use crate::world::{BUSYBOX, World, busybox_context, is_root};

fn world_with(dockerfile: &str) -> Option<World> {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        return None;
    }
    world.file("Dockerfile", &format!("{BUSYBOX}{dockerfile}"));
    Some(world)
}

/// Steps that ran, from the plain progress.
fn ran_steps(stderr: &str) -> usize {
    stderr.lines().filter(|line| line.contains(": done")).count()
}

#[test]
fn an_unchanged_build_runs_nothing_and_an_edit_runs_what_follows() {
    let Some(world) = world_with("RUN echo once > /first\nCOPY app.txt /app.txt\nRUN cat /app.txt\n") else {
        skip!("it needs root and busybox-static");
    };
    world.file("app.txt", "one\n");
    let first = world.wharf_ok(&["build", "--tag", "it:1", "."]);
    assert!(ran_steps(&first.stderr) >= 5, "{}", first.stderr);

    let again = world.wharf_ok(&["build", "--tag", "it:1", "."]);
    assert_eq!(ran_steps(&again.stderr), 0, "{}", again.stderr);
    assert_eq!(again.stdout, first.stdout, "the same image");

    world.file("app.txt", "two\n");
    let edited = world.wharf_ok(&["build", "--tag", "it:1", "."]);
    assert_eq!(ran_steps(&edited.stderr), 2, "{}", edited.stderr);
    assert!(edited.stderr.contains("`app.txt` changed"), "{}", edited.stderr);
    assert_ne!(edited.stdout, first.stdout);
}

#[test]
fn a_build_that_was_killed_goes_on_where_it_was() {
    let Some(world) = world_with("RUN echo done > /before\nRUN echo started; sleep 30\n") else {
        skip!("it needs root and busybox-static");
    };
    let mut command = world.command(&["build", "--tag", "it:1", "."]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    for line in lines {
        if line.unwrap().ends_with("| started") {
            break;
        }
    }
    wait_for_blobs(&world, 4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_no_mount_left(&world);

    world.file("Dockerfile", &format!("{BUSYBOX}RUN echo done > /before\nRUN echo quick\n"));
    let resumed = world.wharf_ok(&["build", "--tag", "it:1", "."]);
    // Layers are written and recorded while later steps run, so the last steps before the kill may run again.
    let again = ran_steps(&resumed.stderr);
    assert!((1..5).contains(&again), "{again} of 5 steps ran again: {}", resumed.stderr);
    assert_eq!(world.wharf_ok(&["run", "it:1", "cat", "/before"]).stdout, "done\n");
}

/// Waits until so many layers are in the store.
fn wait_for_blobs(world: &World, count: usize) {
    let since = Instant::now();
    let blobs = world.path("data/store/blobs/sha256");
    while std::fs::read_dir(&blobs).map_or(0, Iterator::count) < count {
        assert!(since.elapsed() < Duration::from_secs(20), "the layers are not written");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn assert_no_mount_left(world: &World) {
    let since = Instant::now();
    loop {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        if !mounts.contains(&world.path("data").display().to_string()) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "{mounts}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_secret_is_seen_by_its_step_and_stays_nowhere() {
    let dockerfile = "RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = hunter2-hunter2 && echo seen\n";
    let Some(world) = world_with(dockerfile) else { skip!("it needs root and busybox-static") };
    let secret = world.path("token");
    std::fs::write(&secret, "hunter2-hunter2").unwrap();
    let spec = format!("id=token,src={}", secret.display());
    let output = world.path("image.tar");
    let dest = format!("type=oci,dest={},compression=uncompressed", output.display());
    let ran = world.wharf_ok(&["build", "--secret", &spec, "--output", &dest, "--tag", "it:1", "."]);
    assert!(ran.stderr.contains("| seen"), "{}", ran.stderr);
    // The Dockerfile itself names it in a comparison, so the exported image is where it must not be.
    let holders =
        Command::new("grep").args(["-rlaF", "hunter2-hunter2"]).arg(world.path("data/snapshots")).output();
    assert_eq!(String::from_utf8_lossy(&holders.unwrap().stdout), "");
    let state = std::fs::read(world.path("data/state.db")).unwrap();
    assert!(!contains(&state, b"hunter2-hunter2\0"));
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn two_builds_of_the_same_files_with_an_epoch_are_one_digest() {
    let digest_of = |touch: &str| {
        let world = World::new();
        let file = world.file("a.txt", "same\n");
        Command::new("touch").args(["-d", touch]).arg(file).status().unwrap();
        world.file("Dockerfile", "FROM scratch\nCOPY a.txt /a.txt\n");
        let output = format!("type=oci,dest={},rewrite-timestamp=true", world.path("i.tar").display());
        let metadata = world.path("meta.json");
        let metadata_file = metadata.display().to_string();
        let args = ["build", "--output", &output, "--metadata-file", &metadata_file, "."];
        let built = world.command(&args).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let tar = std::fs::read(world.path("i.tar")).unwrap();
        assert!(!tar.is_empty());
        manifest_digest(&world.path("i.tar"))
    };
    assert_eq!(digest_of("2024-01-01"), digest_of("2025-02-03"));
}

/// The digest of the image in an OCI archive.
fn manifest_digest(archive: &Path) -> String {
    let index = Command::new("tar").args(["-xOf"]).arg(archive).arg("index.json").output().unwrap().stdout;
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn an_ordinary_user_builds_and_runs_in_a_user_namespace() {
    let world = World::new();
    let user = Command::new("id").args(["-u", "wharf-test"]).output().unwrap();
    if !is_root() || !user.status.success() || !busybox_context(&world) {
        skip!("it needs root to become the user wharf-test, that user with sub-ids, and busybox-static");
    }
    let dockerfile = format!(
        "{BUSYBOX}RUN id -u > /who && mkdir -p /home/app && chown app:app /home/app\nUSER app\nCMD [\"id\", \"-u\"]\n"
    );
    world.file("Dockerfile", &dockerfile);
    let top = world.path("");
    Command::new("chown").args(["-R", "wharf-test"]).arg(&top).status().unwrap();
    // The binary may lie where only root can look.
    let binary = world.path("wharf");
    std::fs::copy(crate::world::WHARF, &binary).unwrap();
    let as_user = |args: &str| {
        let line = format!(
            "cd '{top}project' && HOME='{top}home' WHARF_DATA_DIR='{top}data' WHARF_CONFIG='{top}config.toml' '{top}wharf' {args}",
            top = top.display()
        );
        let output = Command::new("su").args(["wharf-test", "-s", "/bin/sh", "-c", &line]).output().unwrap();
        crate::world::Ran::from(output)
    };
    let built = as_user("build --tag it:1 .");
    assert_eq!(built.code, 0, "{}", built.stderr);
    let ran = as_user("run it:1");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1000\n"), "{}", ran.stderr);
    let root = as_user("run --user root it:1 cat /who");
    assert_eq!(root.stdout, "0\n", "{}", root.stderr);
}

#[test]
fn an_interrupted_build_stops_what_it_started_and_cleans_up() {
    // Nobody else on this machine sleeps for so long.
    let seconds = 1_000_000 + std::process::id();
    let Some(world) = world_with(&format!("RUN echo started; sleep {seconds}\n")) else {
        skip!("it needs root and busybox-static");
    };
    let mut child = world.command(&["build", "."]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().ends_with("| started")));
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    assert!(said.iter().any(|line| line.contains("the build was interrupted")), "{said:?}");
    let left: Vec<_> = std::fs::read_dir(world.path("data/work")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() == "lock"), "{left:?}");
    assert_no_mount_left(&world);
    assert_nothing_runs(&format!("sleep\u{0}{seconds}"));
}

/// No process on this machine has this command line.
fn assert_nothing_runs(command: &str) {
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!contains(&line, command.as_bytes()), "{} still runs", String::from_utf8_lossy(&line));
    }
}

#[test]
fn timings_tell_phases_and_steps() {
    let world = World::new();
    world.file("a", "");
    world.file("Dockerfile", "FROM scratch\nCOPY a /a\nCOPY a /b\n");
    let ran = world.wharf_ok(&["build", "--timings", "."]);
    assert!(ran.stderr.contains("PHASE") && ran.stderr.contains("ran  [2/2] COPY a /b"), "{}", ran.stderr);
    let document = world.wharf_ok(&["--json", "build", "--timings", "."]).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["timings"]["each"].as_array().unwrap().len(), 2, "{document}");
    assert_eq!(document["timings"]["each"][0]["cached"], true);
}

/// Makes the process what it would be in a pod without added capabilities, and runs what follows.
const CONTAIN: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
DENY, NOSYS, ALLOW = 0x00050001, 0x00050026, 0x7fff0000
ins = [(0x20, 0, 0, 0)]
for call in (272, 308, 165, 166, 155, 428, 429, 430, 442):  # namespaces and mounts, on x86_64
    ins += [(0x15, 0, 1, call), (6, 0, 0, DENY)]
ins += [(0x15, 0, 1, 435), (6, 0, 0, NOSYS), (0x15, 0, 3, 56), (0x20, 0, 0, 16), (0x45, 0, 1, 0x7e020000),
        (6, 0, 0, DENY), (6, 0, 0, ALLOW)]
code = b''.join(struct.pack('HBBI', *i) for i in ins)
buffer = ctypes.create_string_buffer(code)
class Prog(ctypes.Structure):
    _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
if libc.prctl(22, 2, ctypes.byref(Prog(len(ins), ctypes.addressof(buffer)))): sys.exit(99)
keep = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}  # docker's default
if os.environ.get('WITHOUT_CHROOT'): keep.remove(18)
for bit in range(64):
    if bit not in keep: libc.prctl(24, bit, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// wharf where nothing may be mounted and no namespace be made.
fn contained(world: &World, args: &[&str]) -> crate::world::Ran {
    contained_more(world, args, &[])
}

/// The same, and less still.
fn contained_more(world: &World, args: &[&str], more: &[&str]) -> crate::world::Ran {
    let mut command = Command::new("python3");
    let plain = world.command(args);
    command
        .args(["-c", CONTAIN, crate::world::WHARF])
        .args(args)
        .current_dir(world.path("project"))
        .env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(more.iter().map(|name| (name, "1")));
    crate::world::Ran::from(command.output().unwrap())
}

/// As in BuildKit: digits hold for every directory that is made on the way, letters only for what is copied.
#[test]
fn a_mode_in_letters_is_not_that_of_directories_on_the_way() {
    let world = World::new();
    world.file("a", "a\n");
    let copies = "COPY --chmod=u+x,go-r a /letters/on/\nCOPY --chmod=0750 a /digits/on/\n\
        COPY --link --chmod=0700 a /digits/on/b\n";
    world.file("Dockerfile", &format!("FROM scratch\n{copies}"));
    let tar = world.path("files.tar");
    world.wharf_ok(&["build", "--output", &format!("type=tar,dest={}", tar.display()), "."]);
    let listed = Command::new("tar").arg("-tvf").arg(&tar).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let modes: Vec<(&str, &str)> = listed
        .lines()
        .map(|line| (line.split(' ').next().unwrap(), line.rsplit(' ').next().unwrap().trim_end_matches('/')))
        .collect();
    assert_eq!(
        modes,
        [
            ("drwxr-x---", "digits"),
            ("drwxr-x---", "digits/on"),
            ("-rwxr-x---", "digits/on/a"),
            ("-rwx------", "digits/on/b"),
            ("drwxr-xr-x", "letters"),
            ("drwxr-xr-x", "letters/on"),
            ("-rwx------", "letters/on/a"),
        ]
    );
}

/// Where not even `chroot` is allowed, images that need no process are the same, and what needs one says why it
/// cannot be run.
#[test]
fn without_chroot_files_are_copied_and_nothing_runs() {
    let Some(world) = world_with("") else { skip!("it needs root and busybox-static") };
    if Command::new("python3").arg("--version").output().is_err() || cfg!(not(target_arch = "x86_64")) {
        skip!("it needs python3 on x86_64");
    }
    let files = "FROM scratch AS base\nCOPY bin /bin\nFROM base\nCOPY etc /etc\nWORKDIR /srv/app\n\
        COPY --chown=app:1000 etc/passwd ./\nCOPY --from=0 /bin /srv/bin/\nCOPY --link --chown=7 etc/group /linked/\n";
    world.file("Dockerfile", files);
    let build = ["build", "--output", "type=tar,dest=-", "--build-arg", "SOURCE_DATE_EPOCH=0", "."];
    let listing = |tar: &str| {
        let out = world.path(tar);
        let output = Command::new("tar").arg("-tvf").arg(&out).arg("--numeric-owner").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let export = |name: &str| format!("type=tar,dest={},rewrite-timestamp=true", world.path(name).display());
    let build = |name: &str| -> Vec<String> {
        let mut args: Vec<String> = build.iter().map(|word| (*word).to_owned()).collect();
        args[2] = export(name);
        args
    };
    world.wharf_ok(&build("rooted.tar").iter().map(String::as_str).collect::<Vec<_>>());
    assert!(listing("rooted.tar").contains("1000/1000"), "{}", listing("rooted.tar"));
    std::fs::remove_dir_all(world.path("data")).unwrap();
    std::fs::create_dir(world.path("data")).unwrap();
    let more = ["WITHOUT_CHROOT"];
    let args = build("bare.tar");
    let ran = contained_more(&world, &args.iter().map(String::as_str).collect::<Vec<_>>(), &more);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(listing("bare.tar"), listing("rooted.tar"));
    let doctor = contained_more(&world, &["doctor"], &more);
    assert_eq!(doctor.code, 3, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("sandbox   files only, no process"), "{}", doctor.stdout);
    world.file("run.Dockerfile", &format!("{BUSYBOX}RUN true\n"));
    let ran = contained_more(&world, &["build", "-f", "run.Dockerfile", "."], &more);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("this host lets wharf run no process: root namespaces: "), "{}", ran.stderr);
}

#[test]
fn a_pod_without_added_capabilities_builds_the_same_image() {
    let dockerfile = "ENV A=1\nRUN --mount=type=secret,id=s --mount=type=cache,target=/c cat /run/secrets/s > /seen; echo x >> /c/f; \\\n\
        rm /etc/group && mkdir /made && echo $A > /made/a && chown app /made/a && ln /made/a /made/b\n\
        COPY --chown=app etc/passwd /made/\nCOPY --link etc/group /linked/\nUSER app\nRUN id -u > /tmp/who; cat /made/passwd | head -1 >> /tmp/who\n";
    let dockerfile = format!("RUN mkdir -m 1777 /tmp\n{dockerfile}");
    let Some(world) = world_with(&dockerfile) else { skip!("it needs root and busybox-static") };
    if Command::new("python3").arg("--version").output().is_err() || cfg!(not(target_arch = "x86_64")) {
        skip!("it needs python3 on x86_64");
    }
    std::fs::write(world.path("s"), "hidden").unwrap();
    let secret = format!("id=s,src={}", world.path("s").display());
    let doctor = contained(&world, &["doctor"]);
    assert!(
        doctor.stdout.contains("sandbox   chroot without namespaces"),
        "{}{}",
        doctor.stdout,
        doctor.stderr
    );
    assert!(
        doctor.stdout.contains("not root namespaces: the capability CAP_SYS_ADMIN is missing"),
        "{}",
        doctor.stdout
    );
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);

    let listing = |name: &str| {
        let out = world.path(name);
        let list = "cd $0 && find . -printf '%p %y %m %U %G %n %l\\n' | sort; cat seen made/a tmp/who";
        let output = Command::new("sh").args(["-c", list]).arg(&out).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let export = |name: &str| format!("type=tar,dest={}", world.path(&format!("{name}.tar")).display());
    let unpack = |name: &str| {
        std::fs::create_dir(world.path(name)).unwrap();
        let tar = world.path(&format!("{name}.tar"));
        Command::new("tar").arg("-xpf").arg(tar).arg("-C").arg(world.path(name)).status().unwrap();
    };
    let ran =
        contained(&world, &["build", "--secret", &secret, "--output", &export("bare"), "--tag", "it:1", "."]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let again = contained(&world, &["build", "--secret", &secret, "--tag", "it:1", "."]);
    assert_eq!((again.code, ran_steps(&again.stderr)), (0, 0), "{}", again.stderr);

    std::fs::rename(world.path("data"), world.path("data-bare")).unwrap();
    std::fs::create_dir(world.path("data")).unwrap();
    world.wharf_ok(&["build", "--secret", &secret, "--output", &export("rooted"), "--tag", "it:1", "."]);
    unpack("bare");
    unpack("rooted");
    assert_eq!(listing("bare"), listing("rooted"));
    assert!(listing("bare").contains("./made/b f 644 1000 0 2 "), "{}", listing("bare"));

    let limited = contained(&world, &["build", "--network", "none", "."]);
    assert!(limited.stderr.contains("cannot be kept from the network"), "{}", limited.stderr);
}

/// A value that is nowhere but where it was given.
const SECRET: &str = "correct-horse-battery-staple-7781";

#[test]
fn a_secret_is_nowhere_but_in_its_step() {
    let dockerfile = "RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN \\\n\
        test \"$TOKEN\" = \"$(cat /run/secrets/file)\" && echo \"it is $TOKEN\" && echo started && sleep 1\n\
        RUN --mount=type=cache,target=/c --mount=type=secret,id=file wc -c < /run/secrets/file > /length\n";
    let Some(world) = world_with(dockerfile) else { skip!("it needs root and busybox-static") };
    let file = world.path("secret");
    std::fs::write(&file, SECRET).unwrap();
    let image = world.path("image.tar");
    let metadata = world.path("metadata.json").display().to_string();
    let (spec, output) = (
        format!("id=file,src={}", file.display()),
        format!("type=oci,dest={},compression=uncompressed", image.display()),
    );
    let args = [
        "build",
        "--secret",
        &spec,
        "--secret",
        "id=variable,env=GIVEN",
        "--output",
        &output,
        "--tag",
        "it:1",
        "--provenance=mode=max",
        "--metadata-file",
        &metadata,
        ".",
    ];
    let mut child = world
        .command(&args)
        .env("GIVEN", SECRET)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap())) {
        said.push(line.unwrap());
        if said.last().unwrap().ends_with("| started") {
            assert_nothing_runs(SECRET);
        }
    }
    let ended = child.wait_with_output().unwrap();
    let said = said.join("\n");
    assert!(ended.status.success() && said.contains("| it is ***"), "{said}");
    assert!(!said.contains(SECRET) && !String::from_utf8_lossy(&ended.stdout).contains(SECRET), "{said}");
    std::fs::remove_file(&file).unwrap();
    for value in [SECRET.to_owned(), base64_of(SECRET), SECRET.chars().rev().collect()] {
        let holders = Command::new("grep").args(["-rlaF", &value]).arg(world.path("")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&holders.stdout), "", "{value}");
    }
    assert!(
        contains(&std::fs::read(&image).unwrap(), b"wc -c"),
        "the archive is one that grep can look into"
    );
    let history = world.wharf_ok(&["history", "--no-trunc", "it:1"]);
    assert!(!history.stdout.contains(SECRET));
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

#[test]
fn one_image_in_another_place_at_another_time_by_another_user() {
    let user = Command::new("id").args(["-u", "wharf-test"]).output().unwrap();
    if !is_root() || !user.status.success() {
        skip!("it needs root to become the user wharf-test, and that user with sub-ids");
    }
    let build = |touched: &str, as_user: bool| {
        let world = World::new();
        if !busybox_context(&world) {
            return None;
        }
        let run = "COPY tree /srv\nRUN mkdir -p /made/deep && echo x > /made/deep/f && ln -s f /made/deep/l && chown -R app /made\n\
            FROM scratch\nCOPY --from=0 /made /made\nCOPY --from=0 --chown=7:8 /srv /srv\n";
        world.file("Dockerfile", &format!("{BUSYBOX}{run}"));
        for name in ["tree/a", "tree/b/c", "tree/z"] {
            let path = world.file(name, name);
            Command::new("touch").args(["-d", touched]).arg(path).status().unwrap();
        }
        let top = world.path("");
        let binary = world.path("wharf");
        std::fs::copy(crate::world::WHARF, &binary).unwrap();
        let line = format!(
            "cd '{top}project' && SOURCE_DATE_EPOCH=1700000000 HOME='{top}home' WHARF_DATA_DIR='{top}data' \
             WHARF_CONFIG='{top}config.toml' '{top}wharf' build --output type=oci,dest='{top}i.tar',rewrite-timestamp=true .",
            top = top.display()
        );
        let output = if as_user {
            Command::new("chown").args(["-R", "wharf-test"]).arg(&top).status().unwrap();
            Command::new("su").args(["wharf-test", "-s", "/bin/sh", "-c", &line]).output().unwrap()
        } else {
            Command::new("sh").args(["-c", &line]).output().unwrap()
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(manifest_digest(&world.path("i.tar")))
    };
    let Some(first) = build("2024-01-01", false) else { skip!("it needs busybox-static") };
    assert_eq!(build("2025-02-03", true), Some(first));
}
