//! A directory, entry by entry: the fsutil protocol, spoken as the receiver (tonistiigi/fsutil, `receive.go`).
//!
//! What comes is not trusted: a name leads only through directories that came before it in the same transfer, so no
//! link, of whichever side, leads out of the target.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::packet::file_send_server::FileSend;
use tonic::{Request, Response, Status, Streaming};

use super::super::failed_here;
use super::super::files::stat::{DIRECTORY, KIND, SETGID, SETUID, STICKY, SYMLINK};
use super::super::stream::{self, Outgoing, Sender};

#[derive(Debug)]
pub(crate) struct ToDirectory(pub(super) PathBuf);

#[tonic::async_trait]
impl FileSend for ToDirectory {
    type DiffCopyStream = Outgoing<Packet>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let (sender, outgoing) = stream::channel();
        let (root, incoming) = (self.0.clone(), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = receive(root, incoming, &sender).await {
                sender.send(Err(status)).await.ok();
            }
        });
        Ok(Response::new(outgoing))
    }
}

async fn receive(root: PathBuf, mut incoming: Streaming<Packet>, out: &Sender<Packet>) -> Result<(), Status> {
    let mut writer = Writer::new(root).map_err(failed_here)?;
    let mut listed = false;
    let ask = |kind: PacketType, id: u32| Packet { r#type: kind.into(), id, ..Packet::default() };
    while let Some(packet) = incoming.message().await? {
        let kind = packet.r#type();
        match (kind, packet.stat) {
            (PacketType::PacketStat, Some(stat)) => {
                if let Some(id) = writer.entry(&stat).map_err(failed_here)? {
                    out.send(Ok(ask(PacketType::PacketReq, id))).await.ok();
                }
            }
            (PacketType::PacketStat, None) => listed = true,
            (PacketType::PacketData, _) => writer.data(packet.id, &packet.data).map_err(failed_here)?,
            (PacketType::PacketErr, _) => {
                return Err(Status::aborted(String::from_utf8_lossy(&packet.data).into_owned()));
            }
            (PacketType::PacketFin, _) => return Ok(()),
            (PacketType::PacketReq, _) => {}
        }
        if listed && writer.is_done() {
            listed = false;
            writer.finish().map_err(failed_here)?;
            out.send(Ok(ask(PacketType::PacketFin, 0))).await.ok();
        }
    }
    Ok(())
}

/// The target while it is written.
struct Writer {
    root: PathBuf,
    /// The place in the list of the next entry.
    next: u32,
    /// Directories of this transfer, in the order in which they came.
    directories: Vec<(PathBuf, Stat)>,
    known: HashSet<PathBuf>,
    /// Files whose content is on its way.
    open: HashMap<u32, (File, Stat)>,
}

impl Writer {
    fn new(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root).map_err(|error| doing("making", &root, error))?;
        let known = HashSet::from([PathBuf::new()]);
        Ok(Self { root, next: 0, directories: Vec::new(), known, open: HashMap::new() })
    }

    /// Makes an entry; gives its place where its content is to be asked for.
    fn entry(&mut self, stat: &Stat) -> io::Result<Option<u32>> {
        let id = self.next;
        self.next += 1;
        let name = self.admit(&stat.path)?;
        let path = self.root.join(&name);
        let wanted = self.make(stat, &name, &path).map_err(|error| doing("writing", &path, error))?;
        match wanted {
            Some(file) => {
                self.open.insert(id, (file, stat.clone()));
                Ok(Some(id))
            }
            None => Ok(None),
        }
    }

    /// A name that is inside the target, below directories of this transfer.
    fn admit(&self, name: &str) -> io::Result<PathBuf> {
        let path = PathBuf::from(name.trim_start_matches('/'));
        let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let above = path.parent().map(Path::to_owned).unwrap_or_default();
        match plain && path.file_name().is_some() && self.known.contains(&above) {
            true => Ok(path),
            false => {
                Err(io::Error::other(format!("the builder sent `{name}`, which is not below the target")))
            }
        }
    }

    fn make(&mut self, stat: &Stat, name: &Path, path: &Path) -> io::Result<Option<File>> {
        let there = fs::symlink_metadata(path).ok();
        if stat.mode & DIRECTORY != 0 {
            match there {
                Some(metadata) if metadata.is_dir() => {}
                Some(_) => {
                    fs::remove_file(path)?;
                    fs::create_dir(path)?;
                }
                None => fs::create_dir(path)?,
            }
            self.known.insert(name.to_owned());
            self.directories.push((path.to_owned(), stat.clone()));
            return Ok(None);
        }
        match there {
            Some(metadata) if metadata.is_dir() => fs::remove_dir_all(path)?,
            Some(_) => fs::remove_file(path)?,
            None => {}
        }
        if stat.mode & SYMLINK != 0 {
            symlink(&stat.linkname, path)?;
            return Ok(None);
        }
        if stat.mode & KIND != 0 {
            // Devices and pipes of an image are of no use to whoever wants its files.
            return Ok(None);
        }
        if !stat.linkname.is_empty() {
            let first = self.root.join(self.admit(&stat.linkname)?);
            if !fs::symlink_metadata(&first)?.is_file() {
                return Err(io::Error::other(format!("`{}` is no file to link to", stat.linkname)));
            }
            fs::hard_link(first, path)?;
            return Ok(None);
        }
        Ok(Some(File::create_new(path)?))
    }

    /// Takes a piece of a file; an empty one ends it.
    fn data(&mut self, id: u32, bytes: &[u8]) -> io::Result<()> {
        let unknown = || io::Error::other("the builder sent what it was not asked for");
        if bytes.is_empty() {
            let (file, stat) = self.open.remove(&id).ok_or_else(unknown)?;
            file.set_permissions(permissions(&stat))?;
            return file.set_times(FileTimes::new().set_modified(time(&stat)));
        }
        let (file, stat) = self.open.get_mut(&id).ok_or_else(unknown)?;
        let path = self.root.join(&stat.path);
        file.write_all(bytes).map_err(|error| doing("writing", &path, error))
    }

    fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Directories get their modes and times last, when nothing more is written into them.
    fn finish(&mut self) -> io::Result<()> {
        for (path, stat) in self.directories.drain(..).rev() {
            fs::set_permissions(&path, permissions(&stat))?;
            File::open(&path)?.set_times(FileTimes::new().set_modified(time(&stat)))?;
        }
        Ok(())
    }
}

