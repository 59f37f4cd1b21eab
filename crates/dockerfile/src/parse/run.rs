//! `RUN` and its flags.

use crate::error::Problem;
use crate::flags::{Flags, Takes};
use crate::mount::not_csv;
use crate::{Device, MountFlag, Network, Run, Security, go};

use super::node::Node;
use super::typed::command_line;

const FLAGS: [(&str, Takes); 4] = [
    ("mount", Takes::Values),
    ("network", Takes::Value),
    ("security", Takes::Value),
    ("device", Takes::Values),
];

pub(crate) fn parse(node: &Node) -> Result<Run, Problem> {
    let flags = Flags::check(&node.flags, &FLAGS)?;
    Ok(Run {
        command: command_line(&node.arguments),
        mounts: flags.values("mount").iter().map(|text| MountFlag::parse(text)).collect::<Result<_, _>>()?,
        network: flags.given("network").map_or(Ok(Network::Default), network)?,
        security: flags.given("security").map_or(Ok(Security::Sandbox), security)?,
        devices: flags.values("device").iter().map(|text| device(text)).collect::<Result<_, _>>()?,
    })
}

fn network(value: &str) -> Result<Network, Problem> {
    match value {
        "default" => Ok(Network::Default),
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        _ => {
            let problem = Problem::new(format!("invalid network mode {value:?}")).at(value);
            Err(problem.suggest(value, ["default", "none", "host"]))
        }
    }
}

fn security(value: &str) -> Result<Security, Problem> {
    match value {
        "sandbox" => Ok(Security::Sandbox),
        "insecure" => Ok(Security::Insecure),
        _ => {
            let problem = Problem::new(format!("security {value:?} is not valid")).at(value);
            Err(problem.suggest(value, ["sandbox", "insecure"]))
        }
    }
}

/// `--device=NAME[,required]`, or with `name=` and `required=`.
fn device(text: &str) -> Result<Device, Problem> {
    let problem = |message: String| Problem::new(message).at(text);
    let mut device = Device::default();
    for field in go::csv_record(text).map_err(|reason| problem(not_csv("devices", reason)))? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("required", None) => device.required = true,
            ("required", Some(value)) => {
                let invalid = || problem(format!("invalid value for {key}: {value}"));
                device.required = go::parse_bool(value).ok_or_else(invalid)?;
            }
            ("name", Some(_)) if !device.name.is_empty() => {
                return Err(problem(format!("device name already set to {}", device.name)));
            }
            ("name", Some(value)) => device.name = value.to_string(),
            // A CDI name may itself hold a `=`: vendor.com/class=name.
            _ if device.name.is_empty() => device.name = field,
            (_, None) => return Err(problem(format!("invalid field '{field}' must be a key=value pair"))),
            (_, Some(_)) => {
                let unexpected = problem(format!("unexpected key '{key}' in '{field}'"));
                return Err(unexpected.suggest(&key, ["name", "required"]));
            }
        }
    }
    Ok(device)
}
