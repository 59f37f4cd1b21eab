//! `docker network`: three networks, and no more can be made.

use std::io::Write;

use serde_json::{Value, json};

use crate::docker::filter::Filters;
use crate::docker::format::List;
use crate::docker::inspect;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// `docker network …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List them
    #[command(visible_alias = "list")]
    Ls {
        /// Only print IDs
        #[arg(short, long)]
        quiet: bool,
        /// Only those that `name=…` or `driver=…` describe
        #[arg(short, long, value_name = "NAME=VALUE")]
        filter: Vec<String>,
        /// Print IDs in full
        #[arg(long)]
        no_trunc: bool,
        /// `json`, or a Go template
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
    },
    /// Show everything about them
    Inspect {
        /// `json`, or a Go template
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<String>,
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Nothing to take away
    Prune {
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
    /// Whatever else docker does
    #[command(external_subcommand)]
    Other(Vec<String>),
}

const NETWORKS: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

const LIST: List = List {
    cells: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    quiet: "{{.ID}}",
    headings: &[("ID", "NETWORK ID")],
};

/// Carries it out.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Ls { quiet, filter, format, .. } => {
            let filters = Filters::parse(&filter, &["name", "driver", "scope", "type", "id", "label"])?;
            let rows: Vec<Value> = NETWORKS
                .iter()
                .filter(|(name, driver)| {
                    filters.any("name", |wanted| name.contains(wanted))
                        && filters.any("driver", |wanted| *driver == wanted)
                })
                .filter_map(|(name, _)| document(name))
                .map(|document| {
                    json!({
                        "ID": document["Id"],
                        "Name": document["Name"],
                        "Driver": document["Driver"],
                        "Scope": "local",
                        "Labels": "",
                        "CreatedAt": "",
                        "IPv4": "true",
                        "IPv6": "false",
                        "Internal": "false",
                    })
                })
                .collect();
            output::print(&LIST.render(&rows, format.as_deref(), quiet)?)?;
            Ok(Exit::Done)
        }
        Command::Inspect { format, names } => {
            let found: Vec<Value> = names.iter().filter_map(|name| document(name)).collect();
            output::print(&inspect::show(&found, format.as_deref())?)?;
            for name in names.iter().filter(|name| document(name).is_none()) {
                let _ = writeln!(std::io::stderr(), "Error: network {name} not found");
            }
            Ok(if found.len() == names.len() { Exit::Done } else { Exit::Gate })
        }
        Command::Prune { .. } => Ok(Exit::Done),
        Command::Other(words) => Err(Failure::new(
            Exit::Process(125),
            anyhow::anyhow!("`docker network {}` is not something wharf does", words.join(" ")),
        )
        .hint("containers meet on published ports, or in the host's network: --network host")),
    }
}

/// A network in docker's shape.
pub(crate) fn document(name: &str) -> Option<Value> {
    let (name, driver) = NETWORKS.iter().find(|(known, _)| *known == name)?;
    let subnet = if *name == "bridge" {
        json!([{ "Subnet": "10.0.2.0/24", "Gateway": "10.0.2.2" }])
    } else {
        json!([])
    };
    Some(json!({
        "Name": name,
        "Id": format!("{name:0<12}"),
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Config": subnet },
        "Internal": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }))
}
