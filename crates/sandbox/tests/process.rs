//! Starting, watching and ending a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod arena;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use arena::{Arena, finish};
use wharf_sandbox::{
    CpuQuota, Error, ExecSpec, Limits, Network, Resource, Root, Rung, Spec, Stdio, Ulimit, User,
};

on_every_rung! {
    it_ends_as_the_command_ends
    environment_and_working_directory_are_as_given
    streams_go_where_they_should
    a_command_that_cannot_run_says_why
    a_program_that_is_still_being_written_is_waited_for
    a_request_without_sense_is_refused
    killing_it_takes_its_daemons_along
    dropping_it_kills_it
    stop_asks_first
    waiting_can_time_out
    init_reaps_orphans_and_passes_signals_on
    more_commands_run_beside_it
    commands_beside_it_end_with_it
    its_network_can_be_probed
    limits_per_process_are_set_and_never_above_the_hosts
    it_dies_with_its_parent
    many_threads_start_processes_at_once
}

as_root! {
    it_runs_as_the_user
    memory_is_limited
    processors_and_parents_are_chosen
    processes_are_limited
    processor_time_is_limited
    a_detached_process_outlives_its_parent
}

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn it_ends_as_the_command_ends(arena: &Arena) {
    let status = |script| arena.run(&arena.shell(script)).unwrap().status;
    assert_eq!(status("exit 0").code(), Some(0));
    assert_eq!(status("exit 3").code(), Some(3));
    assert_eq!(status("exit 255").code(), Some(255));
    let spec = Spec { init: true, ..arena.shell("exit 7") };
    assert_eq!(arena.run(&spec).unwrap().status.code(), Some(7));
}

fn environment_and_working_directory_are_as_given(arena: &Arena) {
    let env = vec![("PATH".to_owned(), "/bin".to_owned()), ("A".to_owned(), "b=c d".to_owned())];
    let spec = Spec { env, cwd: "/etc".into(), args: args(&["env"]), ..arena.shell("") };
    assert_eq!(arena.output_of(&spec), "PATH=/bin\nA=b=c d\n");
    assert_eq!(arena.output_of(&Spec { cwd: "/etc".into(), ..arena.shell("pwd") }), "/etc\n");
    let missing = arena.run(&Spec { cwd: "/nope".into(), ..arena.shell("pwd") });
    assert!(missing.is_err_and(|error| error.to_string() == "entering the working directory"));
}

fn streams_go_where_they_should(arena: &Arena) {
    let ended = arena.run(&arena.shell("echo out; echo err >&2; cat")).unwrap();
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("out\n", "err\n"), "standard input is empty");

    let mut process = arena.sandbox.spawn(&Spec { stdin: Stdio::Piped, ..arena.shell("cat") }).unwrap();
    process.take_stdin().unwrap().write_all(b"through a pipe").unwrap();
    assert_eq!(finish(process).unwrap().out, "through a pipe");

    let file = arena.place.path().join("log");
    let both = std::sync::Arc::new(std::os::fd::OwnedFd::from(std::fs::File::create(&file).unwrap()));
    let (stdout, stderr) = (Stdio::File(both.clone()), Stdio::File(both));
    arena.output_of(&Spec { stdout, stderr, ..arena.shell("echo one; echo two >&2; echo three") });
    assert_eq!(std::fs::read_to_string(file).unwrap(), "one\ntwo\nthree\n");
}

