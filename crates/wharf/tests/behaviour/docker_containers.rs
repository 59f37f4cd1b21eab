//! Containers under the docker name: run, exec, logs, health, signals, volumes, users.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::docker::{Docker, WHY};
use crate::skip;
use crate::world::{BUSYBOX, World, busybox_context, is_root};

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_is_the_command_with_its_streams_and_its_code() {
    let Some(docker) =
        Docker::with("ENV A=1 B=2\nUSER app\nCMD [\"sh\", \"-c\", \"echo out; echo err >&2; exit 7\"]\n")
    else {
        skip!("{WHY}");
    };
    let ran = docker.run(&["run", "--rm", "it:1"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (7, "out\n", "err\n"));
    assert_eq!(docker.run(&["run", "--rm", "it:1", "nosuch"]).code, 127);
    assert_eq!(docker.run(&["run", "--rm", "it:1", "/etc"]).code, 126);
    assert_eq!(docker.ok(&["run", "--rm", "-w", "/made/for/it", "it:1", "pwd"]), "/made/for/it\n");
    assert_eq!(
        docker.run(&["run", "--rm", "it:1", "sh", "-c", "kill -9 $$; kill -TERM 1; exec sleep 0"]).code,
        0
    );
    assert_eq!(docker.run(&["run", "--rm", "nosuch.invalid/x:1"]).code, 125);
    let script = "echo $A$B$C; id -u; pwd; hostname; echo $$";
    let typed =
        ["run", "--rm", "-eB=3", "-e", "C=x=y", "--user=root", "-w/tmp", "-hbox", "it:1", "sh", "-c", script];
    assert_eq!(docker.ok(&typed), "13x=y\n0\n/tmp\nbox\n1\n", "and process 1 is the command");
    docker.world.file("env", "# comment\nA=file\n\nD=1 2\n");
    let file = ["run", "--rm", "--env-file", "env", "--entrypoint", "sh", "it:1", "-c", "echo $A $D"];
    assert_eq!(docker.ok(&file), "file 1 2\n");
    assert_eq!(docker.ok(&["run", "--rm=true", "-d=false", "it:1", "echo", "--rm=false"]), "--rm=false\n");
    assert_eq!(docker.ok(&["ps", "-aq"]), "", "nothing is left behind");
}

#[test]
fn input_goes_in_and_large_output_comes_out_whole() {
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut child = docker
        .command(&["run", "--rm", "-i", "it:1", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success() && output.stdout == input, "{} bytes came back", output.stdout.len());
    let no_terminal = docker.run(&["run", "--rm", "-it", "it:1", "true"]);
    assert_eq!(no_terminal.code, 1);
    assert!(no_terminal.stderr.contains("the input device is not a TTY"), "{}", no_terminal.stderr);
}

#[test]
fn a_service_is_published_watched_asked_and_stopped() {
    let service = "RUN mkdir -p /www && echo well > /www/health\nUSER app\nEXPOSE 8000\n\
        HEALTHCHECK --interval=100ms CMD wget -q -O - http://127.0.0.1:8000/health\n\
        CMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";
    let Some(docker) = Docker::with(service) else { skip!("{WHY}") };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let publish = format!("{port}:8000");
    let id = docker.ok(&["run", "-d", "--name", "web", "-p", &publish, "it:1"]);
    assert_eq!(id.trim().len(), 64, "{id}");
    let mut answer = String::new();
    until("the service answers", || {
        answer.clear();
        TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut connection| {
            let _ = connection.write_all(b"GET /health HTTP/1.0\r\n\r\n");
            connection.read_to_string(&mut answer).is_ok()
        })
    });
    assert!(answer.ends_with("well\n"), "{answer}");
    until("it is healthy", || docker.ok(&["ps"]).contains("(healthy)"));
    assert_eq!(
        docker.ok(&[
            "inspect",
            "-f",
            "{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}}",
            "web"
        ]),
        "healthy 0\n"
    );
    let ports = docker.ok(&["ps", "--format", "{{.Ports}}"]);
    assert!(ports.contains(&format!("0.0.0.0:{port}->8000/tcp")), "{ports}");
    assert_eq!(docker.ok(&["port", "web", "8000"]).lines().next(), Some(format!("0.0.0.0:{port}").as_str()));
    let find = "{{(index (index .NetworkSettings.Ports \"8000/tcp\") 0).HostPort}}";
    assert_eq!(docker.ok(&["inspect", "--format", find, "web"]), format!("{port}\n"));
    let taken = docker.run(&["run", "-d", "-p", &publish, "it:1"]);
    assert_eq!(taken.code, 125);
    assert!(taken.stderr.contains("port is already allocated"), "{}", taken.stderr);
    assert_eq!(docker.run(&["run", "--name", "web", "it:1"]).code, 125, "the name is taken");

    for (filter, found) in [
        ("ancestor=it:1", true),
        ("ancestor=it", false),
        ("name=we", true),
        ("status=running", true),
        ("status=exited", false),
        ("health=healthy", true),
        ("label=x", false),
    ] {
        assert_eq!(docker.ok(&["ps", "-q", "--filter", filter]).starts_with(&id[..12]), found, "{filter}");
    }
    assert_eq!(docker.ok(&["exec", "web", "id", "-u"]), "1000\n");
    let script = "echo $A; id -u; pwd; cat; exit 3";
    let mut child = docker
        .command(&["exec", "-i", "-u", "root", "-e", "A=b", "-w", "/www", "web", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), &b"b\n0\n/www\nin\n"[..]));
    assert_eq!(docker.run(&["exec", "web", "nosuch"]).code, 127);
    docker.ok(&["exec", "-d", "web", "sh", "-c", "echo made > /tmp/made"]);
    until("the command in the background is done", || {
        docker.run(&["exec", "web", "cat", "/tmp/made"]).stdout == "made\n"
    });
    assert!(docker.ok(&["top", "web"]).contains("httpd -f"));

    let busy = docker.run(&["rm", "web"]);
    assert!(busy.stderr.contains("container is running"), "{}", busy.stderr);
    assert_eq!(docker.ok(&["stop", "-t", "0", "web"]), "web\n");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(
        docker
            .ok(&["ps", "-a", "--filter", "name=^web$", "--format", "{{.Status}}"])
            .starts_with("Exited (137)")
    );
    assert_eq!(docker.ok(&["wait", "web"]), "137\n");
    docker.ok(&["rename", "web", "old"]);
    docker.ok(&["start", "old"]);
    assert_eq!(docker.ok(&["exec", "old", "cat", "/tmp/made"]), "made\n", "its files are still there");
    docker.ok(&["restart", "-t", "0", "old"]);
    assert_eq!(docker.ok(&["kill", "old"]), "old\n");
    assert_eq!(docker.ok(&["rm", "old"]), "old\n");
    assert_eq!(docker.ok(&["ps", "-aq", "--filter", "name=^old$"]), "");
}

