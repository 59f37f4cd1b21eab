//! Bake files in HCL, and the same in JSON: variables, functions, groups and targets.

use std::collections::BTreeMap;

use hcl::{Block, Body, Expression, Structure};
use serde_json::{Map, Value};

use super::definition::strings;
use super::evaluate::{Scope, UserFunction};
use super::{BakeError, Definition};

/// Reads HCL.
pub(super) fn parse(text: &str) -> Result<Body, String> {
    hcl::parse(text).map_err(|error| error.to_string())
}

/// Reads JSON, in which the labels of blocks are keys, and texts are templates.
pub(super) fn parse_json(text: &str) -> Result<Body, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let top = document.as_object().ok_or("it is no object")?;
    let mut body: Vec<Structure> = Vec::new();
    for (kind, value) in top {
        match (kind.as_str(), value) {
            ("target" | "group" | "variable" | "function", Value::Object(named)) => {
                for (name, attributes) in named {
                    let mut block = Block::builder(kind.as_str()).add_label(name.as_str());
                    for (key, value) in attributes.as_object().ok_or("a block is no object")? {
                        block = block.add_attribute((key.as_str(), expression(value)));
                    }
                    body.push(block.build().into());
                }
            }
            (name, value) => body.push(hcl::Attribute::new(name, expression(value)).into()),
        }
    }
    Ok(Body::from(body))
}

fn expression(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::Null,
        Value::Bool(value) => Expression::Bool(*value),
        Value::Number(number) => {
            let number =
                number.as_i64().map(hcl::Number::from).or_else(|| hcl::Number::from_f64(number.as_f64()?));
            number.map_or(Expression::Null, Expression::Number)
        }
        Value::String(text) if text.contains("${") => Expression::from(
            hcl::expr::TemplateExpr::QuotedString(text.replace('\\', "\\\\").replace('"', "\\\"")),
        ),
        Value::String(text) => Expression::String(text.clone()),
        Value::Array(items) => Expression::Array(items.iter().map(expression).collect()),
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                (hcl::expr::ObjectKey::Expression(Expression::String(key.clone())), expression(value))
            };
            Expression::Object(map.iter().map(pair).collect())
        }
    }
}

/// Adds the blocks of all files; they share their variables and functions.
pub(super) fn add(
    bodies: &[(String, Body)],
    variable: &dyn Fn(&str) -> Option<String>,
    definition: &mut Definition,
) -> Result<(), BakeError> {
    let mut scope = Scope::new(functions(bodies)?);
    variables(bodies, variable, &mut scope)?;
    for (file, body) in bodies {
        let wrong = |why: String| BakeError::File { file: file.clone(), why };
        for block in body.blocks() {
            let name = block.labels().first().map(|label| label.as_str().to_owned());
            match (block.identifier(), name) {
                ("group", Some(name)) => {
                    let attributes = attributes(block, &scope).map_err(wrong)?;
                    definition.groups.insert(name, strings(attributes.get("targets")));
                }
                ("target", Some(name)) => target(&name, block, &scope, definition).map_err(wrong)?,
                ("variable" | "function", Some(_)) => {}
                (kind, _) => return Err(wrong(format!("a block `{kind}` with a name is not known to bake"))),
            }
        }
    }
    Ok(())
}

/// Adds a target, or one for each combination of its matrix.
fn target(name: &str, block: &Block, scope: &Scope, definition: &mut Definition) -> Result<(), String> {
    let matrix = block.body().attributes().find(|attribute| attribute.key() == "matrix");
    let Some(matrix) = matrix else {
        definition.add_target(name, attributes(block, scope)?);
        return Ok(());
    };
    let matrix = scope.evaluate(matrix.expr())?;
    let matrix = matrix.as_object().ok_or("matrix is no map")?;
    let mut members = Vec::new();
    for combination in combinations(matrix)? {
        let inner = scope.with(combination);
        let mut target = attributes(block, &inner)?;
        target.remove("matrix");
        let own = target.remove("name").and_then(|name| name.as_str().map(str::to_owned));
        let own = own.ok_or_else(|| format!("the target {name} has a matrix and needs a name for each"))?;
        definition.add_target(&own, target);
        members.push(own);
    }
    definition.groups.insert(name.to_owned(), members);
    Ok(())
}