fn a_command_that_cannot_run_says_why(arena: &Arena) {
    let refused = |name: &str| {
        let spec = Spec { args: args(&[name]), ..arena.shell("") };
        arena.run(&spec).map(|_| ()).unwrap_err().to_string()
    };
    let missing = "in the sandbox: the file or its interpreter is missing";
    assert_eq!(refused("/bin/foo"), format!("cannot run `/bin/foo` {missing}"));
    assert_eq!(refused("foo"), format!("cannot run `foo` {missing}"));
    std::fs::write(arena.base.join("bin/plain"), "no program").unwrap();
    let forbidden = "in the sandbox: the user may not execute it";
    assert_eq!(refused("plain"), format!("cannot run `plain` {forbidden}"));
    assert_eq!(refused("/etc"), format!("cannot run `/etc` {forbidden}"));

    use std::os::unix::fs::PermissionsExt;
    let script = arena.base.join("bin/script");
    std::fs::write(&script, "#!/bin/nope\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(refused("script"), format!("cannot run `script` {missing}"));
}

fn a_program_that_is_still_being_written_is_waited_for(arena: &Arena) {
    let program = arena.base.join("bin/fresh");
    std::fs::copy("/bin/busybox", &program).unwrap();
    let writer = std::fs::OpenOptions::new().append(true).open(&program).unwrap();
    // Another process that has the descriptor for a moment longer, as a child on its way to exec has.
    let mut holder = std::process::Command::new("sleep").arg("0.05").stdout(writer).spawn().unwrap();
    let root = Root::Dir(arena.base.clone());
    let spec = Spec { root, args: args(&["fresh", "true"]), ..arena.shell("") };
    assert!(arena.run(&spec).is_ok());
    holder.wait().unwrap();
}

fn a_request_without_sense_is_refused(arena: &Arena) {
    let message = |spec: Spec| arena.run(&spec).map(|_| ()).unwrap_err().to_string();
    assert!(message(Spec { args: vec![], ..arena.shell("") }).contains("there is no command"));
    assert!(message(Spec { args: args(&["a\0b"]), ..arena.shell("") }).contains("NUL"));
    assert!(message(Spec { cwd: "etc".into(), ..arena.shell("") }).contains("absolute"));
    let nowhere = Root::Dir("/does/not/exist".into());
    assert_eq!(
        message(Spec { root: nowhere, ..arena.shell("") }),
        "opening the root file system `/does/not/exist`"
    );
    let layers = vec![arena.base.clone(), "/does/not/exist".into()];
    let message = message(arena.shell_on(layers, arena.upper(), "true"));
    assert_eq!(message, "opening a layer `/does/not/exist`");
}

fn it_runs_as_the_user(arena: &Arena) {
    let user = User { uid: 1000, gid: 1000, groups: vec![27, 29] };
    let ended =
        arena.output_of(&Spec { user, ..arena.shell("id; touch /tmp/mine; stat -c %u:%g /tmp/mine") });
    assert_eq!(ended, "uid=1000(app) gid=1000(app) groups=27,29,1000(app)\n1000:1000\n");
}

/// The processes of the host whose command line holds `mark`.
fn running(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(mark)).count()
}

/// A number of seconds that no other test sleeps for.
fn unique() -> String {
    format!("{}", 1_000_000 + std::process::id())
}

fn killing_it_takes_its_daemons_along(arena: &Arena) {
    let mark = format!("sleep {}", unique());
    let script = format!("(setsid {mark} &) ; (setsid sh -c '{mark}' &) ; echo ready; {mark}");
    let mut process = arena.sandbox.spawn(&arena.shell(&script)).unwrap();
    let mut ready = [0; 6];
    process.take_stdout().unwrap().read_exact(&mut ready).unwrap();
    assert!(running(&mark) >= 2);
    process.kill(libc::SIGKILL).unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert_eq!(running(&mark), 0);
    process.kill(libc::SIGKILL).unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(libc::SIGKILL), "it can be asked again");
}

fn dropping_it_kills_it(arena: &Arena) {
    let mark = format!("sleep {}", unique());
    let process =
        arena.sandbox.spawn(&Spec { args: args(&["sleep", &unique()]), ..arena.shell("") }).unwrap();
    assert_eq!(running(&mark), 1);
    drop(process);
    assert_eq!(running(&mark), 0);
}

fn stop_asks_first(arena: &Arena) {
    let script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done";
    let spec = Spec { stop_signal: libc::SIGUSR1, ..arena.shell(script) };
    let mut process = arena.sandbox.spawn(&spec).unwrap();
    process.take_stdout().unwrap().read_exact(&mut [0; 6]).unwrap();
    assert_eq!(process.stop(Duration::from_secs(30)).unwrap().code(), Some(42));

    // Process 1 without a handler hears no SIGTERM.
    let process = arena.sandbox.spawn(&Spec { args: args(&["sleep", "100"]), ..arena.shell("") }).unwrap();
    assert_eq!(process.stop(Duration::from_millis(20)).unwrap().signal(), Some(libc::SIGKILL));
}

fn waiting_can_time_out(arena: &Arena) {
    let process = arena.sandbox.spawn(&Spec { args: args(&["sleep", "100"]), ..arena.shell("") }).unwrap();
    assert!(process.wait_timeout(Duration::from_millis(20)).unwrap().is_none());
    process.kill(libc::SIGKILL).unwrap();
    assert!(process.wait_timeout(Duration::from_secs(30)).unwrap().is_some());
}

