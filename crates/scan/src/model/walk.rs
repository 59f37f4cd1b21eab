//! Down through archives, streams and pickles, within bounds.

use std::io::Read;

use super::kind::{self, Format};
use super::{Issue, gguf, hdf5, json, npy, onnx, safetensors, skops, template, tensorflow, yaml};
use crate::archive::{Codec, EntryKind, TarReader, ZipArchive, ZipMember};
use crate::blob::{self, Blob};
use crate::findings::{Finding, Severity};
use crate::pickle;

/// How deep archives may be nested.
const MAX_DEPTH: usize = 6;
/// Above this much, a stream must not be this many times its compressed size, nor all streams of a file together
/// that many times the file.
const FREE: u64 = 64 << 20;
const MAX_RATIO: u64 = 200;
/// Members of one archive that are looked at.
const MAX_MEMBERS: usize = 50_000;
/// How much is looked at of a stream that does not end.
const CUT: u64 = 4 << 20;
const HEAD: usize = 4096;

/// What is wrong with the file at `path`.
pub(crate) fn scan(path: &str, blob: &Blob) -> Vec<Finding> {
    let left = blob.len().saturating_mul(MAX_RATIO).max(4 * FREE);
    let mut walk = Walk { left, inside: Vec::new(), found: Vec::new() };
    walk.file(path, blob);
    let findings = walk.found.into_iter();
    findings.map(|(member, issue)| issue.into_finding(path, member)).collect()
}

/// A way down, and what was found on it.
struct Walk {
    /// Bytes that may still be unpacked.
    left: u64,
    /// The names of the members that lead to where we are.
    inside: Vec<String>,
    found: Vec<(Option<String>, Issue)>,
}

impl Walk {
    fn report(&mut self, issue: Issue) {
        let member = (!self.inside.is_empty()).then(|| self.inside.join("!"));
        let found = (member, issue);
        if !self.found.contains(&found) && self.found.len() < 1000 {
            self.found.push(found);
        }
    }

    fn report_all(&mut self, issues: impl IntoIterator<Item = Issue>) {
        issues.into_iter().for_each(|issue| self.report(issue));
    }

    fn limit(&mut self, what: &str) {
        self.report(Issue::new(
            "archive-limit",
            Severity::High,
            format!("it {what}, and was not read to its end"),
        ));
    }

    /// Looks at a file or a member under its name.
    fn file(&mut self, name: &str, blob: &Blob) {
        // Bytes come from memory or from a file that is ours; what cannot be read is as good as empty.
        let head = blob.bytes(0, HEAD).unwrap_or_default();
        let format = kind::of(name, blob.len(), &head);
        match format {
            Some(Format::Pickle) => self.pickle(name, blob),
            Some(Format::Zip) => self.zip(name, blob),
            Some(Format::Tar) => self.tar(blob),
            Some(Format::Compressed(codec)) => self.compressed(codec, name, blob),
            Some(Format::Npy) => self.npy(blob),
            Some(Format::Hdf5) => self.report_all(hdf5::check(blob)),
            Some(Format::Gguf) => self.report_all(gguf::check(blob)),
            Some(Format::SafeTensors) => self.report_all(safetensors::check(blob)),
            Some(Format::Onnx) => self.report_all(onnx::check(blob)),
            Some(Format::TensorFlow) => self.report_all(tensorflow::check_graph(blob)),
            Some(Format::TfLite) => self.report_all(tensorflow::check_lite(blob)),
            Some(Format::Yaml) => self.report_all(yaml::check(blob)),
            Some(Format::Json) => self.report_all(json::check(blob)),
            Some(Format::Jinja) => self.report_all(template::check_file(blob)),
            Some(Format::Sealed(kind)) => self.sealed(kind, name),
            None if kind::is_model_name(name) => self.pickle(name, blob),
            None => {}
        }
        // A zip archive is found from its end, whatever the file begins with.
        let may_be = kind::is_model_name(name) || kind::is_archive_name(name);
        if !matches!(format, Some(Format::Zip)) && may_be && ZipArchive::detect(blob) {
            self.zip(name, blob);
        }
    }

