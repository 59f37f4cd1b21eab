//! `HEALTHCHECK [options] CMD command` and `HEALTHCHECK NONE`.

use wharf_oci::Healthcheck;

use crate::error::Problem;
use crate::flags::{Flags, Takes};
use crate::go;

use super::node::{Arguments, Node};

const FLAGS: [(&str, Takes); 5] = [
    ("interval", Takes::Value),
    ("timeout", Takes::Value),
    ("start-period", Takes::Value),
    ("start-interval", Takes::Value),
    ("retries", Takes::Value),
];

/// Shorter intervals are refused, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

pub(crate) fn parse(node: &Node) -> Result<Healthcheck, Problem> {
    let Some((written, command)) = node.arguments.words().split_first() else {
        return Err(Problem::new("HEALTHCHECK requires at least one argument"));
    };
    let kind = written.to_uppercase();
    if kind == "NONE" {
        if !command.is_empty() {
            return Err(Problem::new("HEALTHCHECK NONE takes no arguments"));
        }
        // BuildKit does not look at the flags here.
        return Ok(Healthcheck { test: Some(vec![kind]), ..Healthcheck::default() });
    }
    let flags = Flags::check(&node.flags, &FLAGS)?;
    if kind != "CMD" {
        let message = format!("Unknown type {kind:?} in HEALTHCHECK (try CMD)");
        return Err(Problem::new(message).at(written));
    }
    let Some(first) = command.first() else {
        return Err(Problem::new("Missing command after HEALTHCHECK CMD"));
    };
    let test = match &node.arguments {
        Arguments::Json(words) => [&["CMD".to_string()], &words[1..]].concat(),
        _ => vec!["CMD-SHELL".to_string(), first.clone()],
    };
    Ok(Healthcheck {
        test: Some(test),
        interval: duration(&flags, "interval")?,
        timeout: duration(&flags, "timeout")?,
        start_period: duration(&flags, "start-period")?,
        start_interval: duration(&flags, "start-interval")?,
        retries: retries(&flags)?,
    })
}

fn duration(flags: &Flags, name: &str) -> Result<i64, Problem> {
    let Some(value) = flags.value(name) else { return Ok(0) };
    let duration = go::parse_duration(&value).map_err(|reason| Problem::new(reason).at(&value))?;
    if duration != 0 && duration < SHORTEST {
        return Err(Problem::new(format!("Interval {name:?} cannot be less than 1ms")).at(value));
    }
    Ok(duration)
}

fn retries(flags: &Flags) -> Result<i64, Problem> {
    let Some(value) = flags.value("retries") else { return Ok(0) };
    let invalid = |_| Problem::new(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")).at(&value);
    let retries: i32 = value.parse().map_err(invalid)?;
    if retries < 0 {
        return Err(Problem::new(format!("--retries cannot be negative ({retries})")).at(&value));
    }
    Ok(retries.into())
}