fn permissions(stat: &Stat) -> Permissions {
    let special = [(SETUID, 0o4000), (SETGID, 0o2000), (STICKY, 0o1000)];
    let special = special.iter().filter(|(go, _)| stat.mode & go != 0).map(|(_, bit)| bit);
    Permissions::from_mode(stat.mode & 0o777 | special.sum::<u32>())
}

fn time(stat: &Stat) -> SystemTime {
    let distance = Duration::from_nanos(stat.mod_time.unsigned_abs());
    let at = match stat.mod_time {
        0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
        _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
    };
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn doing(action: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{action} `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(path: &str, mode: u32, linkname: &str) -> Stat {
        Stat {
            path: path.into(),
            mode,
            linkname: linkname.into(),
            mod_time: 1_000_000_000,
            ..Stat::default()
        }
    }

    #[test]
    fn a_tree_is_written_as_it_was_sent() {
        let target = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(target.path().join("out")).unwrap();
        assert_eq!(writer.entry(&stat("dir", DIRECTORY | 0o755, "")).unwrap(), None);
        let id = writer.entry(&stat("dir/file", 0o640, "")).unwrap().unwrap();
        assert_eq!(writer.entry(&stat("dir/link", SYMLINK | 0o777, "/etc/passwd")).unwrap(), None);
        writer.data(id, b"some ").unwrap();
        writer.data(id, b"bytes").unwrap();
        assert!(!writer.is_done());
        writer.data(id, b"").unwrap();
        assert_eq!(writer.entry(&stat("dir/other", 0o640, "dir/file")).unwrap(), None);
        writer.finish().unwrap();
        let out = target.path().join("out/dir");
        assert_eq!(fs::read(out.join("other")).unwrap(), b"some bytes");
        assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("/etc/passwd"));
        let metadata = fs::metadata(out.join("file")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    }

    #[test]
    fn nothing_leads_out_of_the_target() {
        let target = tempfile::tempdir().unwrap();
        let outside = target.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let root = target.path().join("out");
        fs::create_dir(&root).unwrap();
        symlink(&outside, root.join("there")).unwrap();
        let mut writer = Writer::new(root.clone()).unwrap();
        writer.entry(&stat("link", SYMLINK | 0o777, "../outside")).unwrap();
        for bad in ["../x", "link/x", "there/x", "", "a/b", "/", "a/../../x"] {
            assert!(writer.entry(&stat(bad, 0o644, "")).is_err(), "{bad}");
        }
        assert!(writer.entry(&stat("hard", 0o644, "../outside")).is_err());
        assert!(writer.entry(&stat("hard", 0o644, "link")).is_err());
        // A link of the target's own gives way to a directory that is sent.
        writer.entry(&stat("there", DIRECTORY | 0o755, "")).unwrap();
        writer.entry(&stat("there/x", 0o644, "")).unwrap();
        assert!(fs::symlink_metadata(root.join("there")).unwrap().is_dir());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(writer.data(99, b"x").is_err());
    }
}
