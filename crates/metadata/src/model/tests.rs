//! Models of every format, judged by what their own bytes say.

use super::*;

fn read(path: &str, head: &[u8], notes: &[(&str, &str)]) -> Model {
    let notes: Vec<_> =
        notes.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    Model::read(&Artifact { path, sha256: "00", head, notes: &notes })
}

fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

fn gguf_text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A header with an array of strings before the keys that matter.
fn gguf() -> Vec<u8> {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(3u64.to_le_bytes());
    bytes.extend(gguf_text("tokenizer.ggml.tokens"));
    bytes.extend([9, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([gguf_text("a"), gguf_text("b")].concat());
    for (key, value) in [("general.name", "Churn 7B"), ("general.version", "v2")] {
        bytes.extend(gguf_text(key));
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(gguf_text(value));
    }
    bytes
}

#[test]
fn a_pickle_names_its_framework() {
    let pickles: [&[u8]; 4] = [
        b"(dp0\nVmodel\np1\nccopy_reg\n_reconstructor\np2\n(csklearn.pipeline\nPipeline\np3\n.",
        b"}q\x00(X\x05\x00\x00\x00modelq\x01csklearn.pipeline\nPipeline\nq\x02)\x81q\x03u.",
        b"\x80\x02ccollections\nOrderedDict\nq\x00csklearn.svm\nSVC\nq\x01.",
        b"\x80\x05\x95Y\0\0\0\0\0\0\0}\x94(\x8c\x05model\x94\x8c\x10sklearn.pipeline\x94\x8c\x08Pipeline\x94\x93\x94)\x81\x94u.",
    ];
    for pickle in pickles {
        assert_eq!(read("model.pkl", pickle, &[]).format, "pickle/sklearn", "{}", pickle.escape_ascii());
    }
    assert_eq!(read("model.bin", pickles[3], &[]).format, "pickle/sklearn");
    assert_eq!(read("model.pkl", b"\x80\x05N.", &[]).format, "pickle");
    assert_eq!(read("model.pkl", b"\x80\x02cnumpy.core\nx\n.", &[]).format, "pickle/numpy");
    // Raw arrays follow in joblib's files, and the walk stops there.
    assert_eq!(
        read("model.joblib", b"\x80\x02csklearn.svm\nSVC\n\xff\xff\xff", &[]).format,
        "pickle/sklearn"
    );
}

#[test]
fn headers_name_the_model() {
    let header =
        r#"{"__metadata__":{"format":"pt","modelspec.title":"Churn","version":"3"},"w":{"dtype":"F32"}}"#;
    let model = read("m.safetensors", &safetensors(header), &[]);
    assert_eq!((model.name.as_str(), model.version.as_str()), ("Churn", "3"));
    assert_eq!(model.format, "safetensors");
    assert_eq!(read("m.safetensors", &safetensors("{"), &[]).format, "safetensors");
    assert_eq!(read("m.safetensors", &u64::MAX.to_le_bytes(), &[]).name, "");

    let model = read("m.bin", &gguf(), &[]);
    assert_eq!(
        (model.name.as_str(), model.version.as_str(), model.format.as_str()),
        ("Churn 7B", "v2", "gguf")
    );
}

#[test]
fn other_formats_go_by_their_marks() {
    for (path, head, format) in [
        ("m.pt", b"PK\x03\x04".as_slice(), "torch"),
        ("m.keras", b"PK\x03\x04", "keras"),
        ("m.h5", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("m.onnx", b"\x08\x07", "onnx"),
        ("m.npy", b"\x93NUMPY", "numpy"),
        ("m", b"", ""),
        ("m.txt", b"hello", ""),
    ] {
        assert_eq!(read(path, head, &[]).format, format, "{path}");
    }
}

#[test]
fn notes_beside_the_model_are_believed_first() {
    let note = "name: churn\nversion: 1.4\nframework: lightgbm\n";
    let model =
        read("m.safetensors", &safetensors(r#"{"__metadata__":{"name":"other"}}"#), &[("model.yaml", note)]);
    assert_eq!((model.name.as_str(), model.version.as_str()), ("churn", "1.4"));
    assert_eq!(model.format, "safetensors");
    assert_eq!(read("model.txt", b"tree\n", &[("model.yml", note)]).format, "lightgbm");
    let nested = read("m", b"", &[("model.yaml", "model:\n  name: churn\n  version: \"2\"\n")]);
    assert_eq!((nested.name.as_str(), nested.version.as_str()), ("churn", "2"));
}

#[test]
fn mlflow_models_are_known_by_flavor_and_id() {
    let note = "flavors:\n  python_function:\n    loader_module: mlflow.xgboost\n  xgboost:\n    xgb_version: 2.0.3\n\
                model_uuid: 0f1e\nrun_id: abc\nmetadata:\n  name: churn\n";
    let model = read("model.ubj", b"{", &[("MLmodel", note)]);
    assert_eq!((model.name.as_str(), model.version.as_str()), ("churn", "0f1e"));
    assert_eq!(model.format, "mlflow/xgboost");
}

#[test]
fn labels_hold_one_line() {
    let model = read("m", b"", &[("model.yaml", "name: \"a\\nb\"\n")]);
    assert_eq!(model.name, "a");
    let labels: Vec<_> = model.labels().collect();
    assert_eq!(labels[0], ("dev.wharf.model.path".to_owned(), "m".to_owned()));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        for path in ["m.pkl", "m.safetensors", "m.bin"] {
            read(path, &bytes, &[]);
            read(path, &[b"GGUF\x03\0\0\0".as_slice(), &bytes].concat(), &[]);
            let note = String::from_utf8_lossy(&bytes).into_owned();
            read(path, &bytes, &[("MLmodel", &note), ("model.yaml", &note)]);
        }
    }
}
