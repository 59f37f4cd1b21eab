//! `--set target.key[.sub]=value`: what is typed over the files.

use serde_json::{Map, Value, json};

use super::BakeError;

/// One override.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    pattern: String,
    key: String,
    sub: Option<String>,
    value: String,
    append: bool,
}

/// Reads them. Several of one list's key together replace the list.
pub(super) fn read(specs: &[String]) -> Result<Vec<Set>, BakeError> {
    let mut sets: Vec<Set> = specs.iter().map(|spec| read_one(spec)).collect::<Result<_, _>>()?;
    for nth in 1..sets.len() {
        let (before, here) = sets.split_at_mut(nth);
        let same = |set: &Set| set.pattern == here[0].pattern && set.key == here[0].key && set.sub.is_none();
        here[0].append |= before.iter().any(same);
    }
    Ok(sets)
}

fn read_one(spec: &str) -> Result<Set, BakeError> {
    let wrong = || BakeError::Target(format!("invalid override {spec}, expected target.name=value"));
    let (path, value) = spec.split_once('=').ok_or_else(wrong)?;
    let (path, append) = path.strip_suffix('+').map_or((path, false), |path| (path, true));
    let (pattern, key) = path.split_once('.').ok_or_else(wrong)?;
    let (key, sub) = key.split_once('.').map_or((key, None), |(key, sub)| (key, Some(sub.to_owned())));
    // These two are called in the singular where they are typed.
    let key = match key {
        "platform" => "platforms",
        "secrets" => "secret",
        "outputs" => "output",
        key => key,
    };
    let needs_sub = ["args", "labels", "contexts", "extra-hosts"].contains(&key);
    if pattern.is_empty() || key.is_empty() || needs_sub != sub.is_some() {
        return Err(wrong());
    }
    Ok(Set { pattern: pattern.into(), key: key.into(), sub, value: value.into(), append })
}

const LISTS: [&str; 10] = [
    "platforms",
    "tags",
    "output",
    "cache-from",
    "cache-to",
    "secret",
    "ssh",
    "no-cache-filter",
    "annotations",
    "ulimits",
];

impl Set {
    /// Changes the target, if it is one of those that are meant.
    pub(super) fn apply(&self, name: &str, target: &mut Map<String, Value>) {
        if !fits(&self.pattern, name) {
            return;
        }
        if let Some(sub) = &self.sub {
            let map = target.entry(self.key.clone()).or_insert_with(|| json!({}));
            if let Some(map) = map.as_object_mut() {
                map.insert(sub.clone(), self.value.as_str().into());
            }
            return;
        }
        if !LISTS.contains(&self.key.as_str()) {
            let value = match self.value.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                text => text.into(),
            };
            target.insert(self.key.clone(), value);
            return;
        }
        let more: Vec<Value> = match self.key.as_str() {
            "platforms" | "tags" => self.value.split(',').map(Value::from).collect(),
            _ => vec![self.value.as_str().into()],
        };
        match target.get_mut(&self.key).and_then(Value::as_array_mut) {
            Some(list) if self.append => list.extend(more),
            _ => drop(target.insert(self.key.clone(), more.into())),
        }
    }
}

/// Whether a pattern with `*` describes a name.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_docker_s() {
        let sets = ["*.tags=a", "*.tags=b", "x*.cache-from+=type=gha", "x.no-cache=true", "x.args.V=1"];
        let sets = read(&sets.map(str::to_owned)).unwrap();
        let mut target = json!({ "tags": ["old"], "cache-from": ["r"] }).as_object().unwrap().clone();
        sets.iter().for_each(|set| set.apply("x", &mut target));
        let expected = json!({
            "tags": ["a", "b"], "cache-from": ["r", "type=gha"], "no-cache": true, "args": { "V": "1" },
        });
        assert_eq!(Value::Object(target), expected);
        for bad in ["", "x", "x=1", "x.args=1", "x.tags.y=1", ".tags=1"] {
            assert!(read(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