#[test]
fn an_unwell_container_is_unhealthy_and_a_failing_one_is_started_again() {
    let Some(docker) = Docker::with("CMD [\"sleep\", \"600\"]\n") else { skip!("{WHY}") };
    let check =
        ["--health-cmd", "echo not today; exit 1", "--health-interval", "50ms", "--health-retries", "2"];
    docker.ok(&[&["run", "-d", "--name", "ill"], &check[..], &["it:1"]].concat());
    until("it is unhealthy", || docker.ok(&["ps", "--filter", "health=unhealthy"]).contains("(unhealthy)"));
    let log = docker.ok(&["inspect", "-f", "{{range .State.Health.Log}}{{.Output}}{{end}}", "ill"]);
    assert!(log.contains("not today"), "{log}");
    let none = docker.run(&["run", "-d", "--no-healthcheck", "--name", "none", "it:1"]);
    assert_eq!(none.code, 0);
    let guarded = "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}";
    assert_eq!(docker.ok(&["inspect", "-f", guarded, "none"]), "none\n");
    assert_eq!(docker.run(&["inspect", "-f", "{{.State.Health.Status}}", "none"]).code, 1);
    let script = "echo again; exit 4";
    docker.ok(&["run", "-d", "--name", "again", "--restart", "on-failure:2", "it:1", "sh", "-c", script]);
    until("it has given up", || docker.ok(&["inspect", "-f", "{{.State.Status}}", "again"]) == "exited\n");
    assert_eq!(docker.ok(&["logs", "again"]), "again\nagain\nagain\n");
    assert_eq!(docker.ok(&["inspect", "-f", "{{.RestartCount}} {{.State.ExitCode}}", "again"]), "2 4\n");
}

