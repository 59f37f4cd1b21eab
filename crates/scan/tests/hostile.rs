//! Hostile input: whatever the bytes, there is no panic and an end.

use std::sync::LazyLock;

use proptest::prelude::*;
use wharf_scan::{Checks, Options, bytes};

fn models() -> Options {
    Options { checks: Checks { models: true, secrets: true, ..Checks::NONE }, ..Options::default() }
}

const NAMES: [&str; 16] = [
    "m.pkl",
    "m.joblib",
    "m.pt",
    "m.npz",
    "m.npy",
    "m.keras",
    "m.h5",
    "m.onnx",
    "saved_model.pb",
    "m.gguf",
    "m.safetensors",
    "m.skops",
    "m.yaml",
    "tokenizer_config.json",
    "m.tflite",
    "m",
];

/// The corpus, to damage.
static CORPUS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/bad");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Ok(content) = std::fs::read(entry.path())
            && content.len() < 20_000
        {
            files.push((name, content));
        }
    }
    files.sort();
    files
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_under_any_name(name in 0..NAMES.len(), content in prop::collection::vec(any::<u8>(), 0..400)) {
        bytes(NAMES[name], content, &models());
    }

    #[test]
    fn any_instructions(code in prop::collection::vec(
        prop::sample::select(&b"(.012FIJKLMNPQRSTUVXabcd}eghijlopqrst)u]G\x80\x81\x82\x85\x86\x87\x88\x8a\x8c\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\n\x00\x01\x02\x05osy'"[..]),
        0..300,
    )) {
        bytes("m.pkl", [b"\x80\x04", code.as_slice()].concat(), &models());
    }

    #[test]
    fn damaged_files(file in 0..1000usize, at in any::<u32>(), byte in any::<u8>(), cut in any::<u16>()) {
        let (name, content) = &CORPUS[file % CORPUS.len()];
        let mut content = content.clone();
        let at = at as usize % content.len();
        content[at] = byte;
        if cut % 3 == 0 {
            content.truncate(content.len() - usize::from(cut) % content.len());
        }
        bytes(name, content, &models());
    }
}

/// Programs that grow without end, or lead themselves around in circles, are given up on.
#[test]
fn programs_without_measure_end() {
    let doubling = [b"\x80\x04]\x94".as_slice(), &b"(h\x00h\x00lq\x00".repeat(50_000), b"."].concat();
    bytes("m.pkl", doubling, &models());
    let marks = [b"\x80\x04".as_slice(), &b"(".repeat(1 << 20), b"."].concat();
    bytes("m.pkl", marks, &models());
    let tuples = [b"\x80\x04)".as_slice(), &b"\x85".repeat(1 << 20), b"."].concat();
    bytes("m.pkl", tuples, &models());
    let calls = [b"\x80\x04cos\nsystem\n".as_slice(), &b")R".repeat(1 << 18), b"."].concat();
    assert!(!bytes("m.pkl", calls, &models()).is_empty());
}

/// Work does not grow with what a program repeats, nor with what a document leaves open.
#[test]
fn repeated_and_open_things_end() {
    let name = [b"X\x00\x00\x01\x00".as_slice(), &b"a".repeat(65536)].concat();
    let imports =
        [b"\x80\x04".as_slice(), &name, b"\x94", &b"0h\x00h\x00\x93".repeat(100_000), b"."].concat();
    bytes("m.pkl", imports, &models());
    let inner = [b"B\x00\x00\x01\x00".as_slice(), &b"N".repeat(65536)].concat();
    let loads =
        [b"\x80\x04".as_slice(), &inner, b"\x94", &b"c_pickle\nloads\nh\x00\x85R0".repeat(50_000), b"."]
            .concat();
    bytes("m.pkl", loads, &models());
    let open =
        [b"\x89HDF\r\n\x1a\n".as_slice(), &b"{\"class_name\":[1,".repeat(1000), &b"1,".repeat(1 << 20)]
            .concat();
    bytes("m.h5", open, &models());
    bytes("a.txt", b"http://a:b ".repeat(300_000), &models());
}

#[test]
fn deep_documents_end() {
    let nested = format!("{}{}", "{\"class_name\":\"A\",\"config\":".repeat(20_000), "}".repeat(20_000));
    bytes("config.json", nested.clone().into_bytes(), &models());
    bytes("m.h5", [b"\x89HDF\r\n\x1a\n".as_slice(), nested.as_bytes()].concat(), &models());
    bytes("m.yaml", "[".repeat(100_000).into_bytes(), &models());
}
