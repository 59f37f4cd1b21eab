//! The supervisor: one container from start to end, with its ports, its output, its health and its state.
//!
//! It is started by [`super::start`] and speaks to that over its standard streams: it says `ready` when it
//! can be connected to, waits for a line, starts the container, and says how that went.

use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use wharf_oci::Platform;
use wharf_registry::Name;
use wharf_sandbox::{Capabilities, CpuQuota, Limits, Network, NetworkNamespace, Security, Spec, Stdio};

use super::exec::{self, Running, exit_code};
use super::forward::{self, Reserved};
use super::log::{Cutter, Log};
use super::record::{Container, Health, Mode, Restart, Status};
use super::root::Scratch;
use super::sinks::Sinks;
use super::state::{Containers, Held};
use super::volume::{self, Volumes};
use super::{health, launch, nat, serve, wire};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, OrFail, Outcome};
use crate::world::{World, now};
use crate::{layers, local};

/// What a supervisor says when it has tried to start its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    Started,
    Failed { code: i32, why: String },
}

/// One container, as the threads of its supervisor share it.
pub(crate) struct Supervisor {
    container: Mutex<Container>,
    held: Held,
    spec: Spec,
    sinks: Sinks,
    current: Mutex<Option<Arc<Running>>>,
    /// Somebody wants it to end: it is not started again.
    down: AtomicBool,
}

impl Supervisor {
    /// The process, while it runs.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        lock(&self.current).clone()
    }

    pub(crate) fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// What the container was started with.
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The container is not to be started again.
    pub(crate) fn stay_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn rename(&self, name: String) {
        self.note(|container| container.name = name);
    }

    pub(crate) fn stop_timeout(&self) -> Option<u64> {
        lock(&self.container).host.stop_timeout
    }

    /// Changes what is known, also for everybody who reads the directory.
    fn note(&self, change: impl FnOnce(&mut Container)) {
        let mut container = lock(&self.container);
        change(&mut container);
        // A full disk must not stop the service.
        let _ = self.held.save(&container);
    }
}

/// Supervises the container with this ID, which exists and does not run.
pub(crate) fn run(id: &str, globals: &Globals) -> Outcome {
    // The session of whoever started it ends, and the container does not.
    let _ = rustix::process::setsid();
    let world = World::sandboxed(globals)?;
    let containers = Containers::new(&world.data_dir);
    let held = containers.hold(id)?;
    let container = containers.read(id)?;
    let Prepared { spec, network, ports, scratch } = prepare(&world, &container, held.directory())?;
    // From now on it is the container that keeps its image.
    world.release();
    let log = Arc::new(Mutex::new(Log::open(&containers.log(&container))?));
    let listener = wire::listen(held.directory()).context("listening in the container's directory")?;
    let supervisor = Arc::new(Supervisor {
        container: Mutex::new(container.clone()),
        held,
        spec,
        sinks: Sinks::default(),
        current: Mutex::default(),
        down: AtomicBool::new(false),
    });
    serve::serve(listener, supervisor.clone());
    stop_on_signals(&world, &supervisor);

    println_to_starter("ready")?;
    let mut go = String::new();
    std::io::stdin().read_line(&mut go)?;
    if go.is_empty() {
        // Who wanted it started has gone away.
        return Ok(Exit::Environment);
    }
    let first = spawn(&world, &supervisor, &log, &network);
    let bound = ports.iter().map(|port| port.bound).collect();
    let said = match &first {
        Ok(_) => Said::Started,
        Err(error) => Said::Failed { code: exec::start_code(error), why: error.to_string() },
    };
    match &said {
        Said::Started => supervisor.note(|container| container.state.ports = bound),
        Said::Failed { code, why } => supervisor.note(|container| {
            container.state.status = Status::Created;
            container.state.exit_code = *code;
            container.state.error.clone_from(why);
        }),
    }
    if let (Ok(_), Some((network, address))) = (&first, &network) {
        forward::serve(ports, network.clone(), *address, || true);
    }
    println_to_starter(&serde_json::to_string(&said)?)?;
    leave_the_streams()?;

    if let Ok(round) = first {
        let code = rounds(&world, &supervisor, &log, &network, round);
        // The state comes before the news, so that whoever hears of the end finds it written down.
        supervisor.sinks.end(code);
    }
    drop(scratch);
    if container.host.auto_remove {
        forget(&containers, &container, &Volumes::new(&world.data_dir))?;
    }
    Ok(Exit::Done)
}

/// Forgets a container with the volumes that were made for it alone.
pub(crate) fn forget(
    containers: &Containers,
    container: &Container,
    volumes: &Volumes,
) -> Result<(), Failure> {
    for mount in container.host.mounts.iter().filter(|mount| mount.anonymous) {
        // It may be gone already.
        let _ = volumes.remove(&mount.source);
    }
    containers.remove(&container.id)
}

