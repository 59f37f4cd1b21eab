//! `FROM [--platform=P] base [AS name]`.

use crate::error::Problem;
use crate::flags::{Flags, Takes};

use super::node::Node;

/// What a `FROM` says.
#[derive(Debug)]
pub(crate) struct From {
    pub(crate) base: String,
    pub(crate) platform: Option<String>,
    /// `AS` and the name as they are written.
    pub(crate) alias: Option<(String, String)>,
}

pub(crate) fn parse(node: &Node) -> Result<From, Problem> {
    let (base, alias) = match node.arguments.words() {
        [base] => (base, None),
        [base, word, name] if word.eq_ignore_ascii_case("as") => {
            if !is_stage_name(&name.to_lowercase()) {
                let message = format!(
                    "invalid name for build stage: {name:?}, name can't start with a number or contain symbols"
                );
                return Err(Problem::new(message).at(name));
            }
            (base, Some((word.clone(), name.clone())))
        }
        _ => return Err(Problem::new("FROM requires either one or three arguments")),
    };
    let flags = Flags::check(&node.flags, &[("platform", Takes::Value)])?;
    Ok(From { base: base.clone(), platform: flags.value("platform"), alias })
}

fn is_stage_name(name: &str) -> bool {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    name.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && name.bytes().all(tail)
}
