//! docker/setup-buildx-action and docker/setup-qemu-action: wharf builds itself, so there is nothing to set up but
//! the outputs.

use serde_json::json;

use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const SETUP_BUILDX: Native = Native {
    name: "docker/setup-buildx-action",
    inputs: &[
        Input("version", "", 1),
        Input("driver", "docker-container", 1),
        Input("driver-opts", "", 1),
        Input("buildkitd-flags", "", 1),
        Input("buildkitd-config", "", 3),
        Input("buildkitd-config-inline", "", 3),
        Input("config", "", 1),
        Input("config-inline", "", 2),
        Input("install", "false", 1),
        Input("use", "true", 1),
        Input("name", "", 3),
        Input("endpoint", "", 1),
        Input("platforms", "", 2),
        Input("append", "", 2),
        Input("keep-state", "false", 3),
        Input("cache-binary", "true", 3),
        Input("cleanup", "true", 2),
    ],
    run: setup_buildx,
};

pub(crate) const SETUP_QEMU: Native = Native {
    name: "docker/setup-qemu-action",
    inputs: &[
        Input("image", "docker.io/tonistiigi/binfmt:latest", 1),
        Input("platforms", "all", 1),
        Input("cache-image", "true", 3),
        Input("reset", "false", 4),
    ],
    run: setup_qemu,
};

fn setup_buildx(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let driver = call.text("driver").to_owned();
    if !["docker-container", "docker", "kubernetes", "remote"].contains(&driver.as_str()) {
        return Err(Fail::Because(format!("buildx failed with: ERROR: failed to find driver \"{driver}\"")));
    }
    if call.flag("keep-state")? && driver != "docker-container" {
        return Err(Fail::Because("keep-state is only supported with the docker-container driver".into()));
    }
    for flag in ["use", "install", "cache-binary", "cleanup"] {
        call.flag(flag)?;
    }
    let name = match call.text("name") {
        "" => format!("builder-{}", uuid::Uuid::new_v4()),
        name => name.to_owned(),
    };
    let platforms = match call.text("platforms") {
        "" => call.leg.engine.platforms().join(","),
        _ => call.values("platforms").join(","),
    };
    let endpoint = match call.text("endpoint") {
        "" => "unix:///var/run/docker.sock".to_owned(),
        endpoint => endpoint.to_owned(),
    };
    let nodes = json!([{
        "name": format!("{name}0"), "endpoint": endpoint, "status": "running",
        "buildkitd-flags": call.text("buildkitd-flags"), "buildkit": format!("wharf {}", env!("CARGO_PKG_VERSION")),
        "platforms": platforms,
    }]);
    call.say(&format!("wharf builds itself, without a daemon; builder {name} for {platforms}"));
    call.output("name", name);
    call.output("driver", driver);
    call.output("platforms", platforms);
    call.output("nodes", nodes.to_string());
    call.output("endpoint", endpoint);
    call.output("status", "running");
    call.output("flags", call.text("buildkitd-flags").to_owned());
    Ok(())
}

fn setup_qemu(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let here = call.leg.engine.platforms();
    let missing: Vec<String> = call
        .values("platforms")
        .into_iter()
        .filter(|wanted| {
            wanted != "all"
                && !here.iter().any(|known| known == wanted || known.ends_with(&format!("/{wanted}")))
        })
        .collect();
    if !missing.is_empty() {
        call.warn(&format!(
            "this machine cannot run {}: install qemu-user-static (binfmt_misc); wharf installs no emulators",
            missing.join(", ")
        ));
    }
    call.say(&format!("this machine runs {}", here.join(", ")));
    call.output("platforms", here.join(","));
    Ok(())
}