struct Prepared {
    spec: Spec,
    /// A network of its own, and the container's address in it.
    network: Option<(NetworkNamespace, Ipv4Addr)>,
    ports: Vec<Reserved>,
    scratch: Scratch,
}

/// Everything that can be done before the container is started.
fn prepare(world: &World, container: &Container, directory: &Path) -> Result<Prepared, Failure> {
    let host = &container.host;
    let digest = container.digest.parse().or_usage()?;
    let descriptor = world.store.manifest_descriptor(Name::Digest(&digest))?;
    let descriptor =
        descriptor.ok_or_else(|| anyhow!("the image {} is not on this machine any more", container.image))?;
    let image = local::open(&world.store, &descriptor, &Platform::host())?;
    let lowers = layers::unpack(world, &image)?;
    let scratch = Scratch::of_container(directory, lowers, !host.auto_remove)?;
    let workdir = Path::new(&container.config.working_dir);
    let (account, mounts, has_workdir) = {
        let view = scratch.view(world.sandbox())?;
        let account = launch::account(&container.config.user, &view)?;
        let mounts = volume::prepare(&host.mounts, &Volumes::new(&world.data_dir), &view)?;
        (account, mounts, workdir.as_os_str().is_empty() || view.metadata(workdir).is_some())
    };
    if !has_workdir {
        scratch.make_directory(world.sandbox(), workdir)?;
    }
    let mut spec = launch::spec(&container.config, &account, scratch.root(), container.hostname())?;
    let mut ports = Vec::new();
    let mut network = None;
    let mut resolvers = host.dns.clone();
    spec.network = match host.network {
        Mode::Host => Network::Host,
        Mode::None => Network::Isolated,
        Mode::Bridge => {
            for publish in &host.publish {
                ports.extend(forward::reserve(publish)?);
            }
            let own = world.sandbox().network()?;
            let address = way_out(&own, host, &mut resolvers);
            network = Some((own.clone(), address));
            Network::Of(own)
        }
    };
    let gateway = if host.network == Mode::Bridge { nat::GATEWAY } else { Ipv4Addr::LOCALHOST };
    let extra: Vec<String> =
        host.extra_hosts.iter().map(|entry| entry.replace(HOST_GATEWAY, &gateway.to_string())).collect();
    spec.mounts = launch::network_files(container.hostname(), &extra, &resolvers);
    spec.mounts.extend(mounts);
    spec.init = host.init;
    spec.readonly = host.read_only;
    spec.security = if host.privileged { Security::Insecure } else { Security::Default };
    spec.capabilities = Capabilities::adjusted(&host.cap_add, &host.cap_drop).or_usage()?;
    spec.limits = Limits {
        memory: host.memory,
        cpu: host.nano_cpus.map(|nano| CpuQuota {
            quota: Duration::from_nanos(nano / 10),
            period: Duration::from_millis(100),
        }),
        pids: host.pids_limit,
        ..Limits::default()
    };
    spec.ulimits = host.ulimits.iter().map(|text| crate::building::ulimit(text)).collect::<Result<_, _>>()?;
    spec.shm_size = host.shm_size.unwrap_or(spec.shm_size);
    spec.terminal = host.tty;
    spec.stdin = if host.open_stdin && !host.tty { Stdio::Piped } else { Stdio::Null };
    if host.tty {
        launch::default_variable(&mut spec.env, "TERM", "xterm");
    }
    Ok(Prepared { spec, network, ports, scratch })
}

/// Opens the way out of a network; gives the container's address in it. Without one, the container still has
/// its loopback, and its ports are published.
fn way_out(network: &NetworkNamespace, host: &super::record::Host, resolvers: &mut Vec<String>) -> Ipv4Addr {
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let to_host = host.extra_hosts.iter().any(|entry| entry.ends_with(HOST_GATEWAY));
    match nat::open(network, nat::Routes::new(&resolv_conf, to_host)) {
        Ok(()) => {
            if resolvers.is_empty() {
                resolvers.push(nat::RESOLVER.to_string());
            }
            nat::ADDRESS
        }
        Err(error) => {
            // Standard error may be closed; the container runs all the same.
            let _ = writeln!(
                std::io::stderr(),
                "warning: the container has no way out of its network: {}\n  hint: `--network host` gives it the host's",
                crate::output::error::chain(&error)
            );
            Ipv4Addr::LOCALHOST
        }
    }
}

/// What `--add-host` says for the host itself.
const HOST_GATEWAY: &str = "host-gateway";

