//! Takes the host's certificates out of what a step wrote.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::Veil;
use super::pem::{Body, blocks, der, mentions};
use super::veil::{BEGIN_MARK, END_MARK};
use crate::copy::set_time_of;
use crate::error::{Cause, StepError};
use crate::tree::Meta;

/// Larger files are not searched: no bundle and no key store is as large.
const SEARCHED_MAX: u64 = 64 << 20;

/// Searches what a step wrote to `upper` for what the veil added. Certificates in text are cut out, and what the
/// step left of the veil itself is removed.
///
/// # Errors
/// Fails where a certificate is in a file of another form, such as a key store, from which it cannot be taken.
pub(crate) fn clean(upper: &Path, veil: &Veil) -> Result<(), StepError> {
    for path in veil.made.iter().rev() {
        remove_own(&upper.join(path), &veil.directory.join(path)).map_err(Cause::file("removing", path))?;
    }
    let binary: Vec<Vec<u8>> = veil.added.iter().filter_map(|body| der(body)).collect();
    let search = Search { added: &veil.added, binary: &binary, upper };
    search.directory(upper)
}

/// Removes a file that is still the veil's own, or a directory that has nothing in it.
fn remove_own(place: &Path, original: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(place) else { return Ok(()) };
    if metadata.is_dir() {
        // What the step put into it keeps it alive.
        let _ = fs::remove_dir(place);
    } else if metadata.is_file() && fs::read(place)? == fs::read(original)? {
        fs::remove_file(place)?;
    }
    Ok(())
}

struct Search<'a> {
    added: &'a BTreeSet<Body>,
    binary: &'a [Vec<u8>],
    upper: &'a Path,
}

impl Search<'_> {
    fn directory(&self, directory: &Path) -> Result<(), StepError> {
        let fail = || Cause::file::<io::Error>("reading", directory);
        for entry in fs::read_dir(directory).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            let kind = entry.file_type().map_err(fail())?;
            if kind.is_dir() {
                self.directory(&entry.path())?;
            } else if kind.is_file() {
                self.file(&entry.path())?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> Result<(), StepError> {
        let metadata = rustix::fs::lstat(path).map_err(Cause::file("examining", path))?;
        let meta = Meta::from(&metadata);
        if meta.size == 0 || meta.size > SEARCHED_MAX {
            return Ok(());
        }
        let mut content = Vec::with_capacity(meta.size as usize);
        let read = File::open(path).and_then(|mut file| file.read_to_end(&mut content));
        read.map_err(Cause::file("reading", path))?;
        if self.binary.iter().any(|der| memmem::find(&content, der).is_some()) {
            return Err(Cause::Refused(self.leak(path)).into());
        }
        match mentions(&content).then(|| self.cut(&content)).flatten() {
            Some(rest) if rest.is_empty() => fs::remove_file(path).map_err(Cause::file("removing", path)),
            Some(rest) => {
                // The same inode: other names of the file are cleaned with it.
                let write = File::options().write(true).truncate(true).open(path);
                write.and_then(|mut file| file.write_all(&rest)).map_err(Cause::file("writing", path))?;
                set_time_of(path, meta.mtime).map_err(Cause::file("setting the time of", path))
            }
            None => Ok(()),
        }
    }

    /// The text without the certificates that were added; `None` where there are none.
    fn cut(&self, content: &[u8]) -> Option<Vec<u8>> {
        let ours = |body: &Body| self.added.contains(body);
        let places: Vec<_> =
            blocks(content).into_iter().filter(|block| ours(&block.body)).map(|block| block.place).collect();
        if places.is_empty() {
            return None;
        }
        let mut rest = Vec::with_capacity(content.len());
        let mut from = 0;
        for place in places {
            rest.extend_from_slice(&content[from..place.start]);
            from = place.end;
        }
        rest.extend_from_slice(&content[from..]);
        Some(without(&without(&rest, BEGIN_MARK), END_MARK))
    }

    fn leak(&self, path: &Path) -> String {
        let inside: PathBuf = Path::new("/").join(path.strip_prefix(self.upper).unwrap_or(path));
        format!(
            "the step put a certificate authority of the build host into {}, from where it cannot be taken out \
             again; with --host-ca=off it does not see any",
            inside.display()
        )
    }
}

fn without(text: &[u8], mark: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in memmem::find_iter(text, mark) {
        rest.extend_from_slice(&text[from..at]);
        from = at + mark.len();
    }
    rest.extend_from_slice(&text[from..]);
    rest
}
