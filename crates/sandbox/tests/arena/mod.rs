//! Where the tests fight: a process of its own per test, on a given rung of the ladder, with a root file
//! system made of busybox.

#![allow(
    dead_code,
    unused_macros,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test support, of which every test program uses its own part"
)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use wharf_sandbox::{Error, Overlay, Process, Root, Rung, Sandbox, Spec, Upper, enter};

/// Declares tests that run on every rung: `fn name(arena: &Arena)` each.
#[macro_export]
macro_rules! on_every_rung {
    ($($name:ident)*) => { $(
        mod $name {
            use wharf_sandbox::Rung;
            #[test]
            fn as_root() {
                $crate::arena::fight(Rung::Root, concat!(stringify!($name), "::as_root"), super::$name);
            }
            #[test]
            fn with_subids() {
                $crate::arena::fight(Rung::SubIds, concat!(stringify!($name), "::with_subids"), super::$name);
            }
            #[test]
            fn with_one_id() {
                $crate::arena::fight(Rung::SingleId, concat!(stringify!($name), "::with_one_id"), super::$name);
            }
        }
    )* };
}

/// Declares tests that make sense only as root.
#[macro_export]
macro_rules! as_root {
    ($($name:ident)*) => { $(
        mod $name {
            #[test]
            fn as_root() {
                let name = concat!(stringify!($name), "::as_root");
                $crate::arena::fight(wharf_sandbox::Rung::Root, name, super::$name);
            }
        }
    )* };
}

/// Set in the process that really runs the test.
const INSIDE: &str = "WHARF_SANDBOX_TEST_INSIDE";

/// A user with sub-ids, made by `cargo xtask test`.
const SUBID_USER: &str = "wharf-test";

/// A user id without a name and without sub-ids.
const LONE_USER: &str = "54321";

/// Who enters the sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Root,
    WithSubids,
    WithoutSubids,
}

/// Runs `body` as the user who ends up on `rung`.
pub(crate) fn fight(rung: Rung, name: &str, body: impl FnOnce(&Arena)) {
    let caller = match rung {
        Rung::Root | Rung::Chroot | Rung::Files => Caller::Root,
        Rung::SubIds => Caller::WithSubids,
        Rung::SingleId => Caller::WithoutSubids,
    };
    alone(caller, name, || enter_and_run(rung, name, body));
}

/// Runs `body` in a process of its own with a single thread, for only such a process can enter.
pub(crate) fn alone(caller: Caller, name: &str, body: impl FnOnce()) {
    if !Path::new("/bin/busybox").exists() {
        eprintln!("skipped {name}: /bin/busybox is missing (package busybox-static)");
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return on_single_thread(body);
    }
    let Some(mut command) = command(caller, name) else { return };
    let output = command.args(["--exact", name, "--test-threads=1", "--nocapture"]).env(INSIDE, "1").output();
    let output = output.unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    if text.contains("skipped") {
        eprintln!("{text}");
    }
}

/// This test program, to be run as `caller`.
fn command(caller: Caller, name: &str) -> Option<Command> {
    let me = std::env::current_exe().unwrap();
    let known = fs::read_to_string("/etc/subuid").is_ok_and(|text| text.contains(SUBID_USER));
    let user = match (caller, rustix::process::geteuid().is_root()) {
        (Caller::Root, false) => {
            eprintln!("skipped {name}: not running as root");
            return None;
        }
        (Caller::WithSubids, true) if !known => {
            eprintln!("skipped {name}: there is no user {SUBID_USER} with sub-ids");
            return None;
        }
        (Caller::Root, true) | (_, false) => return Some(Command::new(me)),
        (Caller::WithSubids, true) => SUBID_USER,
        (Caller::WithoutSubids, true) => LONE_USER,
    };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(me);
    Some(command)
}

