//! TensorFlow's graphs (`saved_model.proto`, `graph.proto`): operators that touch files or run Python.

use std::sync::LazyLock;

use regex::Regex;

use super::protobuf::{messages, text};
use super::{Issue, keras};
use crate::blob::Blob;
use crate::findings::Severity;

/// What operators do that a model has no need of; of names that came in several versions, the first.
const OPERATORS: &[(&str, Severity, &str)] = &[
    ("ReadFile", Severity::High, "reads files"),
    ("WriteFile", Severity::High, "writes files"),
    ("MatchingFiles", Severity::High, "lists files"),
    ("ImmutableConst", Severity::High, "maps files"),
    ("WholeFileReader", Severity::High, "reads files"),
    ("TextLineReader", Severity::High, "reads files"),
    ("FixedLengthRecordReader", Severity::High, "reads files"),
    ("TFRecordReader", Severity::High, "reads files"),
    ("LMDBReader", Severity::High, "reads files"),
    ("TFRecordDataset", Severity::High, "reads files"),
    ("TextLineDataset", Severity::High, "reads files"),
    ("FixedLengthRecordDataset", Severity::High, "reads files"),
    ("CSVDataset", Severity::High, "reads files"),
    ("LMDBDataset", Severity::High, "reads files"),
    ("LoadDataset", Severity::High, "reads files"),
    ("SaveDataset", Severity::High, "writes files"),
    ("SnapshotDataset", Severity::High, "writes files"),
    ("DatasetToTFRecord", Severity::High, "writes files"),
    ("SummaryFileWriter", Severity::High, "writes files"),
    ("CreateSummaryFileWriter", Severity::High, "writes files"),
    ("CreateSummaryDbWriter", Severity::High, "writes files"),
    ("SqlDataset", Severity::High, "reads databases"),
    ("GeneratorDataset", Severity::Medium, "calls functions for its data"),
    ("RpcClient", Severity::High, "reaches the network"),
    ("RpcServer", Severity::High, "reaches the network"),
    ("RpcServerStart", Severity::High, "reaches the network"),
    ("RpcCall", Severity::High, "reaches the network"),
    ("PyFunc", Severity::High, "runs Python"),
    ("PyFuncStateless", Severity::High, "runs Python"),
    ("EagerPyFunc", Severity::High, "runs Python"),
    ("NumpyFunction", Severity::High, "runs Python"),
    ("LoadLibrary", Severity::Critical, "loads native code"),
    ("ShellExecute", Severity::Critical, "runs commands"),
    ("ExecuteOp", Severity::Critical, "runs commands"),
    ("SystemConfig", Severity::Critical, "runs commands"),
    ("DebugIdentity", Severity::High, "writes what passes through it"),
];

/// What is wrong with a SavedModel, a frozen graph or Keras metadata.
pub(super) fn check_graph(blob: &Blob) -> Vec<Issue> {
    let mut issues = Vec::new();
    if !blob.bytes(0, 4096).unwrap_or_default().contains(&0) {
        check_text(blob, &mut issues);
    }
    // SavedModel.meta_graphs.graph_def, MetaGraphDef.graph_def, or a bare GraphDef.
    let inner = || messages(blob, 2);
    let graphs = inner().flat_map(|meta| messages(&meta, 2).collect::<Vec<_>>());
    for graph in graphs.chain(inner()).chain([blob.clone()]) {
        check_nodes(&graph, 1, &mut issues);
        for library in messages(&graph, 2) {
            for function in messages(&library, 1) {
                check_nodes(&function, 3, &mut issues);
            }
        }
    }
    issues.extend(keras::check_embedded(blob));
    issues
}

/// The nodes under a field of a graph or function.
fn check_nodes(graph: &Blob, number: u32, issues: &mut Vec<Issue>) {
    for node in messages(graph, number) {
        push(issues, judge(&text(&node, 2).unwrap_or_default()));
    }
}

/// What is wrong with using an operator.
fn judge(operator: &str) -> Option<Issue> {
    let plain = operator.strip_prefix("Experimental").unwrap_or(operator);
    let plain = plain
        .strip_suffix(|c: char| c.is_ascii_digit())
        .and_then(|rest| rest.strip_suffix('V'))
        .unwrap_or(plain);
    let (_, severity, what) = OPERATORS.iter().find(|(name, ..)| *name == plain)?;
    let title = format!("it {what} through the operator `{operator}`");
    Some(Issue::new("tensorflow-operator", *severity, title))
}

fn push(issues: &mut Vec<Issue>, issue: Option<Issue>) {
    issues.extend(issue.filter(|issue| !issues.contains(issue)));
}

/// What is wrong with a graph in protobuf's text format.
fn check_text(blob: &Blob, issues: &mut Vec<Issue>) {
    static OPERATOR: LazyLock<Regex> =
        LazyLock::new(|| match Regex::new(r#"\bop\s*:\s*["']([A-Za-z0-9]+)["']"#) {
            Ok(regex) => regex,
            Err(error) => unreachable!("{error}"),
        });
    const MAX_TEXT: usize = 64 << 20;
    let bytes = blob.bytes(0, MAX_TEXT).unwrap_or_default();
    for found in OPERATOR.captures_iter(&String::from_utf8_lossy(&bytes)) {
        push(issues, judge(&found[1]));
    }
}

/// What is wrong with a TensorFlow Lite model: the same operators under their names there.
pub(super) fn check_lite(blob: &Blob) -> Vec<Issue> {
    let found = OPERATORS.iter().filter(|(name, ..)| {
        let needle = format!("Flex{name}");
        blob.find(needle.as_bytes(), 0, blob.len()).is_ok_and(|at| at.is_some())
    });
    found
        .map(|(name, severity, what)| {
            Issue::new(
                "tensorflow-operator",
                *severity,
                format!("it {what} through the operator `Flex{name}`"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_known_in_all_their_versions() {
        for operator in [
            "WriteFile",
            "TFRecordDatasetV2",
            "ExperimentalCSVDataset",
            "ExperimentalCSVDatasetV2",
            "SaveDatasetV2",
        ] {
            assert!(judge(operator).is_some(), "{operator}");
        }
        for operator in ["MatMul", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "Conv2D", ""] {
            assert!(judge(operator).is_none(), "{operator}");
        }
    }

    #[test]
    fn a_graph_as_text_is_read() {
        let text = b"node {\n  name: \"a\"\n  op: \"WriteFile\"\n}\n";
        assert_eq!(check_graph(&Blob::from(text.to_vec())).len(), 1);
        assert!(check_graph(&Blob::from(b"node { op: \"MatMul\" }".to_vec())).is_empty());
    }

    #[test]
    fn graphs_are_found_at_each_depth() {
        let field = |number: u8, content: &[u8]| [&[number << 3 | 2, content.len() as u8], content].concat();
        let graph = field(1, &field(2, b"PyFunc"));
        for file in [graph.clone(), field(2, &graph), field(2, &field(2, &graph))] {
            assert_eq!(check_graph(&Blob::from(file)).len(), 1);
        }
    }

    #[test]
    fn of_two_operators_of_one_node_the_last_counts() {
        let node = b"\x12\x06MatMul\x12\x09WriteFile";
        let graph = [b"\x0a".as_slice(), &[node.len() as u8], node].concat();
        assert_eq!(check_graph(&Blob::from(graph)).len(), 1);
    }
}
