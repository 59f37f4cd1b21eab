//! What a file is, told by its first bytes; names only where bytes do not tell.

use super::npy;
use crate::archive::{Codec, TarReader};
use crate::pickle::looks_like_pickle;

/// Longer documents are data and not a model's description.
const MAX_TEXT: u64 = 64 << 20;

/// How much of a file its head holds, where it holds not all.
const LONG: usize = 4096;

/// Names under which models are stored.
const MODEL_SUFFIXES: [&str; 28] = [
    ".pkl",
    ".pickle",
    ".p",
    ".pk",
    ".joblib",
    ".pt",
    ".pth",
    ".pt2",
    ".ckpt",
    ".bin",
    ".dill",
    ".dat",
    ".npy",
    ".npz",
    ".model",
    ".sav",
    ".h5",
    ".hdf5",
    ".keras",
    ".onnx",
    ".gguf",
    ".safetensors",
    ".skops",
    ".pb",
    ".tflite",
    ".mar",
    ".nemo",
    ".ptl",
];
/// Names of zip archives, which are found from their end, whatever they begin with.
const ARCHIVE_SUFFIXES: [&str; 4] = [".zip", ".whl", ".egg", ".pyz"];
/// Names under which nothing but a pickle is expected.
const PICKLE_SUFFIXES: [&str; 7] = [".pkl", ".pickle", ".pk", ".joblib", ".dill", ".sav", ".p"];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Pickle,
    Zip,
    Tar,
    Compressed(Codec),
    Npy,
    Hdf5,
    Gguf,
    SafeTensors,
    /// An archive that is not taken apart.
    Sealed(&'static str),
    Onnx,
    /// SavedModel, a frozen graph, or Keras metadata.
    TensorFlow,
    TfLite,
    Yaml,
    Json,
    Jinja,
}

/// Whether a file of this name and size, beginning like this, is worth taking apart.
pub(crate) fn wants(path: &str, size: u64, head: &[u8]) -> bool {
    if size == 0 {
        return false;
    }
    match of(path, size, head) {
        Some(Format::Yaml | Format::Json | Format::Jinja) => size <= MAX_TEXT,
        // Documentation and logs are compressed too; what a stream holds is seen only by opening it.
        Some(_) => true,
        None => is_model_name(path) || is_archive_name(path),
    }
}

/// How much of such a file is looked at, where that is not all of it: the weights of formats that hold nothing
/// but a header and numbers are not.
pub(crate) fn needed(path: &str, size: u64, head: &[u8]) -> u64 {
    /// Longer than the header of any model of these formats.
    const HEADER: u64 = 128 << 20;
    /// What costs nothing to keep.
    const LITTLE: u64 = 4 << 20;
    match of(path, size, head) {
        Some(Format::SafeTensors) => size.min(safetensors_header(head).clamp(LITTLE, HEADER)),
        Some(Format::Gguf) => size.min(HEADER),
        Some(Format::Npy) if npy::is_numbers(head) && npy::end(head).is_none_or(|end| end >= size) => {
            size.min(head.len() as u64)
        }
        _ => size,
    }
}

/// What a file of this name and size is that begins like this.
pub(super) fn of(path: &str, size: u64, head: &[u8]) -> Option<Format> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let by_bytes = match head {
        [0x80, 0..=5, ..] => Some(Format::Pickle),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Format::Zip),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Hdf5),
        [b'G', b'G', b'U', b'F', ..] => Some(Format::Gguf),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(Format::Sealed("7z")),
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Some(Format::Sealed("rar")),
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => Some(Format::TfLite),
        _ if is_safetensors(size, head) => Some(Format::SafeTensors),
        _ if TarReader::<&[u8]>::detect(head) => Some(Format::Tar),
        _ => None,
    };
    let pickle = || looks_like_pickle(head, size <= head.len() as u64).then_some(Format::Pickle);
    by_bytes.or_else(pickle).or_else(|| by_name(&name, head)).or_else(|| {
        if is_model_name(&name) && is_onnx(head) {
            return Some(Format::Onnx);
        }
        let codec = Codec::detect(head)?;
        // Two bytes are little to go by where nothing else says that this is a stream.
        let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
        let named = is_model_name(&name)
            || is_model_name(stem)
            || !name.contains('.')
            || [".z", ".zlib", ".lzma"].iter().any(|suffix| name.ends_with(suffix));
        let certain = named || !matches!(codec, Codec::Zlib | Codec::Lzma);
        certain.then_some(Format::Compressed(codec))
    })
}

