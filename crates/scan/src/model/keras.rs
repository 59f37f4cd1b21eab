//! Keras configurations: JSON that names the classes and functions a model is made of.
//!
//! The loader imports `module` and takes `class_name` from it; a `Lambda` layer carries marshalled bytecode. So every
//! object in the document is judged, wherever it stands.

use serde_json::{Map, Value};

use super::Issue;
use super::onnx::leaves_folder;
use crate::blob::Blob;
use crate::findings::Severity;

/// The largest configuration that is read.
const MAX_CONFIG: u64 = 64 << 20;
/// How many configurations one file may have.
const MAX_CONFIGS: usize = 64;
/// How much is read in all to find where configurations begin.
const MAX_READ: u64 = 512 << 20;

/// What a configuration has in it: the key that names classes, or escapes of letters, which writers have no need of.
const MARKS: [&[u8]; 5] = [b"\"class_name\"", b"\\u004", b"\\u005", b"\\u006", b"\\u007"];

/// Modules whose layers Keras itself brings.
const MODULES: [&str; 10] = [
    "keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
    "tf_keras",
    "keras_hub",
    "keras_nlp",
    "keras_cv",
    "tensorflow_addons",
    "tensorflow_probability",
    "kerastuner",
];
/// Modules of Keras that hold functions which models name.
const FUNCTION_MODULES: [&str; 8] =
    ["activations", "losses", "metrics", "initializers", "regularizers", "constraints", "ops", "optimizers"];

/// What is wrong with the configurations that stand as text inside a file of another format.
pub(super) fn check_embedded(blob: &Blob) -> Vec<Issue> {
    let mut issues = Vec::new();
    MARKS.iter().for_each(|mark| check_around(mark, blob, &mut issues));
    issues
}

/// Configurations in which these bytes stand.
fn check_around(mark: &[u8], blob: &Blob, issues: &mut Vec<Issue>) {
    let (mut at, mut read) = (0, 0);
    for _ in 0..MAX_CONFIGS {
        if read > MAX_READ {
            let title = "it has configurations that do not end, and was not read to its end";
            push(issues, Issue::new("keras-limit", Severity::High, title));
            break;
        }
        let Ok(Some(found)) = blob.find(mark, at, blob.len()) else { break };
        let (start, document) = enclosing(blob, found, &mut read);
        match document {
            Some((document, length)) => {
                check(&document, issues);
                at = (start + length).max(found + 1);
            }
            None => {
                // Not one piece: what can still be seen is a name.
                let text = blob.bytes(found, 64).unwrap_or_default();
                let text: String = String::from_utf8_lossy(&text).split_whitespace().collect();
                if text.starts_with("\"class_name\":\"Lambda\"") {
                    lambda(issues);
                }
                at = found + 1;
            }
        }
    }
}

/// The outermost JSON object around a place, as far back as text goes: where it begins, itself, its length.
/// Counts what it had to read.
fn enclosing(blob: &Blob, found: u64, read: &mut u64) -> (u64, Option<(Value, u64)>) {
    const BACK: u64 = 4096;
    let from = found.saturating_sub(BACK);
    let before = blob.bytes(from, (found - from) as usize).unwrap_or_default();
    let text_start =
        before.iter().rposition(|b| *b < b' ' && !matches!(b, b'\n' | b'\r' | b'\t')).map_or(0, |i| i + 1);
    let braces =
        before[text_start..].iter().enumerate().filter(|(_, b)| **b == b'{').map(|(i, _)| text_start + i);
    for brace in braces.take(32) {
        let start = from + brace as u64;
        let mut reader = blob.slice(start, MAX_CONFIG).reader(0);
        let mut stream = serde_json::Deserializer::from_reader(&mut reader).into_iter::<Value>();
        let document = stream.next();
        let length = stream.byte_offset() as u64;
        *read += reader.position();
        if let Some(Ok(document)) = document
            && start + length > found
        {
            return (start, Some((document, length)));
        }
    }
    (found, None)
}

/// What is wrong with a configuration. serde_json bounds how deep it is.
pub(super) fn check(document: &Value, issues: &mut Vec<Issue>) {
    match document {
        Value::Object(object) => {
            check_object(object, issues);
            object.values().for_each(|value| check(value, issues));
        }
        Value::Array(items) => items.iter().for_each(|item| check(item, issues)),
        _ => {}
    }
}

