//! ONNX (`onnx.proto`): tensors kept in other files, and operators that are Python.

use super::Issue;
use super::protobuf::{FieldValue, fields, messages, text};
use crate::blob::Blob;
use crate::findings::Severity;

const GRAPH: u32 = 7;
const TRAINING: u32 = 20;
const FUNCTIONS: u32 = 25;
/// How deep graphs may be nested in attributes.
const MAX_DEPTH: usize = 16;

/// What is wrong with a model.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let mut issues = Vec::new();
    for graph in messages(blob, GRAPH) {
        check_graph(&graph, 0, &mut issues);
    }
    for training in messages(blob, TRAINING) {
        for graph in messages(&training, 1).chain(messages(&training, 2)) {
            check_graph(&graph, 0, &mut issues);
        }
    }
    for function in messages(blob, FUNCTIONS) {
        for node in messages(&function, 7) {
            check_node(&node, 0, &mut issues);
        }
    }
    issues
}

fn check_graph(graph: &Blob, depth: usize, issues: &mut Vec<Issue>) {
    if depth > MAX_DEPTH {
        issues.push(Issue::new(
            "onnx-limit",
            Severity::High,
            "it nests graphs more deeply than any real model",
        ));
        return;
    }
    for field in fields(graph) {
        let FieldValue::Bytes(bytes) = field.value else { continue };
        match field.number {
            1 => check_node(&bytes, depth, issues),
            5 => check_tensor(&bytes, issues),
            15 => check_sparse(&bytes, issues),
            _ => {}
        }
    }
}

fn check_node(node: &Blob, depth: usize, issues: &mut Vec<Issue>) {
    let operator = text(node, 4).unwrap_or_default();
    let domain = text(node, 7).unwrap_or_default();
    if matches!(operator.as_str(), "PyOp" | "PythonOp" | "PyFunc" | "PythonOpGrad" | "PyCustomOp") {
        let title = format!("it runs Python through the operator `{domain}.{operator}`");
        push(issues, Issue::new("onnx-python", Severity::High, title));
    }
    for attribute in messages(node, 5) {
        for field in fields(&attribute) {
            let FieldValue::Bytes(bytes) = field.value else { continue };
            match field.number {
                5 | 10 => check_tensor(&bytes, issues),
                6 | 11 => check_graph(&bytes, depth + 1, issues),
                22 | 23 => check_sparse(&bytes, issues),
                _ => {}
            }
        }
    }
}

/// A sparse tensor: its values and their places.
fn check_sparse(sparse: &Blob, issues: &mut Vec<Issue>) {
    messages(sparse, 1).chain(messages(sparse, 2)).for_each(|tensor| check_tensor(&tensor, issues));
}

fn check_tensor(tensor: &Blob, issues: &mut Vec<Issue>) {
    for entry in messages(tensor, 13) {
        if text(&entry, 1).as_deref() != Some("location") {
            continue;
        }
        let location = text(&entry, 2).unwrap_or_default();
        if leaves_folder(&location) {
            let title = format!("it takes its numbers from `{location}`, outside of its folder");
            push(issues, Issue::new("onnx-external-data", Severity::High, title));
        }
    }
}

fn push(issues: &mut Vec<Issue>, issue: Issue) {
    if issues.len() < 100 && !issues.contains(&issue) {
        issues.push(issue);
    }
}

/// Whether a path leads out of the folder that it is relative to, on any system.
pub(super) fn leaves_folder(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    path.starts_with(['/', '\\', '~'])
        || drive
        || path.contains("://")
        || path.contains('\0')
        || path.split(['/', '\\']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::{Blob, check, leaves_folder};

    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let key = number << 3 | 2;
        let key: Vec<u8> = if key > 127 { vec![key as u8 | 128, (key >> 7) as u8] } else { vec![key as u8] };
        [key.as_slice(), &[content.len() as u8], content].concat()
    }

    #[test]
    fn tensors_are_found_wherever_they_stand() {
        let entry = [field(1, b"location"), field(2, b"w.bin"), field(2, b"../x")].concat();
        let tensor = field(13, &entry);
        let in_graph = field(5, &tensor);
        let sparse = field(1, &tensor);
        let in_attribute = |number: u32, content: &[u8]| field(1, &field(5, &field(number, content)));
        for model in [
            field(7, &in_graph),
            field(7, &field(15, &sparse)),
            field(7, &in_attribute(5, &tensor)),
            field(7, &in_attribute(22, &sparse)),
            field(20, &field(1, &in_graph)),
            field(25, &field(7, &field(5, &field(5, &tensor)))),
        ] {
            assert_eq!(check(&Blob::from(model.clone())).len(), 1, "{}", model.escape_ascii());
        }
    }

    #[test]
    fn paths_out_are_seen() {
        for path in
            ["/etc/passwd", "../x", "a/../../x", "C:\\x", "\\\\host\\x", "file:///x", "~/x", "a\\..\\..\\b"]
        {
            assert!(leaves_folder(path), "{path}");
        }
        for path in ["weights.bin", "data/weights.bin", "a..b", "model.onnx.data"] {
            assert!(!leaves_folder(path), "{path}");
        }
    }
}
