//! A command that is watched while it runs, and a build that waits to be told to go on.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::world::{BUSYBOX, Ran, World, busybox_context};

/// How long anything may take on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// A command under way.
pub(super) struct Running {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, lines) =
            (Arc::new(Mutex::new(String::new())), BufReader::new(child.stderr.take().unwrap()));
        let heard = stderr.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, stderr, reader }
    }

    /// Waits until it has said `text`.
    pub(super) fn says(&mut self, text: &str) {
        wait_until(&format!("it says `{text}`: {}", self.stderr.lock().unwrap()), || {
            self.stderr.lock().unwrap().contains(text) || self.child.try_wait().unwrap().is_some()
        });
        let heard = self.stderr.lock().unwrap();
        assert!(heard.contains(text), "it ended without `{text}`: {heard}");
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&self) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    }

    /// How it ended.
    pub(super) fn end(mut self) -> Ran {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.reader.join().unwrap();
        let stderr = std::mem::take(&mut *self.stderr.lock().unwrap());
        Ran { code, stdout, stderr }
    }
}

pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A project whose last step waits until its secret says `go`. A step sees a secret as it was when the step began, so
/// one that waits goes on waiting, and the same step at another builder ends. `name` keeps steps of tests apart that
/// share an engine. `None` where there is no busybox.
pub(super) fn waiting(name: &str) -> Option<World> {
    let world = World::new();
    if !busybox_context(&world) {
        return None;
    }
    let step = format!(
        "RUN --mount=type=secret,id=mode echo begun {name}; \
         until [ \"$(cat /run/secrets/mode)\" = go ]; do sleep 1; done; echo {name} >/built\n"
    );
    world.file("Dockerfile", &format!("{BUSYBOX}{step}"));
    world.file("mode", "wait");
    Some(world)
}

/// The flags of its build.
pub(super) const MODE: [&str; 2] = ["--secret", "id=mode,src=mode"];
