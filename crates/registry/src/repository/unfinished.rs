//! Uploads that outlive their process: where each stands is noted in a file, so that the next process goes on from
//! what the registry has.
//!
//! A note is a favour to the next process and never a reason to fail: where none can be kept, the upload goes on
//! without. Its file is locked as long as the upload is under way, and the kernel drops the lock with the process.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use wharf_oci::digest::sha256;

/// Registries forget uploads after about as long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A location is far shorter.
const NOTE_MAX: u64 = 64 << 10;

/// An upload that the registry has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) location: Url,
    /// The smallest piece that the registry wants, but for the last.
    pub(super) smallest: u64,
}

/// The note of one upload, ours alone.
#[derive(Debug)]
pub(super) struct Note {
    file: File,
    path: PathBuf,
}

impl Note {
    /// The note for what is called `upload`, and what stood in it. There is none where another process is at that
    /// very upload, or where `directory` cannot be used.
    pub(super) fn take(directory: &Path, upload: &str) -> Option<(Self, Option<Session>)> {
        fs::create_dir_all(directory).ok()?;
        // The location of an upload may be all that it takes to write to it.
        fs::set_permissions(directory, Permissions::from_mode(0o700)).ok()?;
        sweep(directory);
        let path = directory.join(sha256(upload.as_bytes()).digest());
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).ok()?;
        file.try_lock().ok()?;
        let mut text = String::new();
        Read::take(&file, NOTE_MAX).read_to_string(&mut text).ok()?;
        Some((Self { file, path }, parse(&text)))
    }

    /// Writes down where the upload stands. Whoever is killed in the middle leaves a whole note or a useless one.
    pub(super) fn keep(&self, session: &Session) {
        let text = format!("{}\n{}\n", session.location, session.smallest);
        if self.file.write_all_at(text.as_bytes(), 0).is_ok() {
            let _ = self.file.set_len(text.len() as u64);
        }
    }

    /// There is nothing to go on with any more.
    pub(super) fn clear(&self) {
        let _ = self.file.set_len(0);
    }
}

/// A note that says nothing needs no file.
impl Drop for Note {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn parse(text: &str) -> Option<Session> {
    let (location, rest) = text.split_once('\n')?;
    let (smallest, _) = rest.split_once('\n')?;
    Some(Session { location: location.parse().ok()?, smallest: smallest.parse().ok()? })
}

fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(at: &str) -> Session {
        Session { location: format!("http://r/v2/a/blobs/uploads/{at}").parse().unwrap(), smallest: 7 }
    }

    #[test]
    fn a_note_is_found_by_the_next_one_and_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let take = |upload| Note::take(&directory.path().join("uploads"), upload);
        let (note, found) = take("a").unwrap();
        assert_eq!(found, None);
        note.keep(&session("a-rather-long-one"));
        note.keep(&session("x"));
        assert!(take("a").is_none(), "it is under way");
        assert_eq!(take("b").unwrap().1, None);
        drop(note);
        let (note, found) = take("a").unwrap();
        assert_eq!(found, Some(session("x")));
        note.clear();
        drop(note);
        assert_eq!(fs::read_dir(directory.path().join("uploads")).unwrap().count(), 0);
    }

    #[test]
    fn half_a_note_says_nothing() {
        for text in ["", "http://r/x", "http://r/x\n", "http://r/x\n1", "x\n1\n", "http://r/x\n-\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("http://r/x\n0\nrest of a longer one"), parse("http://r/x\n0\n"));
    }
}