fn init_reaps_orphans_and_passes_signals_on(arena: &Arena) {
    // Without init, process 1 is the shell; with it, the shell is a child of init.
    let spec = |script: &str| Spec { init: true, ..arena.shell(script) };
    assert_eq!(arena.output_of(&spec("echo $$ $PPID")), "2 1\n");
    let script = "(sh -c 'sleep 0.01 & exit') ; sleep 0.2; for p in /proc/[0-9]*; do cat $p/stat; done | grep -c ' Z '";
    assert_eq!(arena.run(&spec(script)).unwrap().out, "0\n");

    let mut process = arena.sandbox.spawn(&spec("echo ready; exec sleep 100")).unwrap();
    process.take_stdout().unwrap().read_exact(&mut [0; 6]).unwrap();
    let status = process.stop(Duration::from_secs(30)).unwrap();
    assert_eq!(status.code(), Some(128 + libc::SIGTERM), "sleep has no handler, but is not process 1");

    let missing = arena.run(&Spec { args: args(&["foo"]), ..spec("") }).map(|_| ());
    assert!(matches!(missing, Err(Error::Exec { .. })));
}

fn exec(script: &str) -> ExecSpec {
    let env = vec![("PATH".to_owned(), "/bin".to_owned())];
    ExecSpec { env, ..ExecSpec::new(args(&["/bin/sh", "-c", script])) }
}

fn more_commands_run_beside_it(arena: &Arena) {
    let script = "echo shared > /tmp/file; echo ready; sleep 100";
    let mut process = arena.sandbox.spawn(&Spec { hostname: "one".into(), ..arena.shell(script) }).unwrap();
    process.take_stdout().unwrap().read_exact(&mut [0; 6]).unwrap();
    let beside =
        finish(process.exec(&exec("cat /tmp/file; hostname; cat /proc/1/cmdline; exit 5")).unwrap()).unwrap();
    assert!(beside.out.starts_with("shared\none\nsleep"), "{}", beside.out);
    assert_eq!(beside.status.code(), Some(5));

    let beside = finish(process.exec(&exec("cat /proc/self/status")).unwrap()).unwrap();
    assert!(beside.out.contains("CapEff:\t00000000a80425fb"), "{}", beside.out);
    assert!(beside.out.contains("Seccomp:\t2"), "{}", beside.out);
    let missing = process.exec(&ExecSpec::new(args(&["foo"]))).map(|_| ());
    assert!(matches!(missing, Err(Error::Exec { .. })));

    // This thread itself has not moved.
    assert_eq!(arena.output("hostname"), "localhost\n");
    process.kill(libc::SIGKILL).unwrap();
    process.wait().unwrap();
    assert!(process.exec(&exec("true")).is_err());
}

