//! What compilers write into binaries: Go's build information, and the crates of `cargo auditable`.

use std::io::Read;

use serde::Deserialize;

use super::{Found, System};
use crate::blob::Blob;

/// The largest section that is read.
const MAX_SECTION: u64 = 64 << 20;
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";

/// The modules and crates that an ELF file says it is made of.
pub(crate) fn parse(blob: &Blob) -> Vec<Found> {
    let go = section(blob, b".go.buildinfo").map(|section| go(&section));
    let rust = section(blob, b".dep-v0").map(|section| rust(&section));
    go.or(rust).unwrap_or_default()
}

fn found(system: System, name: &str, version: &str) -> Found {
    Found::new(system, name, version)
}

/// The content of a section of a 64-bit little-endian ELF file (System V ABI, chapter 4).
fn section(blob: &Blob, name: &[u8]) -> Option<Vec<u8>> {
    let header = blob.bytes(0, 64).ok().filter(|h| h.len() == 64 && h.starts_with(b"\x7fELF\x02\x01"))?;
    let table = u64_at(&header, 0x28);
    let (size, count, names) = (u16_at(&header, 0x3a), u16_at(&header, 0x3c), u16_at(&header, 0x3e));
    if size < 64 {
        return None;
    }
    let entry = |index: u16| {
        let at = table.checked_add(u64::from(index) * u64::from(size))?;
        let bytes = blob.bytes(at, 64).ok().filter(|bytes| bytes.len() == 64)?;
        Some((u32_at(&bytes, 0), u64_at(&bytes, 24), u64_at(&bytes, 32)))
    };
    let (_, names_at, names_length) = entry(names)?;
    let names = blob.slice(names_at, names_length.min(1 << 20));
    (0..count).find_map(|index| {
        let (name_at, offset, length) = entry(index)?;
        let found = names.bytes(u64::from(name_at), name.len() + 1).ok()?;
        let matches = found.strip_suffix(&[0]) == Some(name);
        matches.then(|| blob.bytes(offset, length.min(MAX_SECTION) as usize).ok()).flatten()
    })
}

/// `debug/buildinfo`: since Go 1.18 the version and the module table follow a header of 32 bytes.
fn go(section: &[u8]) -> Vec<Found> {
    let inline = section.starts_with(GO_MAGIC) && section.get(15).is_some_and(|flags| flags & 2 != 0);
    let Some(rest) = section.get(32..).filter(|_| inline) else { return Vec::new() };
    let Some((version, rest)) = text(rest) else { return Vec::new() };
    let mut packages = Vec::new();
    if let Some(version) = version.strip_prefix("go") {
        packages.push(found(System::Go, "stdlib", version.split(' ').next().unwrap_or(version)));
    }
    let mut unversioned = None;
    let table = text(rest).map(|(table, _)| table).unwrap_or_default();
    for line in table.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words.as_slice() {
            // What is built in its own source tree does not know its version, unless the linker was told.
            ["mod", module, "(devel)" | "", ..] => unversioned = Some(*module),
            ["mod" | "dep", module, version, ..] => packages.push(found(System::Go, module, version)),
            ["build", flag, ..] => {
                if let Some(version) = flag.strip_prefix("-ldflags=").and_then(linked_version)
                    && let Some(module) = unversioned.take()
                {
                    packages.push(found(System::Go, module, version));
                }
            }
            ["=>", module, version, ..] => {
                // The line before was replaced by this one.
                packages.pop();
                packages.push(found(System::Go, module, version));
            }
            _ => {}
        }
    }
    packages
}

/// The version that the linker sets in the program: `-X package.version=1.2.3`.
fn linked_version(flags: &str) -> Option<&str> {
    const NAMES: [&str; 6] = ["version", "ver", "appversion", "buildversion", "gitversion", "tag"];
    flags.split(['\'', '"', ' ']).find_map(|word| {
        let (variable, value) = word.split_once('=')?;
        let name = variable.rsplit('.').next()?.to_ascii_lowercase();
        let digits = value.strip_prefix('v').unwrap_or(value);
        let is_version = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.');
        (NAMES.contains(&name.as_str()) && is_version).then_some(value)
    })
}

/// A length as a varint, and as many bytes of text. The module table stands between markers of 16 bytes, which
/// are no text.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let rest = &bytes[index + 1..];
            let (text, rest) = rest.split_at_checked(length)?;
            return Some((String::from_utf8_lossy(text).into_owned(), rest));
        }
    }
    None
}

