//! An entry as the header blocks that stand for it.
//!
//! Headers depend on the entry alone: no user or group names, no access or change times, and PAX
//! records only for what the plain header cannot say. The choices are those of Go's `archive/tar`,
//! through which most layers in the world were written.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    BLOCK,
    header::{self, Header, octal_max},
    pax,
};
use crate::{Device, Entry, Kind, Metadata, Timestamp, whiteout};

/// What ends an archive: two empty blocks.
pub(crate) const TRAILER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// How many zero bytes follow content of `size` bytes.
pub(crate) fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

/// The header blocks of `entry`. Content and its padding follow them.
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let path = name_in_archive(entry);
    let fields = match &entry.kind {
        // A whiteout is a marker, not a file: whatever its metadata says, it is written the same.
        Kind::Whiteout | Kind::Opaque => {
            Fields { metadata: &Metadata::default(), ..Fields::of(entry, &path) }
        }
        _ => Fields::of(entry, &path),
    };
    let records = fields.records();
    let mut blocks = Vec::with_capacity(if records.is_empty() { BLOCK } else { 3 * BLOCK });
    if !records.is_empty() {
        push_extension(&mut blocks, &records);
    }
    blocks.extend_from_slice(&fields.header().0);
    blocks
}

fn name_in_archive(entry: &Entry) -> Vec<u8> {
    let name = |path: &Path| path.as_os_str().as_bytes().to_vec();
    match &entry.kind {
        Kind::Directory => [name(&entry.path), b"/".to_vec()].concat(),
        Kind::Whiteout => name(&whiteout::removal(&entry.path)),
        Kind::Opaque => name(&entry.path.join(whiteout::OPAQUE)),
        _ => name(&entry.path),
    }
}

fn push_extension(blocks: &mut Vec<u8>, records: &[u8]) {
    let mut header = Header::new(b'x');
    header.set_text(header::NAME, b"PaxHeaders.0");
    for field in [header::MODE, header::UID, header::GID, header::MTIME] {
        header.set_number(field, 0);
    }
    header.set_number(header::SIZE, records.len() as u64);
    header.seal();
    blocks.extend_from_slice(&header.0);
    blocks.extend_from_slice(records);
    blocks.resize(blocks.len() + padding(records.len() as u64), 0);
}

struct Fields<'a> {
    kind: u8,
    path: &'a [u8],
    link: &'a [u8],
    size: u64,
    device: Device,
    metadata: &'a Metadata,
}

impl<'a> Fields<'a> {
    fn of(entry: &'a Entry, path: &'a [u8]) -> Self {
        let no_device = Device { major: 0, minor: 0 };
        let target = |target: &'a PathBuf| target.as_os_str().as_bytes();
        let (kind, link, size, device) = match &entry.kind {
            Kind::File { size } => (b'0', &b""[..], *size, no_device),
            Kind::Whiteout | Kind::Opaque => (b'0', &b""[..], 0, no_device),
            Kind::HardLink { target: link } => (b'1', target(link), 0, no_device),
            Kind::Symlink { target: link } => (b'2', target(link), 0, no_device),
            Kind::CharDevice(device) => (b'3', &b""[..], 0, *device),
            Kind::BlockDevice(device) => (b'4', &b""[..], 0, *device),
            Kind::Directory => (b'5', &b""[..], 0, no_device),
            Kind::Fifo => (b'6', &b""[..], 0, no_device),
        };
        Self { kind, path, link, size, device, metadata: &entry.metadata }
    }

    /// The PAX records for what the header cannot say, sorted by key.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut add = |needed: bool, key: &str, value: &[u8]| {
            if needed {
                pax::push_record(&mut records, key, value);
            }
        };
        let Metadata { uid, gid, mtime, xattrs, .. } = self.metadata;
        for (name, value) in xattrs {
            add(true, &format!("{}{name}", pax::XATTR), value);
        }
        add(u64::from(*gid) > octal_max(8), "gid", gid.to_string().as_bytes());
        add(!fits(self.link), "linkpath", self.link);
        add(seconds_in_header(*mtime).is_none(), "mtime", pax::format_time(*mtime).as_bytes());
        add(!fits(self.path), "path", self.path);
        add(self.size > octal_max(12), "size", self.size.to_string().as_bytes());
        add(u64::from(*uid) > octal_max(8), "uid", uid.to_string().as_bytes());
        records
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.kind);
        header.set_text(header::NAME, &fallback(self.path));
        header.set_text(header::LINK_NAME, &fallback(self.link));
        header.set_number(header::MODE, u64::from(self.metadata.mode & 0o7777));
        header.set_number(header::UID, u64::from(self.metadata.uid));
        header.set_number(header::GID, u64::from(self.metadata.gid));
        header.set_number(header::SIZE, self.size);
        header.set_number(header::MTIME, seconds_in_header(self.metadata.mtime).unwrap_or(0));
        header.set_number(header::DEV_MAJOR, u64::from(self.device.major));
        header.set_number(header::DEV_MINOR, u64::from(self.device.minor));
        header.seal();
        header
    }
}

/// Whether a name can stand in the header's own field of 100 bytes.
fn fits(name: &[u8]) -> bool {
    name.len() <= header::NAME.len() && name.is_ascii()
}

/// What stands in the header of a name that has a PAX record: its ASCII part, cut off, and without the
/// slash that would make an old reader take a file for a directory.
fn fallback(name: &[u8]) -> Vec<u8> {
    if fits(name) {
        return name.to_vec();
    }
    let mut ascii: Vec<u8> = name.iter().copied().filter(u8::is_ascii).take(header::NAME.len()).collect();
    while ascii.last() == Some(&b'/') {
        ascii.pop();
    }
    ascii
}

fn seconds_in_header(time: Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    (time.nanoseconds == 0 && seconds <= octal_max(12)).then_some(seconds)
}