fn commands_beside_it_end_with_it(arena: &Arena) {
    let process = arena.sandbox.spawn(&Spec { args: args(&["sleep", "100"]), ..arena.shell("") }).unwrap();
    let beside = process.exec(&ExecSpec { stdout: Stdio::Null, ..exec("sleep 100") }).unwrap();
    process.kill(libc::SIGKILL).unwrap();
    // Nobody waits for the other one meanwhile.
    assert_eq!(process.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert_eq!(beside.wait().unwrap().signal(), Some(libc::SIGKILL));
}

fn its_network_can_be_probed(arena: &Arena) {
    let script = "echo ready; exec nc -l -p 8000 -e echo hello";
    let mut process =
        arena.sandbox.spawn(&Spec { network: Network::Isolated, ..arena.shell(script) }).unwrap();
    process.take_stdout().unwrap().read_exact(&mut [0; 6]).unwrap();
    let outside = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let probe = || {
        assert!(TcpStream::connect(outside).is_err());
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match TcpStream::connect("127.0.0.1:8000") {
                Ok(mut stream) => {
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).unwrap();
                    return answer;
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    };
    assert_eq!(process.in_network(probe).unwrap(), "hello\n");
    process.kill(libc::SIGKILL).unwrap();
    process.wait().unwrap();
    assert!(process.in_network(|| ()).is_err());
}

fn limits_per_process_are_set_and_never_above_the_hosts(arena: &Arena) {
    let limit = |soft, hard| Ulimit { resource: Resource::Nofile, soft, hard };
    let spec = |limit| Spec { ulimits: vec![limit], ..arena.shell("ulimit -n; ulimit -Hn") };
    assert_eq!(arena.output_of(&spec(limit(Some(100), Some(200)))), "100\n200\n");
    let highest = arena.output("ulimit -Hn");
    assert_eq!(arena.output_of(&spec(limit(None, None))), format!("{highest}{highest}"));
}

fn it_dies_with_its_parent(arena: &Arena) {
    let mark = format!("sleep {}", unique());
    let script = format!("trap '' TERM INT HUP; (setsid {mark} &); echo ready; {mark}; {mark}");
    let spec = Spec { init: true, ..arena.shell(&script) };
    let (mut ours, theirs) = std::io::pipe().unwrap();
    // The sandbox of a wharf that is killed: one of its own, since it is entered anew.
    // SAFETY: the child goes on as a process with one thread and leaves by being killed.
    let wharf = unsafe { libc::fork() };
    if wharf == 0 {
        let sandbox = wharf_sandbox::enter().unwrap();
        let spec = Spec { stdout: Stdio::File(std::sync::Arc::new(theirs.into())), ..spec };
        let _process = sandbox.spawn(&spec).unwrap();
        drop(spec);
        loop {
            std::thread::park();
        }
    }
    drop(theirs);
    ours.read_exact(&mut [0; 6]).unwrap();
    assert!(running(&mark) >= 2);
    // SAFETY: takes numbers only; the child is ours and has not been waited for.
    unsafe { libc::kill(wharf, libc::SIGKILL) };
    // The pipe ends when the last process that holds it is gone.
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0);
    // SAFETY: as above, and no status is asked for.
    unsafe { libc::waitpid(wharf, std::ptr::null_mut(), 0) };
}

fn a_detached_process_outlives_its_parent(arena: &Arena) {
    let (mut ours, theirs) = std::io::pipe().unwrap();
    let file = Stdio::File(std::sync::Arc::new(theirs.into()));
    let script = "read line < /tmp/go; echo still here";
    let upper = arena.upper();
    rustix::fs::mkfifoat(rustix::fs::CWD, arena.base.join("tmp/go"), rustix::fs::Mode::RWXU).unwrap();
    let fifo = arena.base.join("tmp/go");
    let root = Root::Dir(arena.base.clone());
    drop(upper);
    let spec = Spec { outlive: true, stdout: file, root, ..arena.shell(script) };
    let process = arena.sandbox.spawn(&spec).unwrap();
    drop(spec);
    drop(process);
    std::fs::write(fifo, "go\n").unwrap();
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert_eq!(said, "still here\n");
}

fn many_threads_start_processes_at_once(arena: &Arena) {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..5 {
                    let said = format!("{thread} {round}\n");
                    assert_eq!(arena.output(&format!("echo {thread} {round}")), said);
                }
            });
        }
    });
    assert_eq!(arena.sandbox.rung() == Rung::Root, !arena.sandbox.user_xattrs());
}

fn memory_is_limited(arena: &Arena) {
    let limits = Limits { memory: Some(32 << 20), ..Limits::default() };
    let process = arena.sandbox.spawn(&Spec {
        limits: limits.clone(),
        ..arena.shell("dd if=/dev/zero of=/dev/null bs=100M count=1")
    });
    let process = process.unwrap();
    assert!(!process.wait().unwrap().success());
    assert!(process.out_of_memory());
    let fits = arena.sandbox.spawn(&Spec { limits: limits.clone(), ..arena.shell("true") }).unwrap();
    assert!(fits.wait().unwrap().success() && !fits.out_of_memory());
}

fn processors_and_parents_are_chosen(arena: &Arena) {
    let limits = Limits { cpus: Some("0".into()), cpu_shares: Some(512), ..Limits::default() };
    let spec = Spec { limits, ..arena.shell("grep Cpus_allowed_list /proc/self/status") };
    assert_eq!(arena.output_of(&spec), "Cpus_allowed_list:\t0\n");
    let limits = Limits { parent: Some("/no/such/group".into()), ..Limits::default() };
    assert!(matches!(arena.sandbox.spawn(&Spec { limits, ..arena.shell("true") }), Err(Error::Limit { .. })));
}

fn processes_are_limited(arena: &Arena) {
    let limits = Limits { pids: Some(5), ..Limits::default() };
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo all";
    let ended = arena.run(&Spec { limits, ..arena.shell(script) }).unwrap();
    assert!(ended.err.contains("can't fork"), "{}{}", ended.out, ended.err);
}

fn processor_time_is_limited(arena: &Arena) {
    let cpu = CpuQuota { quota: Duration::from_millis(20), period: Duration::from_millis(100) };
    let limits = Limits { cpu: Some(cpu), ..Limits::default() };
    let spec = Spec {
        limits,
        ..arena.shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /proc/self/cgroup")
    };
    arena.output_of(&spec);
}
