//! TensorFlow's graphs (`saved_model.proto`, `graph.proto`): operators that touch files or run Python.

use super::protobuf::{messages, text};
use super::{Issue, keras};
use crate::blob::Blob;
use crate::findings::Severity;

/// What operators do that a model has no need of.
const OPERATORS: &[(&str, Severity, &str)] = &[
    ("ReadFile", Severity::High, "reads files"),
    ("WriteFile", Severity::High, "writes files"),
    ("MatchingFiles", Severity::High, "lists files"),
    ("ImmutableConst", Severity::High, "maps files"),
    ("WholeFileReader", Severity::High, "reads files"),
    ("WholeFileReaderV2", Severity::High, "reads files"),
    ("TextLineReader", Severity::High, "reads files"),
    ("TextLineReaderV2", Severity::High, "reads files"),
    ("FixedLengthRecordReader", Severity::High, "reads files"),
    ("FixedLengthRecordReaderV2", Severity::High, "reads files"),
    ("TFRecordReader", Severity::High, "reads files"),
    ("TFRecordReaderV2", Severity::High, "reads files"),
    ("LMDBReader", Severity::High, "reads files"),
    ("TFRecordDataset", Severity::High, "reads files"),
    ("TextLineDataset", Severity::High, "reads files"),
    ("FixedLengthRecordDataset", Severity::High, "reads files"),
    ("CSVDataset", Severity::High, "reads files"),
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
    ("DebugIdentityV2", Severity::Medium, "writes what passes through it"),
];

/// What is wrong with a SavedModel, a frozen graph or Keras metadata.
pub(super) fn check_graph(blob: &Blob) -> Vec<Issue> {
    let mut issues = Vec::new();
    // SavedModel.meta_graphs.graph_def, or a bare GraphDef.
    let graphs = messages(blob, 2).flat_map(|meta| messages(&meta, 2).collect::<Vec<_>>());
    for graph in graphs.chain([blob.clone()]) {
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
        let operator = text(&node, 2).unwrap_or_default();
        let Some((_, severity, what)) = OPERATORS.iter().find(|(name, ..)| *name == operator) else {
            continue;
        };
        let issue = Issue::new(
            "tensorflow-operator",
            *severity,
            format!("it {what} through the operator `{operator}`"),
        );
        if !issues.contains(&issue) {
            issues.push(issue);
        }
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
