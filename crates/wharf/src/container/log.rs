//! The log of a container: one line of JSON for each line of output, as docker's `json-file` driver keeps it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// A line longer than this is kept in pieces, as docker does, in bytes.
const LINE_MAX: usize = 16 << 10;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// With its line end, unless it is a piece or the last.
    pub(crate) log: String,
    /// `stdout` or `stderr`.
    pub(crate) stream: String,
    /// RFC 3339.
    pub(crate) time: String,
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
}

impl Log {
    /// Opens the file, going on where it ends.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::options().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| format!("opening {}", path.display()))? })
    }

    /// Writes one line. A full disk must not stop the service; its output is what is lost.
    fn write(&mut self, stream: &str, bytes: &[u8]) {
        let line = Line {
            log: String::from_utf8_lossy(bytes).into_owned(),
            stream: stream.to_owned(),
            time: Timestamp::now().to_string(),
        };
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            let _ = self.file.write_all(&text);
        }
    }
}

/// Output of one stream, cut into lines on its way into the log.
#[derive(Debug)]
pub(crate) struct Cutter {
    stream: &'static str,
    pending: Vec<u8>,
}

impl Cutter {
    pub(crate) fn new(stream: &'static str) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Takes what came; whole lines go into the log.
    pub(crate) fn take(&mut self, bytes: &[u8], log: &mut Log) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            while self.pending.len() > LINE_MAX {
                let rest = self.pending.split_off(LINE_MAX);
                let line = std::mem::replace(&mut self.pending, rest);
                log.write(self.stream, &line);
            }
            if piece.ends_with(b"\n") {
                log.write(self.stream, &std::mem::take(&mut self.pending));
            }
        }
    }

    /// The output has ended.
    pub(crate) fn finish(&mut self, log: &mut Log) {
        if !self.pending.is_empty() {
            log.write(self.stream, &std::mem::take(&mut self.pending));
        }
    }
}

/// Reads a log line by line, also while it is written.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    partial: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), partial: Vec::new() })
    }

    /// The next line; `None` when there is no whole one yet.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            self.file.read_until(b'\n', &mut self.partial)?;
            if !self.partial.ends_with(b"\n") {
                return Ok(None);
            }
            let line = serde_json::from_slice(&std::mem::take(&mut self.partial));
            // What a full disk has cut is passed over.
            if let Ok(line) = line {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole_and_endless_ones_in_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        let mut log = Log::open(&path).unwrap();
        let mut cutter = Cutter::new("stdout");
        cutter.take(b"one\ntw", &mut log);
        cutter.take(b"o\n\nlast", &mut log);
        cutter.take(&vec![b'x'; LINE_MAX], &mut log);
        cutter.finish(&mut log);
        let mut reader = Reader::open(&path).unwrap();
        let lines: Vec<String> = std::iter::from_fn(|| reader.next().unwrap()).map(|line| line.log).collect();
        assert_eq!(&lines[..3], ["one\n", "two\n", "\n"]);
        assert_eq!((lines[3].len(), lines[4].len()), (LINE_MAX, 4));
    }

    #[test]
    fn a_broken_line_hides_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output.log");
        std::fs::write(&path, "{\"log\":\"a\n{\"log\":\"b\\n\",\"stream\":\"stderr\",\"time\":\"t\"}\n{\"lo")
            .unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().log, "b\n");
        assert_eq!(reader.next().unwrap(), None);
    }
}
