//! `docker version`.

use serde_json::{Value, json};

use crate::docker::inspect;
use crate::exit::{Exit, Outcome};
use crate::output;

/// The docker whose command line this is.
const DOCKER: &str = "28.5.1";
/// What `docker --version` says after the name.
pub(crate) const LINE: &str = concat!("version 28.5.1, build wharf-", env!("CARGO_PKG_VERSION"));
/// What `docker buildx version` says after the name.
pub(crate) const BUILDX: &str = concat!("v0.29.1 wharf-", env!("CARGO_PKG_VERSION"));

/// What `version` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `json`, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints it. Client and server are one.
pub(crate) fn run(args: Args) -> Outcome {
    let document = document();
    match args.format.as_deref() {
        None | Some("") => output::print(&text())?,
        Some("json") => output::print(&format!("{}\n", crate::docker::template::json(&document)))?,
        Some(_) => output::print(&inspect::show(&[document], args.format.as_deref())?)?,
    }
    Ok(Exit::Done)
}

fn document() -> Value {
    let side = || {
        json!({
            "Version": DOCKER,
            "ApiVersion": "1.51",
            "GitCommit": concat!("wharf-", env!("CARGO_PKG_VERSION")),
            "GoVersion": "",
            "Os": "linux",
            "Arch": wharf_oci::Platform::host().architecture,
            "Context": "default",
            "KernelVersion": kernel(),
            "Experimental": false,
        })
    };
    let mut server = side();
    server["Platform"] = json!({ "Name": concat!("wharf ", env!("CARGO_PKG_VERSION")) });
    server["MinAPIVersion"] = "1.24".into();
    json!({ "Client": side(), "Server": server })
}

/// The kernel's release.
pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn text() -> String {
    let arch = wharf_oci::Platform::host().architecture;
    let wharf = env!("CARGO_PKG_VERSION");
    format!(
        "Client: wharf {wharf}\n Version:           {DOCKER}\n API version:       1.51\n \
         OS/Arch:           linux/{arch}\n Context:           default\n\n\
         Server: wharf {wharf}, in the same process\n Engine:\n  Version:          {DOCKER}\n  \
         API version:      1.51 (minimum version 1.24)\n  OS/Arch:          linux/{arch}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_finds_both_sides() {
        let text = inspect::show(&[document()], Some("{{.Client.Version}} {{.Server.Version}}")).unwrap();
        assert_eq!(text, format!("{DOCKER} {DOCKER}\n"));
    }
}
