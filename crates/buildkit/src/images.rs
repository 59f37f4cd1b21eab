//! Images of a Docker engine, which keeps what its BuildKit has built and has no exporter for it: the engine's own API
//! saves them as an archive (`GET /images/{name}/get`).

use std::io;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Saves the image `name` of the engine at `socket` into `file`, in docker's archive format.
///
/// # Errors
/// If the engine does not answer, or has no such image.
pub async fn save(socket: &Path, name: &str, file: std::fs::File) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    // HTTP 1.0: the body ends where the connection does, and nothing is chunked.
    stream.write_all(format!("GET /images/{name}/get HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes()).await?;
    let mut stream = BufReader::new(stream);
    let status = line(&mut stream).await?;
    while !line(&mut stream).await?.is_empty() {}
    if status.split_whitespace().nth(1) != Some("200") {
        let mut said = String::new();
        stream.take(4096).read_to_string(&mut said).await.ok();
        return Err(io::Error::other(format!("the engine answered `{status}`: {}", said.trim())));
    }
    let mut file = tokio::fs::File::from_std(file);
    tokio::io::copy_buf(&mut stream, &mut file).await?;
    file.flush().await
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < 8192 {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
