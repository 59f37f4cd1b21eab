//! The directory that is laid over an image for the time of a step.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::pem::{Body, bodies, write};
use super::{BUNDLE, BUNDLES, HostTrust};
use crate::copy::{mirror, set_time_of};
use crate::error::{Cause, StepError};
use crate::request::HostCa;
use crate::tree::{Meta, Tree};

/// Written around what is added to a bundle.
pub(super) const BEGIN_MARK: &[u8] = b"# wharf: authorities of the build host, for one step only\n";
pub(super) const END_MARK: &[u8] = b"# wharf: end of the authorities of the build host\n";

/// Debian's and Alpine's `update-ca-certificates` runs what is in its `update.d` when it has written the bundle
/// anew; this adds the host's certificates again, so that what a step installs them for still works in it.
const HOOK: &str = "etc/ca-certificates/update.d/zz-wharf-host";
const HOOK_TEXT: &str =
    "#!/bin/sh\ncat /run/wharf/added.crt >> /etc/ssl/certs/ca-certificates.crt 2>/dev/null || true\n";
const ADDED: &str = "run/wharf/added.crt";

/// The most that is read of an image's bundle.
const BUNDLE_MAX: u64 = 32 << 20;

/// An image that has none of these does not speak TLS that could be helped.
const SPEAKERS: [&str; 24] = [
    "etc/ssl",
    "etc/pki",
    "usr/lib/ssl",
    "usr/bin/apt-get",
    "sbin/apk",
    "usr/bin/dnf",
    "usr/bin/microdnf",
    "usr/bin/yum",
    "usr/bin/zypper",
    "usr/bin/pacman",
    "usr/bin/curl",
    "usr/bin/git",
    "usr/bin/openssl",
    "usr/bin/python3",
    "usr/bin/node",
    "usr/local/bin/python3",
    "usr/local/bin/node",
    "usr/local/bin/uv",
    "usr/local/go",
    "usr/local/cargo",
    "opt/conda",
    "usr/bin/wget",
    "usr/bin/java",
    "opt/java",
];

/// A veil, and what in it is not the image's.
#[derive(Debug)]
pub(crate) struct Veil {
    /// The directory, in overlayfs's form.
    pub(crate) directory: PathBuf,
    /// How many certificates the image lacks that the host has.
    pub(crate) missing: usize,
    /// The certificates that are to be found nowhere afterwards.
    pub(super) added: BTreeSet<Body>,
    /// The files and directories that the image does not have, parents first.
    pub(super) made: Vec<PathBuf>,
}

impl Veil {
    /// Makes a veil in the empty `directory` for the image in `image`; `None` where it needs none.
    pub(crate) fn weave(
        host: &HostTrust,
        when: HostCa,
        image: &Tree,
        directory: PathBuf,
    ) -> Result<Option<Self>, StepError> {
        if when == HostCa::Off || host.all.is_empty() || (when == HostCa::Auto && !speaks_tls(image)?) {
            return Ok(None);
        }
        let bundles = bundles(image)?;
        let known: BTreeSet<Body> = bundles.iter().flat_map(|(_, text)| bodies(text)).collect();
        let missing = host.missing(&known).len();
        if when == HostCa::Auto && missing == 0 {
            return Ok(None);
        }
        let mut veil = Self { directory, missing, added: BTreeSet::new(), made: Vec::new() };
        let added: Vec<&Body> = host.all.iter().filter(|body| !known.contains(*body)).collect();
        veil.added = added.iter().map(|body| (*body).clone()).collect();
        let block = block(&added);
        for (path, text) in &bundles {
            veil.file(image, path, &[text.as_slice(), &block].concat(), 0o644)?;
        }
        if bundles.is_empty() {
            veil.file(image, Path::new(BUNDLES[0]), &block, 0o644)?;
        }
        let all: Vec<&Body> = known.iter().chain(added).collect();
        veil.file(image, Path::new(BUNDLE.trim_start_matches('/')), &self::block(&all), 0o644)?;
        veil.file(image, Path::new(ADDED), &block, 0o644)?;
        veil.file(image, Path::new(HOOK), HOOK_TEXT.as_bytes(), 0o755)?;
        Ok(Some(veil))
    }

    /// Puts a file into the veil; the directories above look like those of the image.
    fn file(&mut self, image: &Tree, path: &Path, content: &[u8], mode: u32) -> Result<(), StepError> {
        let path = image.resolve(path).map_err(Cause::file("looking up", path))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        self.directories(image, parent)?;
        let place = self.directory.join(&path);
        fs::write(&place, content).map_err(Cause::file("writing", &place))?;
        let below = image.meta(&path).map_err(Cause::file("examining", &path))?;
        self.look_like(&path, below.as_ref(), mode)?;
        for directory in parent.ancestors() {
            // Putting something in has changed their times.
            if let Some(meta) = image.meta(directory).map_err(Cause::file("examining", directory))? {
                set_time_of(&self.directory.join(directory), meta.mtime)
                    .map_err(Cause::file("setting the time of", directory))?;
            }
        }
        Ok(())
    }

    fn directories(&mut self, image: &Tree, path: &Path) -> Result<(), StepError> {
        let place = self.directory.join(path);
        if place.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directories(image, parent)?;
        }
        let below = image.meta(path).map_err(Cause::file("examining", path))?;
        if below.is_some_and(|meta| !meta.is_dir()) {
            let text = format!("the image's /{} is no directory; use --host-ca=off", path.display());
            return Err(Cause::Refused(text).into());
        }
        fs::create_dir(&place).map_err(Cause::file("making directory", &place))?;
        self.look_like(path, below.as_ref(), 0o755)
    }

    fn look_like(&mut self, path: &Path, below: Option<&Meta>, mode: u32) -> Result<(), StepError> {
        let place = self.directory.join(path);
        if below.is_none() {
            self.made.push(path.to_owned());
        }
        let mode = Permissions::from_mode(below.map_or(mode, |meta| meta.mode));
        if let Some(meta) = below {
            mirror(&place, meta).map_err(Cause::file("giving its owner and time to", &place))?;
        }
        fs::set_permissions(&place, mode).map_err(Cause::file("changing the mode of", &place))
    }
}

fn speaks_tls(image: &Tree) -> Result<bool, StepError> {
    for path in SPEAKERS {
        let path = Path::new(path);
        let found = image.resolve(path).and_then(|path| image.meta(&path));
        if found.map_err(Cause::file("looking up", path))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The bundles that an image has: where they really are, each once, and their text.
fn bundles(image: &Tree) -> Result<Vec<(PathBuf, Vec<u8>)>, StepError> {
    let mut bundles: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for path in BUNDLES {
        let path = image.resolve(Path::new(path)).map_err(Cause::file("looking up", Path::new(path)))?;
        if bundles.iter().any(|(known, _)| *known == path) {
            continue;
        }
        if let Ok(file) = image.open_file(&path) {
            let mut text = Vec::new();
            file.take(BUNDLE_MAX).read_to_end(&mut text).map_err(Cause::file("reading", &path))?;
            bundles.push((path, text));
        }
    }
    Ok(bundles)
}

fn block(certificates: &[&Body]) -> Vec<u8> {
    let mut text = BEGIN_MARK.to_vec();
    certificates.iter().for_each(|body| write(body, &mut text));
    text.extend_from_slice(END_MARK);
    text
}