fn combinations(matrix: &Map<String, Value>) -> Result<Vec<BTreeMap<String, Value>>, String> {
    let mut all = vec![BTreeMap::new()];
    for (name, values) in matrix {
        let values = values.as_array().ok_or_else(|| format!("matrix.{name} is no list"))?;
        let with = |known: &BTreeMap<String, Value>, value: &Value| {
            let mut more = known.clone();
            more.insert(name.clone(), value.clone());
            more
        };
        all = all.iter().flat_map(|known| values.iter().map(move |value| with(known, value))).collect();
        if all.len() > 1000 {
            return Err("the matrix has more than a thousand combinations".into());
        }
    }
    Ok(all)
}

fn attributes(block: &Block, scope: &Scope) -> Result<Map<String, Value>, String> {
    let mut map = Map::new();
    for attribute in block.body().attributes() {
        let value = scope.evaluate(attribute.expr()).map_err(|why| format!("{}: {why}", attribute.key()))?;
        map.insert(attribute.key().to_owned(), value);
    }
    if let Some(inner) = block.body().blocks().next() {
        return Err(format!(
            "a block `{}` inside of `{}` is not known to bake",
            inner.identifier(),
            block.identifier()
        ));
    }
    Ok(map)
}

fn functions(bodies: &[(String, Body)]) -> Result<BTreeMap<String, UserFunction>, BakeError> {
    let mut functions = BTreeMap::new();
    for (file, body) in bodies {
        for block in body.blocks().filter(|block| block.identifier() == "function") {
            let Some(name) = block.labels().first() else { continue };
            let attribute = |key: &str| {
                block.body().attributes().find(|attribute| attribute.key() == key).map(|a| a.expr().clone())
            };
            let result = attribute("result").ok_or_else(|| BakeError::File {
                file: file.clone(),
                why: format!("the function {} has no result", name.as_str()),
            })?;
            let parameters = match attribute("params") {
                Some(Expression::Array(items)) => items.iter().filter_map(parameter).collect(),
                _ => Vec::new(),
            };
            let rest = attribute("variadic_params").as_ref().and_then(parameter);
            functions.insert(name.as_str().to_owned(), UserFunction { parameters, rest, result });
        }
    }
    Ok(functions)
}

fn parameter(expression: &Expression) -> Option<String> {
    match expression {
        Expression::Variable(variable) => Some(variable.as_str().to_owned()),
        Expression::String(name) => Some(name.clone()),
        _ => None,
    }
}

/// Sets variables: the environment over what the file says, which may speak of other variables.
fn variables(
    bodies: &[(String, Body)],
    environment: &dyn Fn(&str) -> Option<String>,
    scope: &mut Scope,
) -> Result<(), BakeError> {
    let mut open: Vec<(String, String, Expression)> = Vec::new();
    for (file, body) in bodies {
        for structure in body {
            let (name, default) = match structure {
                Structure::Attribute(attribute) => (attribute.key().to_owned(), attribute.expr().clone()),
                Structure::Block(block) if block.identifier() == "variable" => {
                    let Some(name) = block.labels().first() else { continue };
                    let default = block.body().attributes().find(|attribute| attribute.key() == "default");
                    let default = default.map_or(Expression::String(String::new()), |a| a.expr().clone());
                    (name.as_str().to_owned(), default)
                }
                Structure::Block(_) => continue,
            };
            // A later file's default is the one that counts.
            open.retain(|(_, known, _)| *known != name);
            open.push((file.clone(), name, default));
        }
    }
    while !open.is_empty() {
        let before = open.len();
        let mut left = Vec::new();
        let mut last = None;
        for (file, name, default) in open {
            match scope.evaluate(&default) {
                Ok(value) => scope.set(&name, typed(value, environment(&name))),
                Err(why) => {
                    last =
                        Some(BakeError::File { file: file.clone(), why: format!("variable {name}: {why}") });
                    left.push((file, name, default));
                }
            }
        }
        if left.len() == before
            && let Some(error) = last
        {
            return Err(error);
        }
        open = left;
    }
    Ok(())
}