fn by_name(name: &str, head: &[u8]) -> Option<Format> {
    let text = || !head.contains(&0);
    let contains = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
    let Some((_, extension)) = name.rsplit_once('.') else {
        return (text() && contains(b"!!python/")).then_some(Format::Yaml);
    };
    match extension {
        "onnx" => Some(Format::Onnx),
        "pb" | "pbtxt" => Some(Format::TensorFlow),
        // What TensorFlow 1 writes beside a checkpoint.
        "meta" if head.first() == Some(&0x0a) => Some(Format::TensorFlow),
        "safetensors" => Some(Format::SafeTensors),
        "gguf" => Some(Format::Gguf),
        "yaml" | "yml" if text() => Some(Format::Yaml),
        "json"
            if (contains(b"class_name") && contains(b"config"))
                || contains(b"chat_template")
                || is_model_description(name)
                // What is longer may say so later.
                || (head.len() >= LONG && head.trim_ascii_start().starts_with(b"{")) =>
        {
            Some(Format::Json)
        }
        "jinja" | "jinja2" if name.contains("template") || contains(b"messages") => Some(Format::Jinja),
        _ => None,
    }
}

fn is_model_description(name: &str) -> bool {
    matches!(
        name,
        "tokenizer_config.json"
            | "chat_template.json"
            | "processor_config.json"
            | "config.json"
            | "model.json"
    )
}

/// An ONNX model under another name: the format's version, then one of the fields that follow it.
fn is_onnx(head: &[u8]) -> bool {
    matches!(head, [8, 1..=20, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42, ..])
        && memchr::memmem::find(head, b"location").is_some()
}

/// A header's length within the file, and the beginning of a JSON object.
fn is_safetensors(size: u64, head: &[u8]) -> bool {
    let Some((length, [b'{', b'"' | b'}' | b' ' | b'\n', ..])) = head.split_at_checked(8) else {
        return false;
    };
    length.try_into().is_ok_and(|bytes| u64::from_le_bytes(bytes) <= size)
}

/// Where the header of a safetensors file says that it ends.
fn safetensors_header(head: &[u8]) -> u64 {
    let length = head.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    length.saturating_add(8)
}

pub(super) fn is_model_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MODEL_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn is_archive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ARCHIVE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn is_pickle_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PICKLE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, head: &[u8]) -> Option<Format> {
        of(name, head.len() as u64, head)
    }

    #[test]
    fn bytes_go_before_names() {
        assert_eq!(kind("model.txt", b"\x80\x04\x95"), Some(Format::Pickle));
        assert_eq!(kind("model.pkl", b"PK\x03\x04"), Some(Format::Zip));
        assert_eq!(kind("weights.bin", b"7z\xbc\xaf\x27\x1c"), Some(Format::Sealed("7z")));
        assert_eq!(kind("a", b"cos\nsystem\n(S'id'\ntR."), Some(Format::Pickle));
        assert_eq!(kind("a.yml", b"a: 1\n"), Some(Format::Yaml));
        assert_eq!(kind("a.yml", b"cos\nsystem\n(S'id'\ntR."), Some(Format::Pickle));
        assert_eq!(kind("hparams", b"a: !!python/name:os.system\n"), Some(Format::Yaml));
        assert_eq!(kind("model.tar.lzma", b"\x5d\0\0\x80\0"), kind("model.pkl.lzma", b"\x5d\0\0\x80\0"));
    }

    #[test]
    fn weights_are_left_where_they_are() {
        let mut head = [0; 4096];
        head[..8].copy_from_slice(&(6u64 << 20).to_le_bytes());
        head[8..10].copy_from_slice(b"{\"");
        assert_eq!(needed("m.safetensors", 1 << 30, &head), (6 << 20) + 8);
        assert_eq!(needed("m.safetensors", 7 << 20, &head), (6 << 20) + 8);
        head[..8].copy_from_slice(&(1u64 << 29).to_le_bytes());
        assert_eq!(needed("m.safetensors", 1 << 30, &head), 128 << 20);
    }

    #[test]
    fn a_long_document_may_say_later_that_it_is_of_a_model() {
        let long = format!("{{\"a\": \"{}", "x".repeat(5000));
        assert_eq!(of("a.json", 9000, &long.as_bytes()[..4096]), Some(Format::Json));
        assert_eq!(of("a.json", 20, b"{\"a\": \"b\"}"), None);
        assert_eq!(of("a.txt", 9000, &long.as_bytes()[..4096]), None);
    }

    #[test]
    fn text_is_no_pickle() {
        for text in [
            &b"class Model:\n    def __init__(self):\n"[..],
            b"import os\nprint(1)\n",
            b"(this is a note)\n",
            b"cat\ndog\nfish\n",
            b"Name: x\nVersion: 1\n",
            b"I am text\n",
            b"]\n",
            b"{}\n",
            b"[section]\nkey=value\n",
            b"N.B. nothing\n",
        ] {
            assert_eq!(kind("notes.txt", text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
