//! An image in docker's shape.

use serde_json::{Value, json};

use crate::exit::Failure;
use crate::local;
use crate::world::World;

pub(super) fn document(world: &World, named: &local::Named, image: &local::Image) -> Result<Value, Failure> {
    let mut tags = Vec::new();
    let mut digests = Vec::new();
    for other in local::list(&world.store)? {
        if other.descriptor.digest != named.descriptor.digest {
            continue;
        }
        let repository = other.reference.familiar_name();
        tags.push(format!("{repository}:{}", other.reference.tag().unwrap_or("latest")));
        let digest = format!("{repository}@{}", other.descriptor.digest);
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    let config = &image.config;
    let run = &config.config;
    Ok(json!({
        "Id": image.manifest.config.digest,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history.last().and_then(|line| line.comment.clone()).unwrap_or_default(),
        "Created": config.created,
        "DockerVersion": "",
        "Author": config.author.clone().unwrap_or_default(),
        "Architecture": config.architecture,
        "Variant": config.variant.clone().unwrap_or_default(),
        "Os": config.os,
        "Size": image.size(),
        "GraphDriver": { "Data": null, "Name": "overlayfs" },
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
        "Descriptor": named.descriptor,
        "Config": {
            "User": run.user,
            "ExposedPorts": run.exposed_ports,
            "Env": run.env,
            "Cmd": run.cmd,
            "Healthcheck": run.healthcheck,
            "Volumes": run.volumes,
            "WorkingDir": run.working_dir,
            "Entrypoint": run.entrypoint,
            "OnBuild": run.on_build,
            "Labels": run.labels,
            "StopSignal": run.stop_signal.clone().unwrap_or_default(),
            "Shell": run.shell,
        },
    }))
}