    fn pickle(&mut self, name: &str, blob: &Blob) {
        let scanned = pickle::scan(blob, kind::is_pickle_name(name));
        let suspicious = scanned.issues.iter().any(|issue| issue.severity >= Severity::High);
        self.report_all(scanned.issues);
        if scanned.is_pickle && !scanned.complete && !suspicious && kind::is_pickle_name(name) {
            self.report(Issue::new("pickle-broken", Severity::Low, "it is a pickle that breaks off"));
        }
        for (number, bytes) in scanned.nested.iter().enumerate() {
            self.descend(&format!("bytes {}", number + 1), bytes);
        }
    }

    fn npy(&mut self, blob: &Blob) {
        match npy::objects_at(blob) {
            npy::Content::Objects(at) => self.pickle("array.pkl", &blob.slice(at, u64::MAX)),
            // Whoever has the file open reads on, as with two arrays in one.
            npy::Content::Numbers => {
                let head = blob.bytes(0, HEAD).unwrap_or_default();
                if let Some(end) = npy::end(&head).filter(|end| *end < blob.len()) {
                    let rest = blob.slice(end, u64::MAX);
                    self.descend("behind the array", &rest);
                    self.report_all(pickle::search(&rest));
                }
            }
            npy::Content::Broken => {
                self.report(Issue::new(
                    "archive-broken",
                    Severity::Low,
                    "it has a header that cannot be read",
                ));
            }
        }
    }

    fn sealed(&mut self, kind: &str, name: &str) {
        // As a model's file this is a known way past scanners: the loader fails, and the user unpacks by hand.
        let severity = if kind::is_model_name(name) { Severity::High } else { Severity::Medium };
        self.report(Issue::new(
            "archive-sealed",
            severity,
            format!("it is a {kind} archive, which is not looked into"),
        ));
    }

    /// Looks at something inside, one level down.
    fn descend(&mut self, name: &str, blob: &Blob) {
        if self.inside.len() >= MAX_DEPTH {
            return self.limit("is nested more deeply than any real model");
        }
        self.inside.push(name.to_owned());
        self.file(name, blob);
        self.inside.pop();
    }

    fn compressed(&mut self, codec: Codec, name: &str, blob: &Blob) {
        let inner = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        // What is inside keeps a name that says what is expected of it.
        let inner = if kind::is_model_name(inner) { inner } else { name };
        let Ok(stream) = codec.decode(blob.reader(0)) else { return };
        if let Some(content) = self.unpack(stream, blob.len(), inner) {
            let expected = inner.to_owned();
            if self.inside.len() >= MAX_DEPTH {
                return self.limit("is nested more deeply than any real model");
            }
            self.inside.push(format!("{codec:?}").to_lowercase());
            self.file(&expected, &content);
            self.inside.pop();
        }
    }

    /// The content of a stream, if its beginning is worth it; what came until it broke counts.
    fn unpack(&mut self, mut stream: impl Read, compressed: u64, name: &str) -> Option<Blob> {
        let mut head = Vec::new();
        // An error here ends the stream; the bytes before it are what a lenient reader gets.
        let broken = (&mut stream).take(HEAD as u64).read_to_end(&mut head).is_err();
        let is_named = kind::is_model_name(name) || kind::is_archive_name(name);
        if head.is_empty() || kind::of(name, u64::MAX, &head).is_none() && !is_named {
            return None;
        }
        if broken {
            return Some(head.into());
        }
        let allowed = compressed.saturating_mul(MAX_RATIO).max(FREE).min(self.left);
        let spooled = blob::spool(head.as_slice().chain(stream), allowed).ok()?;
        self.left -= spooled.blob.len();
        if spooled.cut {
            self.limit("unpacks to far more than its size");
            // What it begins with may still say more; the rest only takes time.
            return Some(spooled.blob.slice(0, CUT));
        }
        Some(spooled.blob)
    }

