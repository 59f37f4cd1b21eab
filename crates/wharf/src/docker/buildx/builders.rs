//! `docker buildx create|use|ls|inspect|rm|stop`: names for builders. One, `default`, is wharf itself; those
//! of the driver `remote` are BuildKit at an address; all others are wharf under another name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wharf_oci::Platform;

use crate::cli::Globals;
use crate::docker::format::List;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::host;

/// What is kept of them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Builders {
    current: Option<String>,
    builders: Vec<Builder>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Builder {
    name: String,
    driver: String,
    endpoint: String,
}

/// `docker buildx create`
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its name [default: made up]
    #[arg(long)]
    name: Option<String>,
    /// `remote` is BuildKit at an address; others are wharf under this name
    #[arg(long, default_value = "docker-container")]
    driver: String,
    /// Nothing to set
    #[arg(long, value_name = "OPTION")]
    driver_opt: Vec<String>,
    /// Use it from now on
    #[arg(long)]
    r#use: bool,
    /// Nothing to start
    #[arg(long)]
    bootstrap: bool,
    /// Nothing to set
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<String>,
    /// Nothing to set
    #[arg(long, visible_alias = "config", value_name = "FILE")]
    buildkitd_config: Option<String>,
    /// Nothing to set
    #[arg(long, visible_alias = "flags", value_name = "FLAGS", allow_hyphen_values = true)]
    buildkitd_flags: Option<String>,
    /// Do not mind one of that name
    #[arg(long)]
    append: bool,
    /// Nodes are not kept apart
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The address of a remote one
    endpoint: Option<String>,
}

/// `docker buildx use`
#[derive(Debug, clap::Args)]
pub(crate) struct Use {
    /// There is one context
    #[arg(long)]
    default: bool,
    /// There is one context
    #[arg(long)]
    global: bool,
    /// Its name
    name: String,
}

/// `docker buildx ls`
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// `json`, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print everything in full
    #[arg(long)]
    no_trunc: bool,
}

/// `docker buildx inspect`
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Nothing to start
    #[arg(long)]
    bootstrap: bool,
    /// Its name [default: the one in use]
    name: Option<String>,
}

/// `docker buildx rm` and `docker buildx stop`
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Do not ask; wharf never does
    #[arg(short, long)]
    force: bool,
    /// All but the one in use
    #[arg(long)]
    all_inactive: bool,
    /// There is none
    #[arg(long)]
    keep_state: bool,
    /// There is none
    #[arg(long)]
    keep_daemon: bool,
    /// Their names
    names: Vec<String>,
}

const DEFAULT: &str = "default";

pub(crate) fn create(args: Create, globals: &Globals) -> Outcome {
    let mut all = Builders::read(globals)?;
    let name = args.name.unwrap_or_else(|| crate::container::name::made_up(|name| all.find(name).is_some()));
    if all.find(&name).is_some() && !args.append {
        return Err(Failure::usage(format!(
            "existing instance for {name} but no append mode, specify the node name to make changes for existing instances"
        )));
    }
    if args.driver == "remote" && args.endpoint.is_none() {
        return Err(Failure::usage("a remote builder needs an address")
            .hint("such as tcp://buildkitd:1234 or unix:///run/buildkit/buildkitd.sock"));
    }
    if all.find(&name).is_none() {
        all.builders.push(Builder {
            name: name.clone(),
            driver: args.driver,
            endpoint: args.endpoint.unwrap_or_default(),
        });
    }
    if args.r#use {
        all.current = Some(name.clone());
    }
    all.write(globals)?;
    output::print(&format!("{name}\n"))?;
    Ok(Exit::Done)
}

pub(crate) fn select(args: Use, globals: &Globals) -> Outcome {
    let mut all = Builders::read(globals)?;
    all.get(&args.name)?;
    all.current = Some(args.name);
    all.write(globals)?;
    Ok(Exit::Done)
}

pub(crate) fn list(args: Ls, globals: &Globals) -> Outcome {
    const LIST: List = List {
        cells: "{{.Name}}\t{{.DriverEndpoint}}\t{{.Status}}\t{{.Buildkit}}\t{{.Platforms}}",
        quiet: "{{.Name}}",
        headings: &[("Name", "NAME/NODE"), ("DriverEndpoint", "DRIVER/ENDPOINT"), ("Buildkit", "BUILDKIT")],
    };
    let all = Builders::read(globals)?;
    let current = all.current().name;
    let rows: Vec<Value> = all
        .every()
        .iter()
        .map(|builder| {
            let mark = if builder.name == current { "*" } else { "" };
            let place = match builder.driver.as_str() {
                "remote" => format!("remote/{}", builder.endpoint),
                driver => driver.to_owned(),
            };
            json!({
                "Name": format!("{}{mark}", builder.name),
                "DriverEndpoint": place,
                "Status": "running",
                "Buildkit": buildkit(),
                "Platforms": platforms(),
            })
        })
        .collect();
    output::print(&LIST.render(&rows, args.format.as_deref(), false)?)?;
    Ok(Exit::Done)
}