fn check_object(object: &Map<String, Value>, issues: &mut Vec<Issue>) {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let Some(class) = text("class_name") else { return };
    if class == "Lambda" || class == "__lambda__" {
        lambda(issues);
    }
    if class == "TorchModuleWrapper" {
        let title = "it wraps a module of PyTorch, which is a pickle that Keras loads";
        push(issues, Issue::new("keras-pickle", Severity::High, title));
    }
    if class == "TFSMLayer" {
        let title = "it has a layer that loads another model from a path";
        push(issues, Issue::new("keras-load", Severity::High, title));
    }
    let vocabulary = object.get("config").and_then(|config| config.get("vocabulary")).and_then(Value::as_str);
    if let Some(path) = vocabulary.filter(|path| leaves_folder(path)) {
        let title = format!("it reads its vocabulary from `{path}`, outside of its folder");
        push(issues, Issue::new("keras-load", Severity::High, title));
    }
    let Some(module) = text("module") else { return };
    let known = MODULES.iter().any(|known| is_below(module, known));
    let runs_text =
        |name: &str| ["eval", "exec", "compile", "__import__", "open", "getattr", "input"].contains(&name);
    let issue = if module == "builtins" && class == "function" && text("config").is_some_and(runs_text) {
        Some(format!("it calls `{}`", text("config").unwrap_or_default()))
    } else if module == "builtins"
        && matches!(class, "function" | "dict" | "list" | "tuple" | "int" | "float" | "str" | "bool")
    {
        None
    } else if !known {
        Some(format!("it imports `{class}` from `{module}`"))
    } else if class == "function" || class.starts_with(char::is_lowercase) {
        let function = text("config").unwrap_or(class);
        let plain = FUNCTION_MODULES.iter().any(|part| module.split('.').any(|segment| segment == *part));
        (!plain).then(|| format!("it calls `{function}` of `{module}`"))
    } else {
        None
    };
    if let Some(title) = issue {
        push(issues, Issue::new("keras-import", Severity::High, title));
    }
}

fn lambda(issues: &mut Vec<Issue>) {
    push(issues, Issue::new("keras-lambda", Severity::Critical, "it has a Lambda layer, which carries code"));
}

fn push(issues: &mut Vec<Issue>, issue: Issue) {
    if issues.len() < 100 && !issues.contains(&issue) {
        issues.push(issue);
    }
}

fn is_below(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        let mut issues = Vec::new();
        check(&serde_json::from_str(text).unwrap(), &mut issues);
        issues.into_iter().map(|issue| issue.rule).collect()
    }

    #[test]
    fn foreign_modules_and_lambdas_are_found_anywhere() {
        assert_eq!(rules(r#"{"config":{"layers":[{"class_name":"Lambda","config":{}}]}}"#), ["keras-lambda"]);
        assert_eq!(rules(r#"{"module":"os","class_name":"function","config":"system"}"#), ["keras-import"]);
        assert_eq!(
            rules(r#"{"module":"builtins","class_name":"function","config":"eval"}"#),
            ["keras-import"]
        );
        assert_eq!(rules(r#"{"module":"builtins","class_name":"function","config":"my_loss"}"#), [""; 0]);
        assert_eq!(
            rules(r#"{"module":"keras.utils","class_name":"get_file","config":{}}"#),
            ["keras-import"]
        );
        assert_eq!(rules(r#"{"module":"keras.layers","class_name":"Dense","config":{}}"#), [""; 0]);
        assert_eq!(
            rules(r#"{"module":"keras.activations","class_name":"function","config":"relu"}"#),
            [""; 0]
        );
        assert_eq!(rules(r#"{"module":"kerasevil","class_name":"Dense"}"#), ["keras-import"]);
    }

    #[test]
    fn a_configuration_between_other_bytes_is_read() {
        let bytes = [
            b"\x89HDF\x00\x01".as_slice(),
            br#"{"class_name":"Sequential","config":{"layers":[{"class_name":"Lambda"}]}}"#,
            b"\x00rest",
        ]
        .concat();
        assert_eq!(check_embedded(&Blob::from(bytes)).len(), 1);
        assert!(check_embedded(&Blob::from(b"\x00\"class_name\": broken".to_vec())).is_empty());
        let escaped = br#"{"class\u005fname":"Sequential","config":[{"class\u005fname":"Lambda"}]}"#;
        assert_eq!(check_embedded(&Blob::from(escaped.to_vec())).len(), 1);
    }

    #[test]
    fn layers_that_load_more_are_seen() {
        assert_eq!(rules(r#"{"class_name":"TFSMLayer","config":{"filepath":"x"}}"#), ["keras-load"]);
        for (path, expected) in [("/etc/passwd", 1), ("https://x/y", 1), ("../x", 1), ("words.txt", 0)] {
            let layer = format!(r#"{{"class_name":"StringLookup","config":{{"vocabulary":"{path}"}}}}"#);
            assert_eq!(rules(&layer).len(), expected, "{path}");
        }
        assert_eq!(rules(r#"{"class_name":"StringLookup","config":{"vocabulary":["/a"]}}"#), [""; 0]);
    }
}