    fn tar(&mut self, blob: &Blob) {
        let mut reader = TarReader::new(blob.reader(0));
        let mut count = 0;
        while let Ok(Some(entry)) = reader.next_entry() {
            if entry.kind != EntryKind::File {
                continue;
            }
            count += 1;
            if count > MAX_MEMBERS {
                return self.limit("has more members than any real model");
            }
            if let Some(content) = self.unpack(&mut reader, entry.size, &entry.path) {
                self.descend(&entry.path, &content);
                if let Some(content) = behind_sparse_map(&content) {
                    self.descend(&entry.path, &content);
                }
            }
        }
    }

    fn zip(&mut self, name: &str, blob: &Blob) {
        let Ok(archive) = ZipArchive::read(blob) else { return };
        for disagreement in archive.disagreements.iter().take(20) {
            self.report(Issue::new(
                "archive-disagreement",
                Severity::High,
                format!("it is two archives in one: {disagreement}"),
            ));
        }
        if archive.members.len() > MAX_MEMBERS {
            self.limit("has more members than any real model");
        }
        if skops::is_skops(&archive) {
            self.report_all(skops::check(blob, &archive));
        }
        let torch = TorchArchive::of(&archive);
        let model = kind::is_model_name(name) || torch.is_some();
        for member in archive.members.iter().take(MAX_MEMBERS) {
            let raw = torch.as_ref().is_some_and(|torch| torch.is_storage(&member.name));
            if raw || member.name.ends_with('/') {
                continue;
            }
            if blob.has_hole(member.data, member.compressed) {
                let title = format!(
                    "it is two archives in one: `{}` lies where its headers say that weights are",
                    member.name
                );
                self.report(Issue::new("archive-disagreement", Severity::High, title));
                continue;
            }
            if member.hidden && archive.has_directory {
                let title = format!("it hides `{}` from readers of its directory", member.name);
                self.report(Issue::new("archive-hidden", Severity::High, title));
            }
            self.member(blob, member, model);
        }
    }

    /// Looks at a member under every way to unpack it that its headers name.
    fn member(&mut self, blob: &Blob, member: &ZipMember, model: bool) {
        for method in [Some(member.method), member.other_method].into_iter().flatten() {
            let stream = match member.open(blob, method) {
                Ok(Some(stream)) => stream,
                Ok(None) => {
                    let title = format!("it compresses `{}` in a way that is not known", member.name);
                    self.report(Issue::new("archive-method", Severity::Medium, title));
                    continue;
                }
                Err(_) => continue,
            };
            let Some(content) = self.unpack(stream, member.compressed, &member.name) else { continue };
            if model && crc(&content).is_some_and(|crc| crc != member.crc) && !member.hidden {
                let title =
                    format!("it has a wrong checksum for `{}`, which some readers do not mind", member.name);
                self.report(Issue::new("archive-checksum", Severity::Medium, title));
            }
            self.descend(&member.name, &content);
        }
    }
}

/// What a sparse file holds (`GNU.sparse`, 1.0): numbers in lines, filled up to a block, stand before it.
fn behind_sparse_map(content: &Blob) -> Option<Blob> {
    const BLOCK: u64 = 512;
    let map = content.bytes(0, BLOCK as usize).ok()?;
    let is_map = map.len() as u64 == BLOCK
        && map[0].is_ascii_digit()
        && map.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'\n' | 0));
    is_map.then(|| content.slice(BLOCK, u64::MAX))
}

/// The layout that PyTorch writes: everything below one folder, with the weights as plain numbers.
struct TorchArchive {
    storages: String,
}

impl TorchArchive {
    fn of(archive: &ZipArchive) -> Option<Self> {
        let program = archive.members.iter().find_map(|member| member.name.strip_suffix("data.pkl"))?;
        Some(Self { storages: format!("{program}data/") })
    }

