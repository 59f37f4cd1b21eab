//! A machine that is reached with `ssh`: the program of that name goes there and runs what leads on to the builder,
//! `buildctl dial-stdio` or `docker system dial-stdio`. Keys, agents and jump hosts are `ssh`'s own affair.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, join};
use tokio::process::Command;

use super::last_words::LastWords;
use super::{Stream, engine};
use crate::address::{Ssh, Via};

/// What runs over there. It says first which builder it has found, as the two are spoken to differently.
const SCRIPT: &str = r#"
socket=$1 via=$2
if [ -z "$via" ]; then
  case $socket in
    *docker*) via=docker ;;
    ?*) via=buildctl ;;
    *)
      if command -v buildctl >/dev/null 2>&1 &&
        { [ -S /run/buildkit/buildkitd.sock ] || [ -S "$XDG_RUNTIME_DIR/buildkit/buildkitd.sock" ]; }
      then via=buildctl
      elif command -v docker >/dev/null 2>&1
      then via=docker
      else echo "there is neither a buildkitd nor docker" >&2; exit 127
      fi ;;
  esac
fi
echo "wharf $via"
case $via in
  docker) exec docker ${socket:+--host "unix://$socket"} system dial-stdio ;;
  *) exec buildctl ${socket:+--addr "unix://$socket"} dial-stdio ;;
esac
"#;

/// A first line that is longer is none of ours.
const LONGEST_LINE: usize = 4096;

pub(super) async fn dial(at: &Ssh) -> io::Result<Box<dyn Stream>> {
    ssh_by(Path::new("ssh"), at).await
}

/// Opens the way by this program, in place of the `ssh` on the search path.
///
/// # Errors
/// What the program says.
pub async fn ssh_by(program: &Path, at: &Ssh) -> io::Result<Box<dyn Stream>> {
    let mut child = command(program, at).spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no program `ssh` on this machine"),
        _ => error,
    })?;
    let (Some(stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("the pipes were asked for")
    };
    let said = LastWords::over(stdout);
    let words = said.words();
    // The task owns the process, which ends with its pipes; it keeps reading, so that ssh never waits for it.
    tokio::spawn(async move {
        let mut buffer = vec![0; 1024];
        while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
            words.add(&buffer[..length]);
        }
        drop(child.wait().await);
    });
    found(join(said, stdin)).await
}

async fn found(mut stream: impl Stream + 'static) -> io::Result<Box<dyn Stream>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LONGEST_LINE {
        line.push(stream.read_u8().await?);
    }
    match line.trim_ascii() {
        b"wharf docker" => engine::upgrade(stream).await,
        b"wharf buildctl" => Ok(Box::new(stream)),
        other => {
            let said = String::from_utf8_lossy(other);
            Err(io::Error::other(format!("the shell over there says `{said}` before it runs anything")))
        }
    }
}

fn command(program: &Path, at: &Ssh) -> Command {
    let mut command = Command::new(program);
    // A question that nobody answers would hang the build.
    command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]);
    if let Some(user) = &at.user {
        command.args(["-l", user]);
    }
    if let Some(port) = at.port {
        command.args(["-p", &port.to_string()]);
    }
    let via = match at.via {
        None => "",
        Some(Via::Docker) => "docker",
        Some(Via::Buildctl) => "buildctl",
    };
    let socket = at.socket.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let words = ["sh", "-c", SCRIPT, "sh", &socket, via].map(quoted).join(" ");
    command.args(["--", &at.host, &words]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A word as the shell over there reads it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
