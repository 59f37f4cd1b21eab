//! A database as one file: made once, moved between teams, and read in parts.
//!
//! ```text
//! "WVDB0001"                                  8 bytes
//! length of the head, of the table            u32, u32
//! head                                        JSON: as of when it is, ecosystems, the places of the chunks
//! table                                       for each package: hash u64, chunk u32, number u32; sorted
//! chunks                                      each a zstd frame of a JSON array of records
//! ```
//!
//! Numbers are little-endian. A package's records lie side by side, so that one chunk mostly has them all. What is read for an image is
//! the head, the table and the chunks of its packages, at their places; nothing is mapped, as `unsafe` belongs to
//! the sandbox alone, and the kernel's page cache does the same for reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::database::{DatabaseError, Ecosystem};
use super::record::Record;

const MAGIC: &[u8; 8] = b"WVDB0001";
/// What all versions of the format begin with.
const FAMILY: &[u8; 4] = b"WVDB";
/// A chunk is closed when its records are this long.
const CHUNK: usize = 128 << 10;
/// Larger parts are no part of a file that was made here.
const MAX_PART: u32 = 512 << 20;
const MAX_CHUNK: usize = 64 << 20;
const ROW: usize = 16;

/// A record, and what the whole database knew of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// The same for all records of one problem.
    pub(super) problem: u32,
    /// A CVE by which the problem is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) cve: Option<String>,
}

/// What a database says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Summary {
    /// The day of the data, RFC 3339.
    pub(super) as_of: String,
    pub(super) records: usize,
    pub(super) ecosystems: BTreeMap<String, Ecosystem>,
    /// For each export that it was brought up to date with, how far.
    pub(super) sources: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    summary: Summary,
    /// Of each chunk, its place after the table, and its length.
    chunks: Vec<(u64, u32)>,
}

/// A database in one file, open.
#[derive(Debug)]
pub(super) struct Compact {
    path: PathBuf,
    file: File,
    head: Head,
    table: Vec<u8>,
    chunks_at: u64,
}

impl Compact {
    /// Opens the file at `path`; `None` where it is something else.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, DatabaseError> {
        let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
        if path.is_dir() {
            return Ok(None);
        }
        let file = File::open(path).map_err(failed)?;
        let mut start = [0; 16];
        if file.read_exact_at(&mut start, 0).is_err() || !start.starts_with(FAMILY) {
            return Ok(None);
        }
        let unusable =
            |reason: &str| DatabaseError::Compact { path: path.to_owned(), reason: reason.to_owned() };
        if !start.starts_with(MAGIC) {
            return Err(unusable("it was made by another version of wharf"));
        }
        let length = |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
        let (head, table) = (length(8), length(12));
        let broken = || unusable("it is damaged");
        if head > MAX_PART || table > MAX_PART || !(table as usize).is_multiple_of(ROW) {
            return Err(broken());
        }
        let part = |at: u64, length: u32| {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, at).map(|()| bytes).map_err(|_| broken())
        };
        let size = file.metadata().map_err(failed)?.len();
        if 16 + u64::from(head) + u64::from(table) > size {
            return Err(broken());
        }
        let table = part(16 + u64::from(head), table)?;
        let head_bytes = part(16, head)?;
        let head: Head = serde_json::from_slice(&head_bytes).map_err(|_| broken())?;
        let chunks_at = 16 + (head_bytes.len() + table.len()) as u64;
        Ok(Some(Self { path: path.to_owned(), file, head, table, chunks_at }))
    }

    pub(super) fn summary(&self) -> &Summary {
        &self.head.summary
    }

    /// The records about packages, each an ecosystem and a normalised name, each record once.
    pub(super) fn about<'a>(
        &self,
        wanted: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<Vec<Entry>, DatabaseError> {
        let mut places: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (ecosystem, name) in wanted {
            for (chunk, number) in self.rows(hash(ecosystem, &name)) {
                places.entry(chunk).or_default().insert(number);
            }
        }
        let mut entries = Vec::new();
        for (chunk, numbers) in places {
            let found = self.chunk(chunk)?.into_iter().enumerate();
            entries.extend(found.filter(|(at, _)| numbers.contains(&(*at as u32))).map(|(_, entry)| entry));
        }
        Ok(entries)
    }

    /// Every record.
    pub(super) fn all(&self) -> Result<Vec<Record>, DatabaseError> {
        let mut records = Vec::new();
        for chunk in 0..self.head.chunks.len() {
            records.extend(self.chunk(chunk as u32)?.into_iter().map(|entry| entry.record));
        }
        Ok(records)
    }

    /// The places of the records about a package.
    fn rows(&self, hash: u64) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.table.len() / ROW;
        let (mut low, mut high) = (0, rows);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.row(middle).0 < hash {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        (low..rows).map(|at| self.row(at)).take_while(move |row| row.0 == hash).map(|row| (row.1, row.2))
    }

    fn row(&self, at: usize) -> (u64, u32, u32) {
        let row = &self.table[at * ROW..][..ROW];
        let number = |at: usize| u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
        (u64::from(number(0)) | u64::from(number(4)) << 32, number(8), number(12))
    }

    fn chunk(&self, number: u32) -> Result<Vec<Entry>, DatabaseError> {
        let broken = || DatabaseError::Compact { path: self.path.clone(), reason: "it is damaged".into() };
        let (at, length) = *self.head.chunks.get(number as usize).ok_or_else(broken)?;
        if length as usize > MAX_CHUNK {
            return Err(broken());
        }
        let mut packed = vec![0; length as usize];
        let at = self.chunks_at.checked_add(at).ok_or_else(broken)?;
        self.file.read_exact_at(&mut packed, at).map_err(|_| broken())?;
        let json = zstd::bulk::decompress(&packed, MAX_CHUNK).map_err(|_| broken())?;
        serde_json::from_slice(&json).map_err(|_| broken())
    }
}