/// What the environment says, read as the default is.
fn typed(default: Value, set: Option<String>) -> Value {
    let Some(text) = set else { return if default.is_null() { "".into() } else { default } };
    match default {
        Value::Bool(_) => matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True").into(),
        Value::Number(_) => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        Value::Array(_) => text.split(',').map(Value::from).collect(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Definition, String> {
        let mut definition = Definition::default();
        let body = if text.starts_with('{') { parse_json(text)? } else { parse(text)? };
        let environment = |name: &str| match name {
            "TAG" => Some("2".to_owned()),
            "FAST" => Some("true".to_owned()),
            _ => None,
        };
        add(&[("f".into(), body)], &environment, &mut definition).map_err(|error| error.to_string())?;
        Ok(definition)
    }

    const FILE: &str = r#"
variable "TAG" { default = "latest" }
variable "REGISTRY" { default = "localhost:5000" }
variable "NAME" { default = "${REGISTRY}/model" }
variable "FAST" { default = false }
variable "EMPTY" {}
function "tag" {
  params = [suffix]
  result = "${NAME}:${TAG}${suffix}"
}
group "default" { targets = ["api", "job"] }
target "base" {
  dockerfile = "Dockerfile"
  args = { A = "1", "B" = FAST ? "fast" : "slow" }
}
target "api" {
  inherits = ["base"]
  tags = [tag(""), tag("-slim"), notequal("", EMPTY) ? "x" : "y"]
  platforms = concat(["linux/amd64"], FAST ? [] : ["linux/arm64"])
  labels = { "org.opencontainers.image.title" = upper(join("-", ["a", "b"])) }
  output = ["type=docker"]
}
target "job" {
  name = "job-${item}"
  matrix = { item = ["one", "two"] }
  args = { WHICH = item }
  context = "."
}
"#;

    #[test]
    fn a_file_as_people_write_it() {
        let definition = read(FILE).unwrap();
        let api = &definition.targets["api"];
        assert_eq!(api["tags"], json!(["localhost:5000/model:2", "localhost:5000/model:2-slim", "y"]));
        assert_eq!(api["platforms"], json!(["linux/amd64"]));
        assert_eq!(api["labels"], json!({ "org.opencontainers.image.title": "A-B" }));
        assert_eq!(definition.targets["base"]["args"], json!({ "A": "1", "B": "fast" }));
        assert_eq!(definition.targets["job-two"]["args"], json!({ "WHICH": "two" }));
        assert_eq!(definition.groups["job"], ["job-one", "job-two"]);
    }

    #[test]
    fn the_same_in_json() {
        let text = r#"{"variable":{"TAG":{"default":"latest"}},"group":{"default":{"targets":["a"]}},
            "target":{"a":{"tags":["x:${TAG}"],"args":{"N":1},"no-cache":true}}}"#;
        let definition = read(text).unwrap();
        let target = &definition.targets["a"];
        assert_eq!((&target["tags"], &target["args"]), (&json!(["x:2"]), &json!({ "N": 1 })));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("target \"a\" {", "f"),
            ("target \"a\" { tags = [NOPE] }", "tags"),
            ("target \"a\" { tags = [nope(1)] }", "nope"),
            ("variable \"A\" { default = B }\nvariable \"B\" { default = A }", "variable"),
            ("pod \"a\" {}", "pod"),
            ("target \"a\" { matrix = { x = [1] } }", "needs a name"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-z\"{}=$\\[\\]() .?:\\n]{0,60}") {
            let _ = read(&text);
        }
    }
}
