//! A Docker engine of a test's own, for the BuildKit inside: Debian's, in namespaces of its own, with its own data,
//! socket and bridge. It ends, and everything of it with it, when it is dropped or when the test program ends.

pub(crate) mod install;

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long an engine may take until it answers, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

const HOLD: &str = include_str!("hold.sh");

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 20.10: an old BuildKit, and images in the engine's own store, so it exports no OCI layout.
    Bookworm,
    /// 26.1 with containerd's image store, so its BuildKit exports what a stand-alone one does.
    Trixie,
}

/// What is particular about an engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// How many bytes its disk has; `None` takes what there is.
    pub disk: Option<u64>,
    /// A registry, as `127.0.0.1:port`, that it takes Docker Hub's images from and speaks plain HTTP to.
    pub mirror: Option<std::net::SocketAddr>,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    home: PathBuf,
    holder: Child,
}

impl Engine {
    /// Starts one, installing it before where that has not been done.
    ///
    /// # Errors
    /// Why this machine cannot run one. Where the test set-up has promised an engine, that is a panic instead.
    pub fn start(release: Release, wishes: &Wishes) -> Result<Self, String> {
        let started =
            install::ensure().and_then(|all| Self::hold(&all.join(release.suite()), release, wishes));
        if let (Err(why), true) = (&started, install::promised()) {
            panic!("no Docker engine although the test set-up has installed one: {why}");
        }
        started
    }

    /// The engine that all tests of this program share: the first one that wants it starts it.
    ///
    /// # Errors
    /// Why this machine cannot run one.
    pub fn shared(release: Release) -> Result<&'static Self, &'static str> {
        static BOOKWORM: OnceLock<Result<Engine, String>> = OnceLock::new();
        static TRIXIE: OnceLock<Result<Engine, String>> = OnceLock::new();
        let engine = match release {
            Release::Bookworm => &BOOKWORM,
            Release::Trixie => &TRIXIE,
        };
        engine.get_or_init(|| Self::start(release, &Wishes::default())).as_ref().map_err(String::as_str)
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.home.join("docker.sock")
    }

    /// `docker://` and its socket.
    pub fn address(&self) -> String {
        format!("docker://{}", self.socket().display())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    /// Ends it at once, with all that runs in it, as a machine ends that loses its power.
    pub fn kill(&mut self) {
        // The holder's first process ends when this closes, and the kernel ends the rest.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }

    fn hold(programs: &Path, release: Release, wishes: &Wishes) -> Result<Self, String> {
        let home =
            tempfile::Builder::new().prefix("wharf-engine-").tempdir().map_err(|e| e.to_string())?.keep();
        let made = ["data", "exec"].iter().try_for_each(|name| fs::create_dir(home.join(name)));
        made.and_then(|()| fs::write(home.join("daemon.json"), settings(release, wishes).to_string()))
            .map_err(|error| format!("writing into {}: {error}", home.display()))?;
        let holder = Command::new("sh")
            .args(["-c", HOLD_AND_SWEEP, "hold", HOLD])
            .args([programs, home.as_path()])
            .args([network().to_string(), wishes.disk.unwrap_or(0).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("log")).map_err(|error| error.to_string())?)
            // Ctrl-C at the tests is not for the holder, which has to sweep.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("starting a shell: {error}"))?;
        let mut engine = Self { home, holder };
        let begin = Instant::now();
        while !engine.answers() {
            let ended = engine.home.join("ended").exists() || matches!(engine.holder.try_wait(), Ok(Some(_)));
            if ended || begin.elapsed() > PATIENCE {
                return Err(format!("the engine does not start:\n{}", engine.log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(engine)
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            std::io::Write::write_all(&mut stream, b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            Ok(said)
        };
        ask().is_ok_and(|said| said.contains(" 200 "))
    }
}

/// Sweeps after the holder, whether or not somebody still waits for it.
const HOLD_AND_SWEEP: &str = "script=$1; shift; sh -c \"$script\" hold \"$@\"; rm -rf \"$2\"";

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Release {
    fn suite(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

fn settings(release: Release, wishes: &Wishes) -> serde_json::Value {
    let mut settings = serde_json::json!({ "features": { "buildkit": true } });
    if release == Release::Trixie {
        settings["features"]["containerd-snapshotter"] = true.into();
    }
    if let Some(mirror) = wishes.mirror {
        settings["registry-mirrors"] = serde_json::json!([format!("http://{mirror}")]);
        settings["insecure-registries"] = serde_json::json!([mirror.to_string()]);
    }
    settings
}

/// The third number of the engine's own network: by the process, as several test programs run side by side.
fn network() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let step = NEXT.fetch_add(1, Ordering::Relaxed);
    (std::process::id() as u8).wrapping_mul(16).wrapping_add(step)
}