#[derive(Deserialize)]
struct Auditable {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
}

/// `cargo auditable`: JSON in zlib. Crates that only took part in the build are not in the binary.
fn rust(section: &[u8]) -> Vec<Found> {
    let mut json = Vec::new();
    let stream = flate2::bufread::ZlibDecoder::new(section).take(MAX_SECTION);
    if { stream }.read_to_end(&mut json).is_err() {
        return Vec::new();
    }
    let Ok(auditable) = serde_json::from_slice::<Auditable>(&json) else { return Vec::new() };
    let runtime = auditable.packages.iter().filter(|package| package.kind.as_deref() != Some("build"));
    runtime.map(|package| found(System::Rust, &package.name, &package.version)).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An ELF file with one section beside that of the names.
    fn elf(name: &str, content: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let content_at = bytes.len() as u64;
        bytes.extend_from_slice(content);
        let names_at = bytes.len() as u64;
        bytes.extend_from_slice(names.as_bytes());
        let table = bytes.len() as u64;
        for (name, at, length) in [(1u32, content_at, content.len()), (0, names_at, names.len())] {
            let mut entry = vec![0; 64];
            entry[..4].copy_from_slice(&name.to_le_bytes());
            entry[24..32].copy_from_slice(&at.to_le_bytes());
            entry[32..40].copy_from_slice(&(length as u64).to_le_bytes());
            bytes.extend_from_slice(&entry);
        }
        bytes[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        for (at, value) in [(0x3a, 64u16), (0x3c, 2), (0x3e, 1)] {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn names(bytes: Vec<u8>) -> Vec<String> {
        parse(&Blob::from(bytes)).into_iter().map(|f| format!("{}@{}", f.name, f.version)).collect()
    }

    #[test]
    fn go_modules_and_their_replacements() {
        let table = "0123456789abcdef\npath\texample.invalid/x\nmod\texample.invalid/x\t(devel)\t\ndep\tgolang.org/x/net\tv0.16.0\th1:x=\n\
            dep\texample.invalid/old\tv1.0.0\n=>\texample.invalid/new\tv1.1.0\th1:y=\n";
        assert_eq!(
            names(go_binary(table)),
            ["stdlib@1.21.3", "golang.org/x/net@v0.16.0", "example.invalid/new@v1.1.0"]
        );
    }

    #[test]
    fn a_go_program_is_a_module_itself() {
        let installed = "0123456789abcdef\npath\tx.invalid/a/cmd\nmod\tx.invalid/a\tv1.2.3\th1:x=\nbuild\t-ldflags=\"-X main.version=9.9\"\n";
        assert_eq!(names(go_binary(installed)), ["stdlib@1.21.3", "x.invalid/a@v1.2.3"]);
        let linked = "0123456789abcdef\npath\tx.invalid/a\nmod\tx.invalid/a\t(devel)\t\ndep\tx.invalid/b\tv1.0.0\th1:x=\n\
            build\t-compiler=gc\nbuild\t-ldflags=\"-s -w -X x.invalid/a/commit=1.0 -X x.invalid/a/app.ver=0.59.1\"\n";
        assert_eq!(names(go_binary(linked)), ["stdlib@1.21.3", "x.invalid/b@v1.0.0", "x.invalid/a@0.59.1"]);
    }

    /// A program with this build information.
    fn go_binary(table: &str) -> Vec<u8> {
        let mut section = [GO_MAGIC, &[8, 2]].concat();
        section.resize(32, 0);
        section.extend_from_slice(b"\x08go1.21.3");
        section.extend_from_slice(&[(table.len() & 0x7f) as u8 | 0x80, (table.len() >> 7) as u8]);
        section.extend_from_slice(table.as_bytes());
        elf(".go.buildinfo", &section)
    }

    #[test]
    fn crates_of_the_binary_and_not_of_its_build() {
        let json = br#"{"packages":[{"name":"serde","version":"1.0.0"},{"name":"cc","version":"1.0.0","kind":"build"}]}"#;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        zlib.write_all(json).unwrap();
        assert_eq!(names(elf(".dep-v0", &zlib.finish().unwrap())), ["serde@1.0.0"]);
        assert!(names(b"\x7fELF\x02\x01".to_vec()).is_empty());
    }
}
