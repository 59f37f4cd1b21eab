//! What a target is on the command line of `wharf build`.

use std::path::Path;

use serde_json::{Map, Value};

use super::BakeError;

/// The flags of a target, and what is read from a file that has to be written first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Flags {
    pub(crate) words: Vec<String>,
    /// A Dockerfile that the target carries in itself.
    pub(crate) inline: Option<String>,
    pub(crate) context: String,
    /// Contexts that are other targets: their names there and here.
    pub(crate) needs: Vec<(String, String)>,
}

/// Attributes that say nothing to a build.
const SILENT: [&str; 3] = ["description", "inherits", "name"];

/// The flags for `target`.
pub(crate) fn of(name: &str, target: &Map<String, Value>) -> Result<Flags, BakeError> {
    let mut flags = Flags { context: ".".into(), ..Flags::default() };
    if let Some(context) = target.get("context").and_then(Value::as_str) {
        context.clone_into(&mut flags.context);
    }
    for (key, value) in target {
        flags.add(key, value).map_err(|why| BakeError::Target(format!("target {name}: {key}: {why}")))?;
    }
    Ok(flags)
}

impl Flags {
    fn add(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            _ if value.is_null() || SILENT.contains(&key) || key == "context" => {}
            "dockerfile" => {
                let file = self.beside(&text(value)?);
                self.push("--file", file);
            }
            "dockerfile-inline" => self.inline = Some(text(value)?),
            "args" => self.pairs("--build-arg", value)?,
            "labels" => self.pairs("--label", value)?,
            "extra-hosts" => self.pairs("--add-host", value)?,
            "contexts" => {
                for (name, source) in value.as_object().ok_or("it is no map")? {
                    let source = text(source)?;
                    match source.strip_prefix("target:") {
                        Some(target) => self.needs.push((name.clone(), target.to_owned())),
                        None => self.push("--build-context", format!("{name}={source}")),
                    }
                }
            }
            "tags" => self.list("--tag", value)?,
            "platforms" => self.list("--platform", value)?,
            "output" => self.list("--output", value)?,
            "cache-from" => self.list("--cache-from", value)?,
            "cache-to" => self.list("--cache-to", value)?,
            "secret" => self.list("--secret", value)?,
            "ssh" => self.list("--ssh", value)?,
            "ulimits" => self.list("--ulimit", value)?,
            "annotations" => self.list("--annotation", value)?,
            "attest" => self.list("--attest", value)?,
            "no-cache-filter" => self.list("--no-cache-filter", value)?,
            "entitlements" => self.list("--allow", value)?,
            "target" => self.push("--target", text(value)?),
            "network" => self.push("--network", text(value)?),
            "shm-size" => self.push("--shm-size", text(value)?),
            "no-cache" => self.switch("--no-cache", value),
            "pull" => self.switch("--pull", value),
            "call" if value == "build" => {}
            _ => return Err("wharf does not know this attribute".into()),
        }
        Ok(())
    }

    fn push(&mut self, flag: &str, value: String) {
        self.words.extend([flag.to_owned(), value]);
    }

    fn switch(&mut self, flag: &str, value: &Value) {
        if value == true || value == "true" || value == "1" {
            self.words.push(flag.to_owned());
        }
    }

    /// A Dockerfile is named from its context, and on the command line from here.
    fn beside(&self, file: &str) -> String {
        let remote = self.context.contains("://") || self.context.starts_with("git@");
        match remote || Path::new(file).is_absolute() || self.context == "." {
            true => file.to_owned(),
            false => Path::new(&self.context).join(file).display().to_string(),
        }
    }

    /// A name without a value takes it from the environment.
    fn pairs(&mut self, flag: &str, value: &Value) -> Result<(), String> {
        for (name, value) in value.as_object().ok_or("it is no map")? {
            let word = match value {
                Value::Null => name.clone(),
                value => format!("{name}={}", text(value)?),
            };
            self.push(flag, word);
        }
        Ok(())
    }

    fn list(&mut self, flag: &str, value: &Value) -> Result<(), String> {
        let one = [value.clone()];
        let items = value.as_array().map_or(&one[..], Vec::as_slice);
        for item in items.iter().filter(|item| !item.is_null() && *item != "") {
            let word = match item {
                Value::Object(fields) => {
                    let field = |(name, value): (&String, &Value)| Ok(format!("{name}={}", text(value)?));
                    fields.iter().map(field).collect::<Result<Vec<_>, String>>()?.join(",")
                }
                item => text(item)?,
            };
            self.push(flag, word);
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("expected a text".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_flags() {
        let target = json!({
            "context": "./api", "dockerfile": "api.df", "args": { "A": "1", "B": null, "N": 2 },
            "tags": ["x:1", "x:2"], "output": [{ "type": "image", "push": true }], "no-cache": true,
            "contexts": { "base": "target:base", "alpine": "docker-image://alpine:3" }, "target": "run",
        });
        let flags = of("api", target.as_object().unwrap()).unwrap();
        assert_eq!(
            flags.words.join(" "),
            "--file ./api/api.df --build-arg A=1 --build-arg B --build-arg N=2 --tag x:1 --tag x:2 \
             --output type=image,push=true --no-cache --build-context alpine=docker-image://alpine:3 --target run"
        );
        assert_eq!(flags.needs, [("base".to_owned(), "base".to_owned())]);
        assert!(of("x", json!({ "nope": 1 }).as_object().unwrap()).is_err());
        assert!(of("x", json!({ "args": [1] }).as_object().unwrap()).is_err());
    }
}
