//! Where records come from: directories, archives, single files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::archive::{Codec, EntryKind, TarReader, ZipArchive};
use crate::blob::Blob;

use super::DatabaseError;
use super::record::Record;
use super::rustsec;

/// The longest file that is taken for a record.
const MAX_RECORD: u64 = 16 << 20;

/// All records under `path`.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, DatabaseError> {
    let mut records = Vec::new();
    let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
    if path.is_dir() {
        for file in files(path).map_err(failed)? {
            let name = file.display().to_string();
            if is_archive(&name) {
                records.extend(read_file(&file)?);
            } else if is_record(&name) {
                let content =
                    fs::read(&file).map_err(|source| DatabaseError::Read { path: file.clone(), source })?;
                records.extend(parse(path, &name, &content)?);
            }
        }
        return Ok(records);
    }
    read_file(path)
}

/// The records of an archive or a single file.
fn read_file(path: &Path) -> Result<Vec<Record>, DatabaseError> {
    let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
    let blob = Blob::of_file(File::open(path).map_err(failed)?).map_err(failed)?;
    let head = blob.bytes(0, 512).map_err(failed)?;
    if head.starts_with(b"PK") {
        return read_zip(path, &blob);
    }
    if let Some(codec) = Codec::detect(&head).filter(|_| !is_record(&path.display().to_string())) {
        return read_tar(path, BufReader::new(codec.decode(blob.reader(0)).map_err(failed)?));
    }
    if TarReader::<&[u8]>::detect(&head) {
        return read_tar(path, blob.reader(0));
    }
    let content = blob.bytes(0, MAX_RECORD as usize).map_err(failed)?;
    parse(path, &path.display().to_string(), &content).map(|record| record.into_iter().collect())
}

fn read_zip(path: &Path, blob: &Blob) -> Result<Vec<Record>, DatabaseError> {
    let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
    let mut records = Vec::new();
    for member in ZipArchive::whole(blob).map_err(failed)? {
        if !is_record(&member.name) {
            continue;
        }
        let stream = member.open(blob, member.method).map_err(failed)?;
        let stream =
            stream.ok_or_else(|| failed(io::Error::other("compressed in a way that is not supported")))?;
        let mut content = Vec::new();
        stream.take(MAX_RECORD).read_to_end(&mut content).map_err(failed)?;
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        if crc.sum() != member.crc {
            let why = format!("the checksum of `{}` does not match", member.name);
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        records.extend(parse(path, &member.name, &content)?);
    }
    Ok(records)
}

fn read_tar(path: &Path, stream: impl BufRead) -> Result<Vec<Record>, DatabaseError> {
    let failed = |source| DatabaseError::Read { path: path.to_owned(), source };
    let mut records = Vec::new();
    let mut reader = TarReader::new(stream);
    while let Some(entry) = reader.next_entry().map_err(failed)? {
        if entry.kind != EntryKind::File || !is_record(&entry.path) {
            continue;
        }
        let mut content = Vec::new();
        (&mut reader).take(MAX_RECORD).read_to_end(&mut content).map_err(failed)?;
        records.extend(parse(path, &entry.path, &content)?);
    }
    Ok(records)
}

/// The files below a directory, in order, without following links.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_record(name: &str) -> bool {
    [".json", ".yaml", ".yml", ".md"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_archive(name: &str) -> bool {
    [".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz"].iter().any(|suffix| name.ends_with(suffix))
}

/// The record in `content`; `None` for a document that is no record, such as an index beside the records.
fn parse(path: &Path, member: &str, content: &[u8]) -> Result<Option<Record>, DatabaseError> {
    let failed =
        |reason: String| DatabaseError::Record { path: path.to_owned(), member: member.to_owned(), reason };
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(_) if is_markdown(member) => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    if is_markdown(member) {
        return rustsec::parse(text).map_err(failed);
    }
    let record = if text.trim_start().starts_with('{') {
        serde_json::from_str::<Record>(text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str::<Record>(text).map_err(|error| error.to_string())
    };
    match record {
        Ok(record) => Ok(Some(record.dated()).filter(|record| !record.id.is_empty())),
        Err(_) if !looks_like_record(text) => Ok(None),
        Err(reason) => Err(failed(reason)),
    }
}

fn is_markdown(name: &str) -> bool {
    name.ends_with(".md")
}

fn looks_like_record(text: &str) -> bool {
    text.contains("\"affected\"") || text.lines().any(|line| line == "affected:")
}
