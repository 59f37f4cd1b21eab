//! Images as processes: run, publish, log, stop; and the smoke test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::skip;
use crate::world::{BUSYBOX, World, busybox_context, is_root};

/// A service: busybox's web server on port 8000 as an ordinary user.
const SERVICE: &str = "RUN mkdir -p /www && echo well > /www/health\nUSER app\nEXPOSE 8000\n\
    HEALTHCHECK CMD wget -q -O - http://127.0.0.1:8000/health\nCMD [\"httpd\", \"-f\", \"-p\", \"8000\", \"-h\", \"/www\"]\n";

fn built(dockerfile: &str) -> Option<World> {
    let world = World::new();
    if !is_root() || !busybox_context(&world) {
        return None;
    }
    world.file("Dockerfile", &format!("{BUSYBOX}{dockerfile}"));
    world.wharf_ok(&["build", "--tag", "it:1", "."]);
    Some(world)
}

#[test]
fn a_run_gives_output_and_exit_code() {
    let Some(world) =
        built("CMD [\"sh\", \"-c\", \"echo as $(id -u) in $PWD; exit 5\"]\nUSER app\nWORKDIR /tmp\n")
    else {
        skip!("it needs root and busybox-static");
    };
    let ran = world.wharf(&["run", "it:1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, "as 1000 in /tmp\n"), "{}", ran.stderr);
    let typed =
        world.wharf_ok(&["run", "--user", "root", "--env", "A=b", "it:1", "sh", "-c", "echo $A; id -u"]);
    assert_eq!(typed.stdout, "b\n0\n");
    assert!(world.wharf_ok(&["ps", "--all", "--quiet"]).stdout.is_empty(), "nothing is left behind");
}

#[test]
fn a_detached_service_is_published_listed_logged_and_stopped() {
    let Some(world) = built(SERVICE) else { skip!("it needs root and busybox-static") };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let publish = format!("127.0.0.1:{port}:8000");
    let id = world.wharf_ok(&["run", "--detach", "--name", "web", "--publish", &publish, "it:1"]).stdout;
    assert_eq!(id.trim().len(), 64, "{id}");
    assert!(ask(port).ends_with("well\n"));
    assert!(world.wharf_ok(&["ps"]).stdout.contains("web"));
    assert_eq!(world.wharf(&["run", "--detach", "--name", "web", "it:1"]).code, 2, "the name is taken");
    world.wharf_ok(&["logs", "web"]);
    world.wharf_ok(&["stop", "web"]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(world.wharf_ok(&["ps", "--all", "--quiet"]).stdout.is_empty());
}

/// Asks until there is an answer.
fn ask(port: u16) -> String {
    let since = Instant::now();
    loop {
        let mut answer = String::new();
        if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) {
            let _ = connection.write_all(b"GET /health HTTP/1.0\r\n\r\n");
            let _ = connection.read_to_string(&mut answer);
        }
        if answer.contains("200 OK") || since.elapsed() > Duration::from_secs(20) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_service_that_works_passes_the_smoke_test() {
    let Some(world) = built(SERVICE) else { skip!("it needs root and busybox-static") };
    let ran = world.wharf_ok(&["smoke", "it:1"]);
    assert!(ran.stdout.contains("200 from :8000/health"), "{}", ran.stdout);
    assert!(ran.stdout.contains("HEALTHCHECK passed"), "{}", ran.stdout);
}

#[test]
fn a_port_that_never_opens_fails_with_the_log() {
    let Some(world) = built("EXPOSE 8000\nCMD [\"sh\", \"-c\", \"echo starting; sleep 60\"]\n") else {
        skip!("it needs root and busybox-static");
    };
    let ran = world.wharf(&["smoke", "--timeout", "1", "--progress", "quiet", "it:1"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing listens on port 8000"), "{}", ran.stderr);
    assert!(ran.stderr.contains("| starting"), "{}", ran.stderr);
}

#[test]
fn an_unhealthy_service_fails() {
    let Some(world) =
        built(&SERVICE.replace("wget -q -O - http://127.0.0.1:8000/health", "echo not today; false"))
    else {
        skip!("it needs root and busybox-static");
    };
    let ran = world.wharf(&["smoke", "--progress", "quiet", "it:1"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("HEALTHCHECK") && ran.stderr.contains("not today"), "{}", ran.stderr);
}

#[test]
fn packages_of_root_are_the_cause_when_an_ordinary_user_cannot_start() {
    let dockerfile = "RUN mkdir -p /root/.local/bin && cp /bin/busybox /root/.local/bin/uvicorn && chmod 700 /root\n\
        ENV PATH=/root/.local/bin:/bin\nUSER app\nEXPOSE 8000\nCMD [\"uvicorn\", \"src.api:app\"]\n";
    let Some(world) = built(dockerfile) else { skip!("it needs root and busybox-static") };
    let ran = world.wharf(&["smoke", "--progress", "quiet", "it:1"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.trim_end().ends_with("its packages lie in `/root/.local` while it runs as uid 1000"),
        "{}",
        ran.stderr
    );
}