pub(crate) fn inspect(args: Inspect, globals: &Globals) -> Outcome {
    let all = Builders::read(globals)?;
    let builder = match &args.name {
        Some(name) => all.get(name)?,
        None => all.current(),
    };
    output::print(&format!(
        "Name:          {name}\nDriver:        {driver}\nLast Activity: N/A\n\nNodes:\nName:             {name}0\n\
         Endpoint:         {endpoint}\nStatus:           running\nBuildKit version: {version}\nPlatforms:        {platforms}\n",
        name = builder.name,
        driver = builder.driver,
        endpoint = if builder.endpoint.is_empty() { "wharf" } else { &builder.endpoint },
        version = buildkit(),
        platforms = platforms(),
    ))?;
    Ok(Exit::Done)
}

pub(crate) fn remove(args: Rm, globals: &Globals) -> Outcome {
    let mut all = Builders::read(globals)?;
    let current = all.current().name;
    let names: Vec<String> = match (args.all_inactive, args.names.as_slice()) {
        (true, _) => all.builders.iter().map(|b| b.name.clone()).filter(|name| *name != current).collect(),
        (false, []) => vec![current],
        (false, names) => names.to_vec(),
    };
    for name in names {
        if name == DEFAULT {
            return Err(Failure::usage("the default builder cannot be removed"));
        }
        if !args.force {
            all.get(&name)?;
        }
        all.builders.retain(|builder| builder.name != name);
        if all.current.as_deref() == Some(&name) {
            all.current = None;
        }
        output::print(&format!("{name} removed\n"))?;
    }
    all.write(globals)?;
    Ok(Exit::Done)
}

/// The address of the builder that is in use, or of the one called `name`, where that is not wharf itself.
pub(crate) fn address(name: Option<&str>, globals: &Globals) -> Result<Option<String>, Failure> {
    let all = Builders::read(globals)?;
    let builder = match name {
        None => all.current(),
        // An address is its own name.
        Some(address) if address.contains("://") => return Ok(Some(address.to_owned())),
        Some(name) => all.get(name)?,
    };
    Ok((builder.driver == "remote").then_some(builder.endpoint))
}

fn buildkit() -> String {
    format!("wharf-{}", env!("CARGO_PKG_VERSION"))
}

fn platforms() -> String {
    let mut platforms = vec![Platform::host().to_string()];
    // What the kernel hands to an emulator can be built for, too.
    for (file, platform) in [
        ("qemu-aarch64", "linux/arm64"),
        ("qemu-x86_64", "linux/amd64"),
        ("qemu-arm", "linux/arm/v7"),
        ("qemu-riscv64", "linux/riscv64"),
        ("qemu-ppc64le", "linux/ppc64le"),
        ("qemu-s390x", "linux/s390x"),
    ] {
        if Path::new("/proc/sys/fs/binfmt_misc").join(file).exists() {
            platforms.push(platform.to_owned());
        }
    }
    platforms.join(", ")
}

impl Builders {
    fn path(globals: &Globals) -> PathBuf {
        host::data_dir(globals, rustix::process::getuid().as_raw()).join("builders.json")
    }

    fn read(globals: &Globals) -> Result<Self, Failure> {
        let path = Self::path(globals);
        match fs::read(&path) {
            Ok(bytes) => {
                Ok(serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::from(error).context(format!("reading {}", path.display()))),
        }
    }

    fn write(&self, globals: &Globals) -> Result<(), Failure> {
        let path = Self::path(globals);
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
        let file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer_pretty(&file, self)?;
        file.persist(&path).with_context(|| format!("writing {}", path.display()))?;
        Ok(())
    }

    fn every(&self) -> Vec<Builder> {
        let default = Builder { name: DEFAULT.into(), driver: "docker".into(), endpoint: String::new() };
        self.builders.iter().cloned().chain([default]).collect()
    }

    fn find(&self, name: &str) -> Option<Builder> {
        self.every().into_iter().find(|builder| builder.name == name)
    }

    fn get(&self, name: &str) -> Result<Builder, Failure> {
        self.find(name).ok_or_else(|| {
            Failure::from(anyhow!("no builder \"{name}\" found")).hint("`docker buildx ls` lists them")
        })
    }

    fn current(&self) -> Builder {
        let current = self.current.as_deref().and_then(|name| self.find(name));
        current.unwrap_or_else(|| Builder {
            name: DEFAULT.into(),
            driver: "docker".into(),
            endpoint: String::new(),
        })
    }
}
