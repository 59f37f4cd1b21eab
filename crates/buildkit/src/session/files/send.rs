//! One transfer: the list goes out while requests for content come in (fsutil, `send.go`).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use rustix::fs::{Mode, OFlags};
use tonic::{Status, Streaming};

use super::super::stream::Sender;
use super::filter::{Filter, Said};
use super::{Files, stat, walk};

/// How much of a file is in one packet, as fsutil cuts it.
const PIECE: usize = 32 << 10;

/// Where the content of the regular files is that were listed, by their place in the list. Each is sent once.
type Listed = Arc<Mutex<Vec<Option<Content>>>>;

enum Content {
    File(PathBuf),
    Inline(Vec<u8>),
}

/// Sends `files` to whoever is at the other end, until it says that it has all it wants.
pub(super) async fn send(files: Files, filter: Filter, mut asked: Streaming<Packet>, out: Sender<Packet>) {
    let listed = Listed::default();
    let listing = {
        let (listed, out) = (listed.clone(), out.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = list(&files, &filter, &listed, &out) {
                let failed = packet(PacketType::PacketErr, 0, error.to_string().into_bytes());
                out.blocking_send(Ok(failed)).ok();
            }
        })
    };
    let answered = answer(&listed, &mut asked, &out).await;
    if let Err(status) = answered {
        out.send(Err(status)).await.ok();
    }
    // Nobody takes what it lists any more, so the listing ends soon, if it has not.
    drop(out);
    listing.await.ok();
}

/// Answers requests for content until the other end is done.
async fn answer(listed: &Listed, asked: &mut Streaming<Packet>, out: &Sender<Packet>) -> Result<(), Status> {
    while let Some(request) = asked.message().await? {
        match request.r#type() {
            PacketType::PacketReq => {
                let content = take(listed, request.id);
                let content = content
                    .ok_or_else(|| Status::invalid_argument(format!("invalid file id {}", request.id)))?;
                let (id, out) = (request.id, out.clone());
                let sent = tokio::task::spawn_blocking(move || send_content(&content, id, &out)).await;
                if let Ok(Err(error)) = sent {
                    return Err(Status::aborted(error.to_string()));
                }
            }
            PacketType::PacketFin => {
                out.send(Ok(packet(PacketType::PacketFin, 0, Vec::new()))).await.ok();
                return Ok(());
            }
            PacketType::PacketErr => {
                let said = String::from_utf8_lossy(&request.data).into_owned();
                return Err(Status::aborted(format!("error from receiver: {said}")));
            }
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
    Ok(())
}

fn take(listed: &Listed, id: u32) -> Option<Content> {
    let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
    listed.get_mut(usize::try_from(id).ok()?)?.take()
}

/// Sends the list, and a packet without an entry at its end.
fn list(files: &Files, filter: &Filter, listed: &Listed, out: &Sender<Packet>) -> io::Result<()> {
    let emit = |stat: Stat, content: Option<Content>| {
        listed.lock().unwrap_or_else(PoisonError::into_inner).push(content);
        let entry = Packet { stat: Some(stat), ..packet(PacketType::PacketStat, 0, Vec::new()) };
        out.blocking_send(Ok(entry)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    };
    match files {
        Files::Directory(root) => walk::walk(root, filter, &mut |stat| {
            let content = (stat.mode & stat::KIND == 0).then(|| Content::File(root.join(&stat.path)));
            emit(stat, content)
        })?,
        Files::Inline(files) => {
            for (name, bytes) in files.iter().filter(|(name, _)| filter.ask(name, &Said::default()).wanted) {
                let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                let stat = Stat { path: name.clone(), mode: 0o644, size, mod_time: now(), ..Stat::default() };
                emit(stat, Some(Content::Inline(bytes.clone())))?;
            }
        }
    }
    out.blocking_send(Ok(packet(PacketType::PacketStat, 0, Vec::new()))).ok();
    Ok(())
}

/// Sends what is in a file, and an empty packet at its end.
fn send_content(content: &Content, id: u32, out: &Sender<Packet>) -> io::Result<()> {
    match content {
        Content::File(path) => {
            let failed = |error: io::Error| {
                io::Error::new(error.kind(), format!("reading `{}`: {error}", path.display()))
            };
            send_bytes(&mut open(path).map_err(failed)?, id, out).map_err(failed)?;
        }
        Content::Inline(bytes) => send_bytes(&mut bytes.as_slice(), id, out)?,
    }
    out.blocking_send(Ok(packet(PacketType::PacketData, id, Vec::new()))).ok();
    Ok(())
}

/// Opens a file that was listed as one, and nothing else that may be there by now.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn send_bytes(from: &mut dyn Read, id: u32, out: &Sender<Packet>) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        if Read::take(&mut *from, PIECE as u64).read_to_end(&mut piece)? == 0 {
            return Ok(());
        }
        if out.blocking_send(Ok(packet(PacketType::PacketData, id, piece))).is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// The builder tells changed files by size and time; what is nowhere but here is as new as can be.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat: None, id, data }
}