    /// PyTorch takes these as numbers whatever they are, so what they look like does not matter.
    fn is_storage(&self, name: &str) -> bool {
        name.strip_prefix(self.storages.as_str())
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// The checksum of what was unpacked, if it is short enough to be worth it.
fn crc(content: &Blob) -> Option<u32> {
    const MAX_CHECKED: u64 = 64 << 20;
    let bytes = (content.len() <= MAX_CHECKED).then(|| content.bytes(0, content.len() as usize).ok())??;
    let mut crc = flate2::Crc::new();
    crc.update(&bytes);
    Some(crc.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::test_tar;

    fn worst(name: &str, content: Vec<u8>) -> Option<Severity> {
        scan(name, &Blob::from(content)).into_iter().map(|finding| finding.severity).max()
    }

    const HARMFUL: &[u8] = b"\x80\x04cos\nsystem\n\x8c\x02id\x85R.";

    #[test]
    fn what_lies_behind_an_array_is_seen() {
        let array = |descr: &str, shape: &str, data: &[u8]| {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data]
                .concat()
        };
        let objects = array("|O", "(1,)", HARMFUL);
        for behind in [HARMFUL, &objects, b"cos\nsystem\n(S'id'\ntR.", b"\n\ncos\nsystem\n(S'id'\ntR."] {
            for start in
                [array("<i4", "(2, 1)", &[0; 8]), array("<U3", "(1,)", &[0; 12]), array("|b1", "()", &[1])]
            {
                let file = [start.as_slice(), behind].concat();
                assert_eq!(worst("a.npy", file), Some(Severity::Critical), "{}", behind.escape_ascii());
            }
        }
        let two = [array("<f8", "(1,)", &[7; 8]), array("<f8", "(1,)", &[7; 8])].concat();
        assert_eq!(worst("a.npy", two), None);
    }

    #[test]
    fn an_archive_is_found_behind_anything() {
        // As Python's zipfile writes one stored member.
        let name = b"data.pkl";
        let crc = {
            let mut crc = flate2::Crc::new();
            crc.update(HARMFUL);
            crc.sum().to_le_bytes()
        };
        let sizes = [(HARMFUL.len() as u32).to_le_bytes(), (HARMFUL.len() as u32).to_le_bytes()].concat();
        let common = [b"\x14\0\0\0\0\0\0\0\x21\0".as_slice(), &crc, &sizes, b"\x08\0\0\0"].concat();
        let local = [b"PK\x03\x04", common.as_slice(), name, HARMFUL].concat();
        let central = [b"PK\x01\x02\x14\0", common.as_slice(), &[0; 14], name].concat();
        let end = [
            b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(),
            &(central.len() as u32).to_le_bytes(),
            &(local.len() as u32).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        let archive = [local, central, end].concat();
        for before in [&b""[..], b"x", b"#!/bin/sh\nexit 0\n", b"\x89PNG\r\n\x1a\n\0\0", &[9; 5000]] {
            let file = [before, &archive].concat();
            assert_eq!(worst("a.zip", file.clone()), Some(Severity::Critical), "{}", before.escape_ascii());
            let inside = test_tar(&[("a.zip", &file)]);
            assert_eq!(worst("a.tar", inside), Some(Severity::Critical), "{}", before.escape_ascii());
        }
    }

    #[test]
    fn a_sparse_member_is_read_behind_its_map() {
        let mut content = b"1\n0\n29\n".to_vec();
        content.resize(512, 0);
        content.extend_from_slice(b"\x80\x04cos\nsystem\n\x8c\x02id\x85R.");
        let archive = test_tar(&[("GNUSparseFile.0/model.pkl", &content)]);
        let findings = scan("a.tar", &Blob::from(archive));
        assert!(findings.iter().any(|finding| finding.severity == Severity::Critical), "{findings:?}");
    }
}