#[test]
fn logs_keep_streams_apart_and_can_be_followed() {
    let script = "echo one; echo two >&2; echo three; read line; echo $line";
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    docker.ok(&["run", "-d", "-i", "--name", "talk", "it:1", "sh", "-c", script]);
    let said = || docker.run(&["logs", "talk"]);
    until("it has said three lines", || said().stdout == "one\nthree\n" && said().stderr == "two\n");
    assert_eq!(docker.ok(&["logs", "--until", "2001-01-01", "talk"]), "");
    let mut follower =
        docker.command(&["logs", "-f", "--tail", "0", "talk"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut attached =
        docker.command(&["attach", "talk"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    attached.stdin.take().unwrap().write_all(b"said\n").unwrap();
    let mut said = String::new();
    follower.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "said\n", "and the end of it ends the following");
    assert!(follower.wait().unwrap().success() && attached.wait().unwrap().success());
    assert_eq!(docker.ok(&["logs", "--tail", "1", "talk"]), "said\n");
    let stamped = docker.ok(&["logs", "-t", "-n1", "talk"]);
    assert!(stamped.starts_with("20") && stamped.ends_with("Z said\n"), "{stamped}");
    assert_eq!(docker.run(&["exec", "talk", "true"]).code, 1, "it does not run any more");
}

#[test]
fn signals_to_a_run_in_front_are_the_container_s() {
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    let script = "trap 'echo caught; exit 9' INT TERM; echo ready; while :; do sleep 0.05; done";
    for signal in ["INT", "TERM"] {
        let mut child = docker
            .command(&["run", "--rm", "it:1", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "caught");
        assert_eq!(child.wait().unwrap().code(), Some(9));
    }
    // A shell that interrupts `wharf run` ends what has no handler, too, as its process 1 is an init.
    let mut child = docker
        .world
        .command(&["run", "it:1", "sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // One that was killed outright leaves the container to itself, as docker does.
    let mut child = docker
        .command(&["run", "--name", "on", "it:1", "sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(docker.ok(&["inspect", "-f", "{{.State.Running}}", "on"]), "true\n");
}

#[test]
fn a_container_whose_supervisor_was_killed_is_gone_with_it() {
    let Some(docker) = Docker::with("CMD [\"sleep\", \"600\"]\n") else { skip!("{WHY}") };
    docker.ok(&["run", "-d", "--name", "lost", "it:1"]);
    let state: serde_json::Value =
        serde_json::from_str(&docker.world.wharf_ok(&["ps", "--json"]).stdout).unwrap();
    let supervisor = state[0]["state"]["supervisor"].as_u64().unwrap().to_string();
    let pid = docker.ok(&["inspect", "-f", "{{.State.Pid}}", "lost"]);
    Command::new("kill").args(["-KILL", &supervisor]).status().unwrap();
    until("its process has ended", || !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    assert!(docker.ok(&["ps", "-a", "--format", "{{.Status}}"]).starts_with("Exited (137)"));
    docker.ok(&["start", "lost"]);
    assert_eq!(docker.ok(&["ps", "-q"]).lines().count(), 1);
}

#[test]
fn volumes_outlive_containers_and_directories_are_shared() {
    let dockerfile =
        "RUN mkdir /data && echo seed > /data/seed && chown -R app /data\nVOLUME /scratch\nUSER app\n";
    let Some(docker) = Docker::with(dockerfile) else { skip!("{WHY}") };
    docker.ok(&["run", "--rm", "-v", "models:/data", "it:1", "sh", "-c", "echo more > /data/more"]);
    assert_eq!(
        docker.ok(&["run", "--rm", "-v", "models:/m:ro", "it:1", "cat", "/m/seed", "/m/more"]),
        "seed\nmore\n"
    );
    assert_ne!(docker.run(&["run", "--rm", "-v", "models:/m:ro", "it:1", "touch", "/m/x"]).code, 0);
    assert_eq!(docker.ok(&["volume", "ls", "-q"]), "models\n", "the image's own volume went with --rm");
    docker.world.file("shared/in", "from outside\n");
    let here = docker.world.path("project/shared").display().to_string();
    let script = "cat /s/in; echo inside > /s/out";
    assert_eq!(
        docker.ok(&["run", "--rm", "-u0", "-v", &format!("{here}:/s"), "it:1", "sh", "-c", script]),
        "from outside\n"
    );
    assert_eq!(std::fs::read_to_string(docker.world.path("project/shared/out")).unwrap(), "inside\n");
    let spec = format!("type=bind,source={here},target=/s,readonly");
    assert_ne!(docker.run(&["run", "--rm", "--mount", &spec, "it:1", "touch", "/s/x"]).code, 0);
    let fresh = docker.ok(&[
        "run",
        "--rm",
        "--tmpfs",
        "/t:size=1m",
        "--read-only",
        "it:1",
        "sh",
        "-c",
        "touch /t/x /x; echo $?",
    ]);
    assert_eq!(fresh, "1\n");
    docker.ok(&["create", "--name", "cc", "-v", "models:/data", "it:1", "true"]);
    let used = docker.run(&["volume", "rm", "models"]);
    assert!(used.stderr.contains("volume is in use"), "{}", used.stderr);
    docker.ok(&["rm", "-v", "cc"]);
    assert_eq!(docker.ok(&["volume", "inspect", "-f", "{{.Name}}", "models"]), "models\n");
    docker.ok(&["volume", "rm", "models"]);
    assert_eq!(docker.run(&["volume", "inspect", "models"]).code, 1);
}

#[test]
fn rights_and_limits_are_what_was_asked_for() {
    let Some(docker) = Docker::with("") else { skip!("{WHY}") };
    let caps = |flags: &[&str]| {
        docker.ok(&[&["run", "--rm"], flags, &["it:1", "grep", "CapEff", "/proc/self/status"]].concat())
    };
    assert_eq!(caps(&[]), "CapEff:\t00000000a80425fb\n");
    assert_eq!(caps(&["--cap-drop", "ALL"]), "CapEff:\t0000000000000000\n");
    assert_eq!(caps(&["--cap-drop=ALL", "--cap-add=NET_ADMIN"]), "CapEff:\t0000000000001000\n");
    assert_ne!(caps(&["--privileged"]), caps(&[]));
    let names = docker.ok(&["run", "--rm", "--add-host", "db:10.9.8.7", "it:1", "cat", "/etc/hosts"]);
    assert!(names.contains("10.9.8.7\tdb\n"), "{names}");
    assert_eq!(
        docker.ok(&["run", "--rm", "--ulimit", "nofile=99:100", "it:1", "sh", "-c", "ulimit -n"]),
        "99\n"
    );
    assert_eq!(docker.ok(&["run", "--rm", "--network", "none", "it:1", "ls", "/sys/class/net"]), "lo\n");
    assert_eq!(docker.run(&["run", "--rm", "--network", "mine", "it:1", "true"]).code, 125);
}

#[test]
fn a_terminal_inside_has_the_size_and_the_keys_of_the_one_outside() {
    let Some(docker) = Docker::with("USER app\n") else { skip!("{WHY}") };
    let mut terminal = Terminal::run(docker.command(&["run", "--rm", "-it", "it:1", "sh"]), (33, 101));
    terminal.type_in("stty size; tty; id -u\n");
    terminal.expect("33 101");
    terminal.expect("/dev/pts/0");
    terminal.expect("1000");
    terminal.type_in("sh -c 'echo be\"\"gun; exec sleep 600'\n");
    terminal.expect("begun");
    terminal.type_in("\x03echo interrupted $?\n");
    terminal.expect("interrupted 130");
    terminal.resize((20, 60));
    until("the size has changed inside", || {
        terminal.type_in("stty size\n");
        terminal.seen("20 60")
    });
    terminal.type_in("exit 6\n");
    assert_eq!(terminal.ended(), Some(6));
}

/// A program on a terminal of its own.
struct Terminal {
    outer: std::fs::File,
    child: std::process::Child,
    output: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Terminal {
    fn run(mut command: Command, size: (u16, u16)) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outer).unwrap();
        unlockpt(&outer).unwrap();
        let inner = ioctl_tiocgptpeer(&outer, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let outer = std::fs::File::from(outer);
        set_size(&outer, size);
        let stdio = || Stdio::from(inner.try_clone().unwrap());
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let output = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let (mut reader, into) = (outer.try_clone().unwrap(), output.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { outer, child, output }
    }

    fn type_in(&mut self, keys: &str) {
        self.outer.write_all(keys.as_bytes()).unwrap();
    }

    fn seen(&self, text: &str) -> bool {
        std::thread::sleep(Duration::from_millis(20));
        self.output.lock().unwrap().contains(text)
    }

    fn expect(&self, text: &str) {
        let since = Instant::now();
        while !self.seen(text) {
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "{text:?} never comes: {}",
                self.output.lock().unwrap()
            );
        }
    }

    fn resize(&self, size: (u16, u16)) {
        set_size(&self.outer, size);
        // The program does not have this terminal as its controlling one, so nobody tells it.
        Command::new("kill").args(["-WINCH", &self.child.id().to_string()]).status().unwrap();
    }

    fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn set_size(terminal: &std::fs::File, (ws_row, ws_col): (u16, u16)) {
    let size = rustix::termios::Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn an_ordinary_user_has_containers_too() {
    let world = World::new();
    let user = Command::new("id").args(["-u", "wharf-test"]).output().unwrap();
    if !is_root() || !user.status.success() || !busybox_context(&world) {
        skip!("it needs root to become the user wharf-test, that user with sub-ids, and busybox-static");
    }
    let service = "RUN mkdir -p /www && echo well > /www/health && mkdir -m 1777 /tmp /data\nUSER app\n\
        HEALTHCHECK --interval=100ms CMD wget -q -O - http://127.0.0.1:8000/health\n\
        CMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";
    world.file("Dockerfile", &format!("{BUSYBOX}{service}"));
    let top = world.path("");
    std::fs::create_dir(world.path("bin")).unwrap();
    // The binary may lie where only root can look.
    std::fs::copy(crate::world::WHARF, world.path("bin/docker")).unwrap();
    Command::new("chown").args(["-R", "wharf-test"]).arg(&top).status().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!(
        "set -e
        docker build -q -t it:1 .
        docker run -d --name web -p 127.0.0.1:{port}:8000 -v models:/data it:1
        until docker ps --format '{{{{.Status}}}}' | grep -q '(healthy)'; do sleep 0.05; done
        busybox wget -q -O - http://127.0.0.1:{port}/health
        docker exec web sh -c 'id -u; echo kept > /data/x; echo written > /tmp/x'
        docker exec -u root web id -u
        docker stop -t 0 web
        docker start web
        docker exec web cat /tmp/x /data/x
        docker rm -f -v web
        docker volume rm models
        docker ps -aq"
    );
    let line = format!(
        "cd '{top}project' && export PATH='{top}bin':$PATH HOME='{top}home' WHARF_DATA_DIR='{top}data' \
         WHARF_CONFIG='{top}config.toml' WHARF_PROGRESS=quiet\n{script}",
        top = top.display()
    );
    let output = Command::new("su").args(["wharf-test", "-s", "/bin/sh", "-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().skip(2).collect();
    assert_eq!(lines, ["well", "1000", "0", "web", "web", "written", "kept", "web", "models"]);
}
