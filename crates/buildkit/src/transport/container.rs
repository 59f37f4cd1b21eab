//! A buildkitd in a container of a Docker engine, as `docker buildx create` makes it: the engine runs
//! `buildctl dial-stdio` in there (`POST /containers/NAME/exec`, `POST /exec/ID/start`), and its output comes back in
//! frames: one byte for which stream it is, three that mean nothing, four of length, the bytes.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, join, split};
use tokio::net::UnixStream;

use super::last_words::{LastWords, Words};
use super::{Stream, engine};

/// An answer that is longer is not read.
const LONGEST_ANSWER: u64 = 1 << 20;

const STDOUT: u8 = 1;

pub(super) async fn dial(socket: &Path, name: &str) -> io::Result<Box<dyn Stream>> {
    let state = call(socket, "GET", &format!("/containers/{name}/json"), None).await?;
    if state["State"]["Running"] != true {
        call(socket, "POST", &format!("/containers/{name}/start"), None).await?;
    }
    let exec = json!({
        "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Cmd": ["buildctl", "dial-stdio"],
    });
    let exec = call(socket, "POST", &format!("/containers/{name}/exec"), Some(&exec)).await?;
    let id = exec["Id"].as_str().ok_or_else(|| io::Error::other("the engine names no process"))?;
    let body = json!({ "Detach": false, "Tty": false }).to_string();
    let request = format!(
        "POST /exec/{id}/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(request.as_bytes()).await?;
    let head = engine::read_head(&mut stream).await?;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(io::Error::other(format!(
            "the engine does not run buildctl in the container {name}: {head}"
        )));
    }
    let (ours, theirs) = tokio::io::duplex(256 << 10);
    let (said, ours) = split(ours);
    let said = LastWords::over(said);
    let (from_engine, to_engine) = split(stream);
    let (from_us, to_us) = split(theirs);
    tokio::spawn(unframe(from_engine, to_us, said.words()));
    tokio::spawn(hand_over(from_us, to_engine));
    Ok(Box::new(join(said, ours)))
}

async fn hand_over(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<UnixStream>) {
    drop(tokio::io::copy(&mut from, &mut to).await);
    drop(to.shutdown().await);
}

/// Takes the frames apart until the process ends, which is then the end of what it says, too.
async fn unframe(mut from: ReadHalf<UnixStream>, mut to: WriteHalf<DuplexStream>, words: Words) {
    drop(each_frame(&mut from, &mut to, &words).await);
    drop(to.shutdown().await);
}

async fn each_frame(
    from: &mut ReadHalf<UnixStream>,
    to: &mut WriteHalf<DuplexStream>,
    words: &Words,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(kind) = from.read_u8().await {
        from.read_exact(&mut [0; 3]).await?;
        let mut left = from.read_u32().await? as usize;
        while left > 0 {
            let most = left.min(buffer.len());
            let length = from.read(&mut buffer[..most]).await?;
            if length == 0 {
                return Ok(());
            }
            match kind {
                STDOUT => to.write_all(&buffer[..length]).await?,
                _ => words.add(&buffer[..length]),
            }
            left -= length;
        }
    }
    Ok(())
}

/// One call of the engine's API.
async fn call(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> io::Result<Value> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = UnixStream::connect(socket).await?;
    // HTTP/1.0, so that the answer's body is what comes until the end.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let head = engine::read_head(&mut stream).await?;
    let mut text = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut text).await?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    match head.split_whitespace().nth(1) {
        Some(status) if status.starts_with('2') || status == "304" => Ok(answer),
        _ => {
            let said = answer["message"]
                .as_str()
                .map_or_else(|| head.lines().next().unwrap_or_default().to_owned(), str::to_owned);
            Err(io::Error::other(format!("the engine answers: {said}")))
        }
    }
}