/// Writes a database under a temporary name beside `path`, and gives it its name when it is whole.
pub(super) fn write(path: &Path, mut entries: Vec<Entry>, summary: Summary) -> io::Result<()> {
    entries.iter_mut().for_each(|entry| entry.record.shorten());
    let first = |entry: &Entry| entry.record.affected.iter().filter_map(|affected| affected.key()).min();
    entries.sort_by_cached_key(|entry| (first(entry), entry.record.id.clone()));
    let mut rows: BTreeSet<(u64, u32, u32)> = BTreeSet::new();
    let (mut chunks, mut packed) = (Vec::new(), Vec::new());
    let (mut json, mut number) = (Vec::new(), 0u32);
    let count = entries.len();
    for (at, entry) in entries.iter().enumerate() {
        json.push(if number == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut json, entry)?;
        for (ecosystem, name) in entry.record.affected.iter().filter_map(|affected| affected.key()) {
            rows.insert((hash(&ecosystem, &name), chunks.len() as u32, number));
        }
        number += 1;
        if json.len() >= CHUNK || at + 1 == count {
            json.push(b']');
            let frame = zstd::bulk::compress(&json, 12)?;
            chunks.push((packed.len() as u64, frame.len() as u32));
            packed.extend_from_slice(&frame);
            json.clear();
            number = 0;
        }
    }
    let head = serde_json::to_vec(&Head { summary, chunks })?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(MAGIC)?;
    file.write_all(&(head.len() as u32).to_le_bytes())?;
    file.write_all(&((rows.len() * ROW) as u32).to_le_bytes())?;
    file.write_all(&head)?;
    for (hash, chunk, number) in rows {
        file.write_all(&hash.to_le_bytes())?;
        file.write_all(&chunk.to_le_bytes())?;
        file.write_all(&number.to_le_bytes())?;
    }
    file.write_all(&packed)?;
    // Temporary files are private; advisories are not.
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn hash(ecosystem: &str, name: &str) -> u64 {
    let digest = Sha256::new().chain_update(ecosystem).chain_update([0]).chain_update(name).finalize();
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Database;
    use super::*;

    fn records() -> Vec<Record> {
        let record = |id: &str, alias: &str, name: &str| {
            serde_json::from_value(serde_json::json!({
                "id": id, "modified": "2026-01-01T00:00:00Z", "aliases": [alias], "details": "d".repeat(9000),
                "affected": [{ "package": { "ecosystem": "PyPI", "name": name },
                    "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2" }] }] }]
            }))
            .unwrap()
        };
        (0..100)
            .map(|n| record(&format!("PYSEC-{n}"), &format!("GHSA-{}", n / 2), &format!("Package.{n}")))
            .chain([record("CVE-2026-1", "GHSA-3", "elsewhere")])
            .collect()
    }

    #[test]
    fn what_was_written_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/db.wvdb");
        let memory: Database = records().into_iter().collect();
        memory.followed("2026-01-02T00:00:00Z", BTreeMap::new()).write(&path).unwrap();
        let file = Database::open(&path).unwrap();
        assert_eq!((file.len(), file.as_of()), (101, Some("2026-01-02T00:00:00Z")));
        assert!(file.knows("PyPI") && !file.knows("npm"));
        let wanted = [("PyPI", "package_7"), ("PyPI", "nothing")];
        let part = file.about_packages(wanted.into_iter()).unwrap().unwrap();
        let matches = part.matches("PyPI", "package-7", "1.0");
        assert_eq!(matches.len(), 1);
        // The CVE is that of a record about another package.
        assert_eq!(super::super::display_id(&part, &matches), "CVE-2026-1");
        assert_eq!(file.into_records().unwrap().len(), 101);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db.wvdb");
        records().into_iter().collect::<Database>().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [4, 12, 20, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            if let Ok(database) = Database::open(&path) {
                assert!(database.into_records().is_err(), "{cut}");
            }
        }
        std::fs::write(&path, b"WVDB9999________").unwrap();
        assert!(Database::open(&path).unwrap_err().to_string().contains("another version"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_makes_it_panic(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), [&MAGIC[..], &rest].concat()).unwrap();
            let _ = Database::open(file.path()).and_then(Database::into_records);
        }
    }
}
