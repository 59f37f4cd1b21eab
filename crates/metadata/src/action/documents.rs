//! The JSON that the action writes: the `json` output and the bake files.

use serde_json::{Map, Value, json};

use crate::javascript::is_line_end;

/// Labels as an object. A value ends at its first line end there, keys that are array indices come first, as
/// objects of JavaScript order them, and `__proto__` cannot be a key.
pub(super) fn label_object(labels: &[(String, String)]) -> Value {
    let index = |key: &str| key.parse::<u32>().ok().filter(|&i| i < u32::MAX && i.to_string() == key);
    let mut sorted: Vec<_> = labels.iter().filter(|(key, _)| key != "__proto__").collect();
    sorted.sort_by_key(|(key, _)| index(key).map_or(u64::MAX, u64::from));
    let line = |value: &str| Value::from(value.split(is_line_end).next().unwrap_or_default());
    Value::Object(sorted.into_iter().map(|(key, value)| (key.clone(), line(value))).collect())
}

/// A bake file that defines one target.
pub(super) fn bake_file(target: &str, definition: Map<String, Value>) -> String {
    let document = json!({ "target": { target: definition } });
    // Values of JSON always print.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The arguments that bake targets get: all image names, and the version where there is one.
pub(super) fn bake_arguments(images: &[String], version: Option<&str>) -> Value {
    let mut arguments = Map::new();
    arguments.insert("DOCKER_META_IMAGES".to_owned(), images.join(",").into());
    if let Some(version) = version {
        arguments.insert("DOCKER_META_VERSION".to_owned(), version.into());
    }
    Value::Object(arguments)
}