/// One run of the container's process, and who reads what it says.
struct Round {
    running: Arc<Running>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

fn spawn(
    world: &World,
    supervisor: &Arc<Supervisor>,
    log: &Arc<Mutex<Log>>,
    _network: &Option<(NetworkNamespace, Ipv4Addr)>,
) -> Result<Round, wharf_sandbox::Error> {
    let process = world.sandbox().spawn(&supervisor.spec)?;
    let pid = process.pid();
    let taken = Running::new(process);
    let (running, output) = taken.map_err(|source| wharf_sandbox::Error::Host {
        action: "taking over the container's terminal".to_owned(),
        source,
    })?;
    let running = Arc::new(running);
    *lock(&supervisor.current) = Some(running.clone());
    let cutters = Arc::new(Mutex::new([Cutter::new("stdout"), Cutter::new("stderr")]));
    let (sinks, log) = (supervisor.sinks.clone(), log.clone());
    let readers = output.follow(move |name, bytes| {
        {
            let (mut cutters, mut log) = (lock(&cutters), lock(&log));
            let cutter = &mut cutters[usize::from(name == "stderr")];
            match bytes {
                [] => cutter.finish(&mut log),
                bytes => cutter.take(bytes, &mut log),
            }
        }
        if !bytes.is_empty() {
            sinks.say(&exec::frame(name, bytes));
        }
    });
    let config = lock(&supervisor.container).config.clone();
    let check = config.healthcheck.as_ref();
    let args = check.and_then(|check| health::command_line(check, &config));
    supervisor.note(|container| {
        let state = &mut container.state;
        (state.status, state.pid, state.supervisor) = (Status::Running, pid, std::process::id());
        (state.started, state.finished) = (now().to_string(), String::new());
        (state.exit_code, state.error, state.oom_killed) = (0, String::new(), false);
        state.health = args.as_ref().map(|_| Health::default());
    });
    if let (Some(args), Some(check)) = (args, check) {
        let (rhythm, supervisor, running) = (health::Rhythm::of(check), supervisor.clone(), running.clone());
        std::thread::spawn(move || {
            health::watch(&running.process, &args, &rhythm, &supervisor.spec, |health| {
                supervisor.note(|container| container.state.health = Some(health));
            });
        });
    }
    Ok(Round { running, readers })
}

/// Runs the container's process until it has ended for good; gives the exit code.
fn rounds(
    world: &World,
    supervisor: &Arc<Supervisor>,
    log: &Arc<Mutex<Log>>,
    network: &Option<(NetworkNamespace, Ipv4Addr)>,
    mut round: Round,
) -> i32 {
    let mut pause = Duration::from_millis(100);
    loop {
        let code = round.running.process.wait().map_or(255, exit_code);
        let out_of_memory = round.running.process.out_of_memory();
        round.readers.into_iter().for_each(|reader| drop(reader.join()));
        *lock(&supervisor.current) = None;
        let again = {
            let container = lock(&supervisor.container);
            !supervisor.down.load(Ordering::SeqCst)
                && wants_restart(container.host.restart, code, container.state.restarts)
        };
        supervisor.note(|container| {
            let state = &mut container.state;
            state.status = if again { Status::Restarting } else { Status::Exited };
            (state.exit_code, state.oom_killed, state.pid) = (code, out_of_memory, 0);
            state.finished = now().to_string();
            if !again {
                state.ports.clear();
            }
        });
        if !again {
            return code;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(60));
        if supervisor.down.load(Ordering::SeqCst) {
            supervisor.note(|container| container.state.status = Status::Exited);
            return code;
        }
        match spawn(world, supervisor, log, network) {
            Ok(next) => round = next,
            Err(error) => {
                supervisor.note(|container| {
                    container.state.status = Status::Exited;
                    container.state.error = error.to_string();
                });
                return exec::start_code(&error);
            }
        }
        supervisor.note(|container| container.state.restarts += 1);
    }
}

/// Whether a container that ended like this is started again.
fn wants_restart(policy: Restart, code: i32, restarts: u32) -> bool {
    match policy {
        Restart::No => false,
        Restart::Always | Restart::UnlessStopped => true,
        Restart::OnFailure(most) => code != 0 && (most == 0 || restarts < most),
    }
}

/// SIGTERM and SIGINT to the supervisor ask the process to stop, and kill it when it does not.
fn stop_on_signals(world: &World, supervisor: &Arc<Supervisor>) {
    const GRACE: Duration = Duration::from_secs(10);
    let supervisor = supervisor.clone();
    world.runtime.spawn(async move {
        let (Ok(mut term), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        supervisor.stay_down();
        if let Some(running) = supervisor.running() {
            tokio::task::spawn_blocking(move || drop(running.process.stop(GRACE)));
        }
    });
}

fn println_to_starter(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("answering whoever started the container")?;
    Ok(())
}

/// Lets go of the streams of whoever started it, who may wait for their end.
fn leave_the_streams() -> Result<(), Failure> {
    let null =
        std::fs::File::options().read(true).write(true).open("/dev/null").context("opening /dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// A thread that panicked while it held one of these locks left the value whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_docker_s() {
        assert!(!wants_restart(Restart::No, 1, 0));
        assert!(wants_restart(Restart::Always, 0, 100));
        assert!(wants_restart(Restart::OnFailure(0), 1, 100) && !wants_restart(Restart::OnFailure(0), 0, 0));
        assert!(wants_restart(Restart::OnFailure(2), 1, 1) && !wants_restart(Restart::OnFailure(2), 1, 2));
    }
}
