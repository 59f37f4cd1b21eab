//! `strategy.matrix` to the jobs it makes.

use serde_json::{Map, Value};

use crate::expr::loosely_equal;

/// GitHub's limit.
const MAX_JOBS: usize = 256;

/// The combinations of a matrix, in GitHub's order.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn combinations(matrix: &Value) -> Result<Vec<Map<String, Value>>, String> {
    let Value::Object(matrix) = matrix else {
        return Err("`matrix` must be a mapping".into());
    };
    let mut axes: Vec<(&String, &Vec<Value>)> = Vec::new();
    for (key, values) in matrix.iter().filter(|(key, _)| !["include", "exclude"].contains(&key.as_str())) {
        match values {
            Value::Array(values) if values.is_empty() => {
                return Err(format!("Matrix vector '{key}' does not contain any values"));
            }
            Value::Array(values) => axes.push((key, values)),
            _ => return Err(format!("the matrix's `{key}` must be a list")),
        }
    }
    let mut combinations = product(&axes)?;
    let exclude = objects(matrix.get("exclude"), "exclude")?;
    for entry in &exclude {
        if let Some(key) = entry.keys().find(|key| !axes.iter().any(|(axis, _)| axis == key)) {
            return Err(format!("Matrix exclude key '{key}' does not match any key within the matrix"));
        }
    }
    combinations.retain(|combination| !exclude.iter().any(|entry| agrees(entry, combination)));
    let made = combinations.len();
    for entry in objects(matrix.get("include"), "include")? {
        let mut used = false;
        for combination in &mut combinations[..made] {
            // Only what the axes themselves say may not be overwritten.
            let fits = entry.iter().all(|(key, value)| {
                let of_axis = axes.iter().any(|(axis, _)| *axis == key);
                !of_axis || combination.get(key).is_some_and(|own| same(own, value))
            });
            if fits && !axes.is_empty() {
                combination.extend(entry.clone());
                used = true;
            }
        }
        if !used {
            combinations.push(entry.clone());
        }
    }
    match combinations.len() {
        0 => Err("the matrix has no combinations".into()),
        count if count > MAX_JOBS => {
            Err(format!("the matrix has {count} combinations; at most {MAX_JOBS} are allowed"))
        }
        _ => Ok(combinations),
    }
}

fn product(axes: &[(&String, &Vec<Value>)]) -> Result<Vec<Map<String, Value>>, String> {
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let count = axes.iter().try_fold(1usize, |count, (_, values)| count.checked_mul(values.len()));
    if count.is_none_or(|count| count > MAX_JOBS * 16) {
        return Err(format!("the matrix has too many combinations; at most {MAX_JOBS} are allowed"));
    }
    let mut all = vec![Map::new()];
    for (key, values) in axes {
        let with = |combination: &Map<String, Value>, value: &Value| {
            let mut combination = combination.clone();
            combination.insert((*key).clone(), value.clone());
            combination
        };
        all =
            all.iter().flat_map(|c| values.iter().map(|value| with(c, value)).collect::<Vec<_>>()).collect();
    }
    Ok(all)
}

fn objects(value: Option<&Value>, what: &str) -> Result<Vec<Map<String, Value>>, String> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(format!("the matrix's `{what}` must be a list")),
    };
    let object = |entry: &Value| entry.as_object().cloned();
    let objects: Option<Vec<_>> = entries.iter().map(object).collect();
    objects.ok_or_else(|| format!("the entries of the matrix's `{what}` must be mappings"))
}

fn agrees(entry: &Map<String, Value>, combination: &Map<String, Value>) -> bool {
    entry.iter().all(|(key, value)| combination.get(key).is_some_and(|own| same(own, value)))
}

fn same(left: &Value, right: &Value) -> bool {
    left == right || loosely_equal(left, right)
}

/// What a job of the matrix is called: its values in brackets.
pub(crate) fn suffix(combination: &Map<String, Value>) -> String {
    fn leaves(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
            Value::Object(members) => members.values().for_each(|member| leaves(member, into)),
            scalar => into.push(crate::expr::text(scalar)),
        }
    }
    let mut texts = Vec::new();
    combination.values().for_each(|value| leaves(value, &mut texts));
    texts.retain(|text| !text.is_empty());
    if texts.is_empty() { String::new() } else { format!(" ({})", texts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expand(matrix: Value) -> Value {
        combinations(&matrix).unwrap().into_iter().map(Value::Object).collect()
    }

    #[test]
    fn the_example_of_githubs_documentation() {
        let matrix = json!({"fruit": ["apple", "pear"], "animal": ["cat", "dog"], "include": [
            {"color": "green"}, {"color": "pink", "animal": "cat"}, {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"}, {"fruit": "banana", "animal": "cat"}]});
        assert_eq!(
            expand(matrix),
            json!([
                {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
                {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
                {"fruit": "pear", "animal": "cat", "color": "pink"},
                {"fruit": "pear", "animal": "dog", "color": "green"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"}
            ])
        );
    }

    #[test]
    fn exclusions_may_be_partial_and_includes_stand_alone() {
        let matrix = json!({"os": ["a", "b"], "v": [1, 2], "exclude": [{"os": "a"}, {"os": "b", "v": 2}]});
        assert_eq!(expand(matrix), json!([{"os": "b", "v": 1}]));
        assert_eq!(expand(json!({"include": [{"x": 1}, {"x": 2}]})), json!([{"x": 1}, {"x": 2}]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for matrix in [
            json!([]),
            json!({"a": []}),
            json!({"a": 1}),
            json!({"a": [1], "exclude": [{"b": 1}]}),
            json!({}),
        ] {
            assert!(combinations(&matrix).is_err(), "{matrix}");
        }
        let wide: Vec<usize> = (0..100).collect();
        assert!(combinations(&json!({"a": wide, "b": wide, "c": wide})).unwrap_err().contains("at most 256"));
    }

    #[test]
    fn names_show_the_values() {
        assert_eq!(suffix(json!({"os": "x", "v": {"a": 1}}).as_object().unwrap()), " (x, 1)");
    }
}
