//! One file as bytes.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::moby::filesync::v1::BytesMessage;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSend;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::super::failed_here;
use super::super::stream::{self, Outgoing};

/// How many messages may wait to be written.
const WAITING: usize = 64;

#[derive(Debug)]
pub(crate) struct ToFile(pub(super) PathBuf);

#[tonic::async_trait]
impl FileSend for ToFile {
    type DiffCopyStream = Outgoing<BytesMessage>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let (sender, outgoing) = stream::channel::<BytesMessage>();
        let (path, mut incoming) = (self.0.clone(), request.into_inner());
        tokio::spawn(async move {
            let (pieces, queue) = mpsc::channel(WAITING);
            let shown = path.display().to_string();
            let writing = tokio::task::spawn_blocking(move || write(&path, queue));
            let received = loop {
                let piece = match incoming.message().await {
                    Ok(Some(message)) => Piece::Bytes(message.data),
                    Ok(None) => Piece::End,
                    Err(status) => break Err(status),
                };
                let last = matches!(piece, Piece::End);
                if pieces.send(piece).await.is_err() || last {
                    break Ok(());
                }
            };
            drop(pieces);
            let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            let status = match (received, written) {
                (Err(status), _) => status,
                (Ok(()), Err(error)) => {
                    failed_here(io::Error::new(error.kind(), format!("writing `{shown}`: {error}")))
                }
                (Ok(()), Ok(())) => return,
            };
            sender.send(Err(status)).await.ok();
        });
        Ok(Response::new(outgoing))
    }
}

enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// Writes what comes; a file that does not come to its end leaves nothing.
fn write(path: &Path, mut queue: mpsc::Receiver<Piece>) -> io::Result<()> {
    let mut output = Output::open(path)?;
    while let Some(piece) = queue.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => output.write(&bytes)?,
            Piece::End => return output.keep(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the builder stopped in the middle of it"))
}

enum Output {
    Whole(NamedTempFile),
    Pipe(File),
}

impl Output {
    fn open(path: &Path) -> io::Result<Self> {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Ok(Self::Pipe(File::options().write(true).open(path)?));
        }
        let above = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let builder = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(above);
        Ok(Self::Whole(builder?))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Whole(file) => file.write_all(bytes),
            Self::Pipe(file) => file.write_all(bytes),
        }
    }

    fn keep(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Whole(file) => file.persist(path).map(drop).map_err(|error| error.error),
            Self::Pipe(_) => Ok(()),
        }
    }
}