/// The test harness runs even a single test on a second thread; a fork of that thread has just one.
fn on_single_thread(body: impl FnOnce()) {
    // SAFETY: the other thread only waits for this one, and holds no lock meanwhile.
    match unsafe { libc::fork() } {
        0 => {
            let survived = catch_unwind(AssertUnwindSafe(body));
            // SAFETY: has no preconditions.
            unsafe { libc::_exit(i32::from(survived.is_err())) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: `status` is valid for writes.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            assert_eq!(status, 0, "the test failed");
        }
    }
}

/// Enters, and runs `body` if that led to `rung`.
pub(crate) fn enter_and_run(rung: Rung, name: &str, body: impl FnOnce(&Arena)) {
    let sandbox = enter().unwrap();
    if sandbox.rung() != rung {
        eprintln!("skipped {name}: this host gave {} ({:?})", sandbox.rung(), sandbox.refusals());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let base = place.path().join("base");
    make_base(&base);
    body(&Arena { sandbox, place, base, count: AtomicU32::new(0) });
}

const APPLETS: &[&str] = &[
    "sh", "cat", "ls", "id", "env", "pwd", "echo", "true", "false", "sleep", "touch", "mkdir", "rm", "rmdir",
    "mv", "chmod", "chown", "mount", "umount", "unshare", "stat", "ps", "wget", "nc", "hostname", "ip",
    "test", "grep", "readlink", "kill", "dd", "mknod", "chroot", "setsid", "head", "tail", "wc", "su", "ln",
    "cp", "umask", "find", "sort", "ulimit", "df", "seq", "tty", "nproc", "od", "printf", "ifconfig",
    "httpd", "trap", "dmesg", "swapon",
];

fn make_base(base: &Path) {
    for directory in ["bin", "etc", "tmp", "root"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", base.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", base.join("bin").join(applet)).unwrap();
    }
    fs::set_permissions(base.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    fs::write(base.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n").unwrap();
    fs::write(base.join("etc/group"), "root:x:0:\napp:x:1000:\n").unwrap();
}

/// A sandbox, a place for files, and a root file system.
pub(crate) struct Arena {
    pub(crate) sandbox: Sandbox,
    pub(crate) place: tempfile::TempDir,
    /// A layer with busybox in it.
    pub(crate) base: PathBuf,
    count: AtomicU32,
}

/// How a command ended and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Arena {
    /// A new empty directory.
    pub(crate) fn directory(&self) -> PathBuf {
        let path = self.place.path().join(format!("d{}", self.count.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).unwrap();
        path
    }

    /// A new empty upper directory.
    pub(crate) fn upper(&self) -> Upper {
        Upper { dir: self.directory(), work: self.directory() }
    }

    /// `script` for the shell, on the base and an empty upper directory.
    pub(crate) fn shell(&self, script: &str) -> Spec {
        self.shell_on(vec![self.base.clone()], self.upper(), script)
    }

    /// `script` for the shell, on these layers.
    pub(crate) fn shell_on(&self, lowers: Vec<PathBuf>, upper: Upper, script: &str) -> Spec {
        let overlay = Overlay { lowers, upper: Some(upper), volatile: false };
        let args = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let path = ("PATH".to_owned(), "/bin".to_owned());
        Spec { env: vec![path], ..Spec::new(Root::Overlay(overlay), args) }
    }

    /// Runs to the end.
    pub(crate) fn run(&self, spec: &Spec) -> Result<Ended, Error> {
        finish(self.sandbox.spawn(spec)?)
    }

    /// What `script` prints, which must succeed.
    pub(crate) fn output(&self, script: &str) -> String {
        self.output_of(&self.shell(script))
    }

    /// What `spec` prints, which must succeed.
    pub(crate) fn output_of(&self, spec: &Spec) -> String {
        let ended = self.run(spec).unwrap();
        assert!(ended.status.success(), "{}: {}{}", ended.status, ended.out, ended.err);
        ended.out
    }

    /// Whether `script` succeeds.
    pub(crate) fn succeeds(&self, script: &str) -> bool {
        self.run(&self.shell(script)).unwrap().status.success()
    }
}

/// Reads both outputs and waits.
pub(crate) fn finish(mut process: Process) -> Result<Ended, Error> {
    let (mut out, mut err) = (String::new(), String::new());
    let streams = (process.take_stdout(), process.take_stderr());
    std::thread::scope(|scope| {
        scope.spawn(|| streams.0.map(|mut stream| stream.read_to_string(&mut out).unwrap()));
        scope.spawn(|| streams.1.map(|mut stream| stream.read_to_string(&mut err).unwrap()));
    });
    Ok(Ended { status: process.wait()?, out, err })
}

/// The lines of `text`.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}
