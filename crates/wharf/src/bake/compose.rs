//! The build sections of compose files: each service that has one is a target.

use serde_json::{Map, Value, json};

use super::Definition;

/// Adds the services of a compose file, and the group `default` of all that have something to build.
pub(super) fn add(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    definition: &mut Definition,
) -> Result<(), String> {
    let text = interpolate(text, variable)?;
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    let services = document.get("services").and_then(Value::as_object).ok_or("it has no services")?;
    let mut names = Vec::new();
    for (name, service) in services {
        if let Some(build) = service.get("build").filter(|build| !build.is_null()) {
            let target = target(build, service)?;
            definition.add_target(name, target);
            names.push(name.clone());
        }
    }
    definition.groups.insert("default".into(), names);
    Ok(())
}

fn target(build: &Value, service: &Value) -> Result<Map<String, Value>, String> {
    let mut target = Map::new();
    let empty = Map::new();
    let build = match build {
        Value::String(context) => {
            target.insert("context".into(), context.as_str().into());
            &empty
        }
        Value::Object(build) => build,
        _ => return Err("a build section is a path or a map".into()),
    };
    for (from, to) in [
        ("context", "context"),
        ("dockerfile", "dockerfile"),
        ("dockerfile_inline", "dockerfile-inline"),
        ("target", "target"),
        ("network", "network"),
        ("no_cache", "no-cache"),
        ("pull", "pull"),
        ("tags", "tags"),
        ("cache_from", "cache-from"),
        ("cache_to", "cache-to"),
        ("platforms", "platforms"),
        ("shm_size", "shm-size"),
    ] {
        if let Some(value) = build.get(from) {
            target.insert(to.into(), value.clone());
        }
    }
    for (from, to) in [("args", "args"), ("labels", "labels"), ("additional_contexts", "contexts")] {
        if let Some(value) = build.get(from) {
            target.insert(to.into(), pairs(value));
        }
    }
    if target.get("tags").is_none()
        && let Some(image) = service.get("image")
    {
        target.insert("tags".into(), json!([image]));
    }
    // What only bake understands goes over the rest.
    if let Some(more) = build.get("x-bake").and_then(Value::as_object) {
        target.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(target)
}

/// A map, or a list of `name=value`; a name alone takes the environment's value, as docker does.
fn pairs(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let pair = |item: &Value| {
                let text = item.as_str()?;
                Some(match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), value.into()),
                    None => (text.to_owned(), Value::Null),
                })
            };
            Value::Object(items.iter().filter_map(pair).collect())
        }
        other => other.clone(),
    }
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:?why}`, `${NAME:+other}` and `$$`.
fn interpolate(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) = after.split_once('}').ok_or("an interpolation `${` is not closed")?;
            filled.push_str(&expression(inside, variable)?);
            rest = after;
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            match &after[..end] {
                "" => filled.push('$'),
                name => filled.push_str(&variable(name).unwrap_or_default()),
            }
            rest = &after[end..];
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

fn expression(inside: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len());
    let (name, operation) = inside.split_at(end);
    let value = variable(name);
    // With a colon, empty counts as not set.
    let (value, operation) = match operation.strip_prefix(':') {
        Some(operation) => (value.filter(|value| !value.is_empty()), operation),
        None => (value, operation),
    };
    let mut characters = operation.chars();
    match (characters.next(), characters.as_str()) {
        (None, _) => Ok(value.unwrap_or_default()),
        (Some('-'), default) => Ok(value.unwrap_or_else(|| default.to_owned())),
        (Some('+'), other) => Ok(value.map_or_else(String::new, |_| other.to_owned())),
        (Some('?'), why) => value.ok_or_else(|| format!("the variable {name} is not set: {why}")),
        _ => Err(format!("`${{{inside}}}` is no interpolation")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(name: &str) -> Option<String> {
        (name == "TAG").then(|| "2".to_owned())
    }

    #[test]
    fn services_with_a_build_are_targets() {
        let text = "services:\n  web:\n    image: web:${TAG:-1}\n    build:\n      context: ./web\n      args:\n        - A=$$x\n        - B\n  db:\n    image: postgres\n  job:\n    build: ./job\n";
        let mut definition = Definition::default();
        add(text, &variable, &mut definition).unwrap();
        assert_eq!(definition.groups["default"], ["web", "job"]);
        let web = &definition.targets["web"];
        assert_eq!((&web["tags"], &web["args"]), (&json!(["web:2"]), &json!({ "A": "$x", "B": null })));
        assert_eq!(definition.targets["job"]["context"], "./job");
    }

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        for (text, expected) in
            [("$TAG-x", "2-x"), ("${NO}", ""), ("${NO:-d}", "d"), ("${TAG:+y}", "y"), ("$$TAG $", "$TAG $")]
        {
            assert_eq!(interpolate(text, &variable).as_deref(), Ok(expected));
        }
        assert!(interpolate("${NO:?needed}", &variable).is_err() && interpolate("${TAG", &variable).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-z${}:?+-]{0,30}") {
            let _ = interpolate(&text, &variable);
            let _ = add(&text, &variable, &mut Definition::default());
        }
    }
}
