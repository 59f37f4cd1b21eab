//! Layouts of this machine as stores of blobs that a builder reads from and writes to.

use std::io::{self, Seek, SeekFrom, Write};

use wharf_buildkit::session::{Blob, BlobSink, BlobSource, Blobs};
use wharf_oci::Digest;
use wharf_registry::{BlobWriter, Layout, LayoutError};

/// A layout for a builder.
pub(super) struct Shelf(pub(super) Layout);

impl Blobs for Shelf {
    fn find(&self, digest: &str) -> io::Result<Option<Blob>> {
        Ok(self.0.size(&parse(digest)?).map(|size| Blob { size }))
    }

    fn read(&self, digest: &str, offset: u64) -> io::Result<BlobSource> {
        let mut file = self.0.open_blob(&parse(digest)?).map_err(as_io)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn begin(&self) -> io::Result<Box<dyn BlobSink>> {
        Ok(Box::new(Sink(self.0.writer().map_err(as_io)?)))
    }
}

struct Sink(BlobWriter);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl BlobSink for Sink {
    fn commit(self: Box<Self>, expected: &str) -> io::Result<()> {
        self.0.commit(Some(&parse(expected)?)).map(drop).map_err(as_io)
    }
}

fn parse(digest: &str) -> io::Result<Digest> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("`{digest}`: {error}"));
    Digest::try_from(digest.to_owned()).map_err(invalid)
}

/// A full disk stays one, so that it is said whose disk it is.
fn as_io(error: LayoutError) -> io::Error {
    match error.is_disk_full() {
        true => io::Error::new(io::ErrorKind::StorageFull, error),
        false => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_written_is_found_and_what_is_wrong_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf(Layout::open(directory.path()).unwrap());
        let digest = wharf_oci::digest::sha256(b"some bytes").to_string();
        assert_eq!(shelf.find(&digest).unwrap(), None);
        let write = |bytes: &[u8]| {
            let mut sink = shelf.begin().unwrap();
            sink.write_all(bytes).unwrap();
            sink.commit(&digest)
        };
        assert!(write(b"other bytes").is_err());
        assert_eq!(shelf.find(&digest).unwrap(), None);
        write(b"some bytes").unwrap();
        assert_eq!(shelf.find(&digest).unwrap(), Some(Blob { size: 10 }));
        let mut read = String::new();
        shelf.read(&digest, 5).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "bytes");
        assert!(shelf.find("../../etc/passwd").is_err());
    }
}
