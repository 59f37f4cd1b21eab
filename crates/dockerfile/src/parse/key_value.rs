//! `ENV`, `LABEL` and `ARG`: names with values.

use crate::error::Problem;
use crate::words::{self, is_blank};
use crate::{ArgDeclaration, KeyValue};

use super::node::Node;

/// `name=value …`, or the old form `name value`, in which everything after the name is the value. Which one
/// it is, the first word tells.
pub(crate) fn parse_pairs(rest: &str, instruction: &str, escape: char) -> Result<Vec<KeyValue>, Problem> {
    let words = words::quoted(rest, escape);
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    if !first.contains('=') {
        let Some((key, value)) = rest.split_once(is_blank) else {
            return Err(Problem::new(format!("{instruction} must have two arguments")).at(rest));
        };
        let value = value.trim_start_matches(is_blank);
        return Ok(vec![KeyValue { key: key.into(), value: value.into(), legacy: true }]);
    }
    words.iter().map(|word| pair(word)).collect()
}

fn pair(word: &str) -> Result<KeyValue, Problem> {
    let Some((key, value)) = word.split_once('=') else {
        let message = format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value");
        return Err(Problem::new(message).at(word));
    };
    Ok(KeyValue { key: key.into(), value: value.into(), legacy: false })
}

/// The pairs of an `ENV` or `LABEL`, none without a name.
pub(crate) fn named_pairs(pairs: &[KeyValue], instruction: &str) -> Result<Vec<KeyValue>, Problem> {
    if pairs.is_empty() {
        return Err(Problem::new(format!("{instruction} requires at least one argument")));
    }
    if pairs.iter().any(|pair| pair.key.is_empty()) {
        return Err(Problem::new(format!("{instruction} names can not be blank")));
    }
    Ok(pairs.to_vec())
}

/// `ARG name[=default] …`.
pub(crate) fn arg_declarations(node: &Node) -> Result<Vec<ArgDeclaration>, Problem> {
    let words = node.arguments.words();
    if words.is_empty() {
        return Err(Problem::new("ARG requires at least one argument"));
    }
    let descriptions = node.descriptions();
    let declaration = |word: &String| {
        let (name, default) = match word.split_once('=') {
            Some(("", _)) => return Err(Problem::new("ARG names can not be blank").at(word)),
            Some((name, default)) => (name, Some(default.to_string())),
            None => (word.as_str(), None),
        };
        let description = descriptions.get(name).map(ToString::to_string);
        Ok(ArgDeclaration { name: name.into(), default, description })
    };
    words.iter().map(declaration).collect()
}
