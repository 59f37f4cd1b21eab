//! What extension headers say about the entry that follows them: PAX records and GNU's long names.

use std::path::PathBuf;

use super::{
    MAX_SIZE,
    header::{self, Header, path_of},
    pax,
};
use crate::{Metadata, Timestamp};

#[derive(Default)]
pub(super) struct Extensions {
    pub(super) path: Option<PathBuf>,
    pub(super) link: Option<PathBuf>,
    pub(super) size: Option<u64>,
    pub(super) sparse: SparseRecords,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Timestamp>,
    xattrs: Vec<(String, Vec<u8>)>,
}

/// GNU's records for sparse files, as they stand.
#[derive(Default)]
pub(super) struct SparseRecords {
    pub(super) name: Option<PathBuf>,
    pub(super) size: Option<u64>,
    pub(super) numbers: Vec<u64>,
    /// Whether the map is in the content (format 1.0) and not in `numbers`.
    pub(super) in_content: bool,
}

impl Extensions {
    /// Takes in the data of an extension header of type `kind`. The error says what is wrong with it.
    pub(super) fn set(&mut self, kind: u8, data: Vec<u8>) -> Result<(), &'static str> {
        match kind {
            b'L' => self.path = Some(path_of(data)),
            b'K' => self.link = Some(path_of(data)),
            _ => {
                for (key, value) in pax::records(&data).ok_or("a PAX record breaks its grammar")? {
                    self.set_record(key, value).ok_or("a PAX record has an impossible value")?;
                }
            }
        }
        Ok(())
    }

    fn set_record(&mut self, key: &str, value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(pax::XATTR) {
            self.xattrs.push((name.to_owned(), value.to_owned()));
            return Some(());
        }
        if value.is_empty() {
            // What the header itself says stands.
            return Some(());
        }
        let text = || std::str::from_utf8(value).ok();
        let size = || text()?.parse().ok().filter(|&size| size < MAX_SIZE);
        let path = || (!value.contains(&0)).then(|| path_of(value.to_owned()));
        match key {
            "path" => self.path = Some(path()?),
            "linkpath" => self.link = Some(path()?),
            "size" => self.size = Some(size()?),
            "uid" => self.uid = Some(text()?.parse().ok()?),
            "gid" => self.gid = Some(text()?.parse().ok()?),
            "mtime" => self.mtime = Some(pax::parse_time(text()?)?),
            "GNU.sparse.name" => self.sparse.name = Some(path()?),
            "GNU.sparse.size" | "GNU.sparse.realsize" => self.sparse.size = Some(size()?),
            "GNU.sparse.major" => self.sparse.in_content = value == b"1",
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => self.sparse.numbers.push(size()?),
            "GNU.sparse.map" => {
                let numbers = text()?.split(',').map(|number| number.parse().ok());
                self.sparse.numbers = numbers.collect::<Option<_>>()?;
            }
            _ => {}
        }
        Some(())
    }

    /// The metadata of the entry that `header` opens.
    pub(super) fn metadata(&mut self, header: &Header) -> Result<Metadata, &'static str> {
        let id = |field, extension: Option<u32>| {
            let in_header = || header.number(field).and_then(|id| u32::try_from(id).ok());
            extension.or_else(in_header).ok_or("its owner is out of range")
        };
        let mode = header.number(header::MODE).ok_or("its mode is no number")?;
        let seconds = header.number(header::MTIME).ok_or("its time is no number")?;
        Ok(Metadata {
            mode: (mode & 0o7777) as u32,
            uid: id(header::UID, self.uid)?,
            gid: id(header::GID, self.gid)?,
            mtime: self.mtime.unwrap_or(Timestamp::from_seconds(seconds)),
            xattrs: std::mem::take(&mut self.xattrs).into_iter().collect(),
        })
    }
}
