//! What the tags of registries named when they were last asked, so that asking again is only the question whether that
//! has changed.
//!
//! A note is a favour to whoever asks next and nothing else: it is believed only as far as the registry confirms it, and
//! where none can be kept, all is fetched.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use wharf_oci::Digest;
use wharf_oci::digest::sha256;

use super::Layout;

impl Layout {
    fn note(&self, name: &str) -> PathBuf {
        self.seen_directory().join(sha256(name.as_bytes()).digest())
    }

    fn seen_directory(&self) -> PathBuf {
        self.root.join("seen")
    }

    /// The digest that `name` (`registry/repository:tag`) led to.
    pub(crate) fn seen(&self, name: &str) -> Option<Digest> {
        fs::read_to_string(self.note(name)).ok()?.parse().ok()
    }

    /// Notes what `name` leads to.
    pub(crate) fn saw(&self, name: &str, digest: &Digest) {
        if fs::create_dir_all(self.seen_directory()).is_ok() {
            let _ = self.replace(&self.note(name), digest.as_ref().as_bytes());
        }
    }

    /// Forgets what has not been asked for within `kept`.
    pub(super) fn forget_seen(&self, kept: Duration) {
        for entry in fs::read_dir(self.seen_directory()).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > kept) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_last_counts_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open(directory.path()).unwrap();
        assert_eq!(layout.seen("r/a:v1"), None);
        for content in [b"old", b"new"] {
            layout.saw("r/a:v1", &sha256(content));
        }
        assert_eq!(layout.seen("r/a:v1"), Some(sha256(b"new")));
        assert_eq!(layout.seen("r/a:v2"), None);
        layout.forget_seen(Duration::from_secs(3600));
        assert!(layout.seen("r/a:v1").is_some());
        layout.forget_seen(Duration::ZERO);
        assert_eq!(layout.seen("r/a:v1"), None);
    }

    #[test]
    fn half_a_note_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open(directory.path()).unwrap();
        layout.saw("r/a:v1", &sha256(b"x"));
        fs::write(layout.note("r/a:v1"), "sha256:12").unwrap();
        assert_eq!(layout.seen("r/a:v1"), None);
    }
}
