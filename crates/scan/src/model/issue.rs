//! Something wrong with a model file, before it is known where the file is.

use crate::findings::{Finding, Kind, Severity};

/// Something wrong with a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    /// The rule that found it.
    pub(crate) rule: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What is wrong, with the file as "it".
    pub(crate) title: String,
    /// The imported name that it is about, if allowing that is an answer.
    pub(crate) name: Option<String>,
}

impl Issue {
    pub(crate) fn new(rule: &'static str, severity: Severity, title: impl Into<String>) -> Self {
        Self { rule, severity, title: title.into(), name: None }
    }

    /// The same, for somebody to allow by that name.
    pub(crate) fn about(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The finding for a file, or for a member of it.
    pub(crate) fn into_finding(self, path: &str, member: Option<String>) -> Finding {
        let name = path.rsplit('/').next().unwrap_or(path);
        let what = self.title.strip_prefix("it ").unwrap_or(&self.title);
        let title = match &member {
            Some(member) => format!("{name} ({member}) {what}"),
            None => format!("{name} {what}"),
        };
        let mut finding = Finding::new(Kind::Model, self.rule, self.severity, path, title);
        finding.help = help(self.rule).to_owned();
        finding.member = member;
        finding.name = self.name;
        finding.sealed()
    }
}

/// What to do about the findings of a rule; Markdown.
fn help(rule: &str) -> &'static str {
    match rule.split('-').next().unwrap_or_default() {
        "pickle" => {
            "Loading a pickle runs the program in it. Do not load this file unless you made it yourself.\n\n\
             Weights need no pickle: save them as safetensors, and load other people's with \
             `torch.load(path, weights_only=True)`. For scikit-learn use skops or ONNX. If the name is a class of your own, \
             allow it: `wharf scan --allow yourpackage.module.Class`."
        }
        "archive" => {
            "Readers of this archive disagree about what is in it, which is how a payload is hidden from one that \
             checks and shown to one that loads. Make it anew with the library that it is for."
        }
        "keras" | "tensorflow" => {
            "This model carries code or asks TensorFlow to touch files when it is loaded or run. Load Keras models \
             with `safe_mode=True`, and replace `Lambda` layers by layers of your own code base."
        }
        "onnx" => {
            "External data must lie beside the model. A path that leaves its folder reads other files of the host."
        }
        "gguf" | "template" => {
            "A chat template is a program (Jinja) that the runtime runs for every conversation. Templates need no \
             attributes with underscores, no imports and no calls to Python's insides."
        }
        "yaml" => "Load YAML with `yaml.safe_load`; tags of Python objects call what they name.",
        "skops" => "Load with `skops.io.load(path, trusted=[…])` and name only types that you know.",
        "safetensors" => "The header does not describe the file. Save the tensors again from a trusted copy.",
        _ => "",
    }
}
