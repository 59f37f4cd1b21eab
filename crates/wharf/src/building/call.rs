//! `--call`: what is asked of a Dockerfile besides a build, and the answers as `docker buildx build` prints them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wharf_build::Described;
use wharf_build::plan::{Argument, Outline, Wanted};
use wharf_dockerfile::{Dockerfile, Span};

use crate::exit::Failure;
use crate::output::table;

const METHODS: [&str; 4] = ["build", "check", "outline", "targets"];

/// A method, and how its answer is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Asked for, or denied, by `format=`.
    pub(crate) json: Option<bool>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// To build.
    Build,
    /// What the checks find.
    Check,
    /// What can be given to a build.
    Outline,
    /// What can be built.
    Targets,
}

impl Call {
    /// Reads `METHOD[,format=text|json]`.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::usage(format!("--call is `{text}`: {why}"));
        let mut parts = text.split(',');
        let method = match parts.next().unwrap_or_default() {
            "" | "build" => Method::Build,
            "check" | "lint" => Method::Check,
            "outline" => Method::Outline,
            "targets" => Method::Targets,
            other => return Err(wrong(format!("`{other}` is none of {}", METHODS.join(", ")))),
        };
        let mut json = None;
        for part in parts {
            json = match part {
                "format=json" => Some(true),
                "format=text" => Some(false),
                other => {
                    return Err(wrong(format!(
                        "`{other}` is no option of it: expected format=text or format=json"
                    )));
                }
            };
        }
        Ok(Self { method, json })
    }
}

/// The outline, as tables.
pub(crate) fn outline_text(outline: &Outline) -> String {
    let mut text = String::new();
    if let Some(target) = &outline.target {
        text.push_str(&format!("TARGET:      {target}\n"));
    }
    if let Some(description) = &outline.description {
        text.push_str(&format!("DESCRIPTION: {description}\n"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let args = outline.args.iter().map(|arg| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [arg.name.clone(), text(&arg.value), text(&arg.description)]
    });
    text.push_str(&listed(["BUILD ARG", "VALUE", "DESCRIPTION"], args));
    for (heading, wanted) in [("SECRET", &outline.secrets), ("SSH", &outline.agents)] {
        let required = |wanted: &Wanted| if wanted.required { "true".to_owned() } else { String::new() };
        let rows = wanted.iter().map(|wanted| [wanted.name.clone(), required(wanted)]);
        text.push_str(&listed([heading, "REQUIRED"], rows));
    }
    text
}

/// The outline, as docker's document.
pub(crate) fn outline_json(outline: &Outline, described: &Described) -> Value {
    let argument = |arg: &Argument| {
        members([
            ("name", Some(json!(arg.name))),
            ("description", arg.description.as_ref().map(|text| json!(text))),
            ("value", arg.value.as_ref().map(|text| json!(text))),
            ("location", Some(location(arg.span))),
        ])
    };
    let wanted = |wanted: &Wanted| {
        members([
            ("name", Some(json!(wanted.name))),
            ("required", wanted.required.then(|| json!(true))),
            ("location", Some(location(wanted.span))),
        ])
    };
    let list = |values: Vec<Value>| (!values.is_empty()).then_some(Value::Array(values));
    members([
        ("name", outline.target.as_ref().map(|text| json!(text))),
        ("description", outline.description.as_ref().map(|text| json!(text))),
        ("args", list(outline.args.iter().map(argument).collect())),
        ("secrets", list(outline.secrets.iter().map(wanted).collect())),
        ("ssh", list(outline.agents.iter().map(wanted).collect())),
        ("sources", Some(sources(described))),
    ])
}

/// What can be built, as a table.
pub(crate) fn targets_text(dockerfile: &Dockerfile) -> String {
    let last = dockerfile.stages.len().saturating_sub(1);
    let rows = dockerfile.stages.iter().enumerate().map(|(place, stage)| {
        let name = match (&stage.name, place == last) {
            (None, true) => "(default)".to_owned(),
            (Some(name), true) => format!("{name} (default)"),
            (name, false) => name.clone().unwrap_or_default(),
        };
        [name, stage.description.clone().unwrap_or_default()]
    });
    table::render(["TARGET", "DESCRIPTION"], &rows.collect::<Vec<_>>())
}

/// What can be built, as docker's document.
pub(crate) fn targets_json(described: &Described) -> Value {
    let stages = &described.dockerfile.stages;
    let target = |(place, stage): (usize, &wharf_dockerfile::Stage)| {
        members([
            ("name", stage.name.as_ref().map(|text| json!(text))),
            ("default", (place + 1 == stages.len()).then(|| json!(true))),
            ("description", stage.description.as_ref().map(|text| json!(text))),
            ("base", Some(json!(stage.base))),
            ("platform", stage.platform.as_ref().map(|text| json!(text))),
            ("location", Some(location(stage.span))),
        ])
    };
    let targets: Vec<Value> = stages.iter().enumerate().map(target).collect();
    json!({ "targets": targets, "sources": sources(described) })
}

fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

fn location(span: Span) -> Value {
    json!({ "ranges": [{ "start": { "line": span.line }, "end": { "line": span.end_line } }] })
}

fn sources(described: &Described) -> Value {
    json!([STANDARD.encode(&described.text)])
}

/// A table, and an empty line after it; nothing without rows.
fn listed<const N: usize>(headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() { String::new() } else { table::render(headings, &rows) + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_formats_are_dockers() {
        let call = |text: &str| Call::read(text).unwrap();
        assert_eq!(call("check,format=json"), Call { method: Method::Check, json: Some(true) });
        assert_eq!(call("lint"), Call { method: Method::Check, json: None });
        assert_eq!(call("outline,format=text").json, Some(false));
        for bad in ["nope", "check,format=xml", "targets,x"] {
            assert!(Call::read(bad).is_err(), "{bad}");
        }
    }
}
