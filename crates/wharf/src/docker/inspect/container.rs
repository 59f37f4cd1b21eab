//! A container in docker's shape.

use serde_json::{Map, Value, json};

use crate::commands::ps::directory_size;
use crate::container::record::{Container, Mode, Restart, Status};
use crate::container::state::Containers;
use crate::container::volume::{Kind, Volumes};

/// Docker's time for what has not happened yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn document(container: &Container, containers: &Containers, size: bool) -> Value {
    let directory = containers.directory(&container.id);
    let mut command = container.command().into_iter();
    let mut document = json!({
        "Id": container.id,
        "Created": container.created,
        "Path": command.next().unwrap_or_default(),
        "Args": command.collect::<Vec<_>>(),
        "State": state(container),
        "Image": container.image_id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": containers.log(container),
        "Name": format!("/{}", container.name),
        "RestartCount": container.state.restarts,
        "Driver": "overlayfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": host(container),
        "GraphDriver": { "Name": "overlayfs", "Data": { "UpperDir": directory.join("upper") } },
        "Mounts": mounts(container, containers),
        "Config": config(container),
        "NetworkSettings": network(container),
        "ImageManifestDescriptor": { "digest": container.digest },
    });
    if size {
        document["SizeRw"] = directory_size(&directory.join("upper")).into();
    }
    document
}

fn state(container: &Container) -> Value {
    let state = &container.state;
    let time = |text: &str| if text.is_empty() { NEVER.to_owned() } else { text.to_owned() };
    let running = matches!(state.status, Status::Running | Status::Restarting);
    let health = state.health.as_ref().map(|health| {
        let log: Vec<Value> = health
            .log
            .iter()
            .map(|result| {
                json!({
                    "Start": result.start,
                    "End": result.end,
                    "ExitCode": result.exit_code,
                    "Output": result.output,
                })
            })
            .collect();
        json!({ "Status": health.status.word(), "FailingStreak": health.failing_streak, "Log": log })
    });
    json!({
        "Status": state.status.word(),
        "Running": running,
        "Paused": false,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(&state.started),
        "FinishedAt": time(&state.finished),
        "Health": health,
    })
}

fn host(container: &Container) -> Value {
    let host = &container.host;
    let binds: Vec<String> = host
        .mounts
        .iter()
        .filter(|mount| mount.kind != Kind::Tmpfs)
        .map(|mount| format!("{}:{}{}", mount.source, mount.target, if mount.readonly { ":ro" } else { "" }))
        .collect();
    let mut bindings: Map<String, Value> = Map::new();
    for port in &host.publish {
        let address = port.address.map_or_else(String::new, |address| address.to_string());
        let outside = if port.outside == 0 { String::new() } else { port.outside.to_string() };
        let entry = json!({ "HostIp": address, "HostPort": outside });
        let list = bindings.entry(format!("{}/tcp", port.inside)).or_insert_with(|| json!([]));
        list.as_array_mut().into_iter().for_each(|list| list.push(entry.clone()));
    }
    let (policy, count) = match host.restart {
        Restart::No => ("no", 0),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
        Restart::OnFailure(count) => ("on-failure", count),
    };
    json!({
        "Binds": binds,
        "ContainerIDFile": host.cidfile.as_deref().unwrap_or_default(),
        "LogConfig": { "Type": "json-file", "Config": {} },
        "NetworkMode": host.network.word(),
        "PortBindings": bindings,
        "RestartPolicy": { "Name": policy, "MaximumRetryCount": count },
        "AutoRemove": host.auto_remove,
        "CapAdd": host.cap_add,
        "CapDrop": host.cap_drop,
        "Dns": host.dns,
        "ExtraHosts": host.extra_hosts,
        "Privileged": host.privileged,
        "ReadonlyRootfs": host.read_only,
        "ShmSize": host.shm_size.unwrap_or(64 << 20),
        "Runtime": "wharf",
        "Memory": host.memory.unwrap_or(0),
        "NanoCpus": host.nano_cpus.unwrap_or(0),
        "PidsLimit": host.pids_limit,
        "Ulimits": host.ulimits,
        "Init": host.init,
    })
}

fn mounts(container: &Container, containers: &Containers) -> Vec<Value> {
    let data_dir = containers.directory("").parent().map(std::path::Path::to_owned).unwrap_or_default();
    let volumes = Volumes::new(&data_dir);
    let one = |mount: &crate::container::volume::MountPoint| {
        let mut document = json!({
            "Type": mount.kind.word(),
            "Source": mount.source,
            "Destination": mount.target,
            "Mode": "",
            "RW": !mount.readonly,
            "Propagation": "",
        });
        if mount.kind == Kind::Volume {
            document["Name"] = mount.source.as_str().into();
            document["Source"] = volumes.path(&mount.source).display().to_string().into();
            document["Driver"] = "local".into();
        }
        document
    };
    container.host.mounts.iter().map(one).collect()
}

fn config(container: &Container) -> Value {
    let config = &container.config;
    let volumes = if config.volumes.is_empty() { Value::Null } else { json!(config.volumes) };
    json!({
        "Hostname": container.hostname(),
        "Domainname": "",
        "User": config.user,
        "AttachStdin": false,
        "AttachStdout": true,
        "AttachStderr": true,
        "ExposedPorts": config.exposed_ports,
        "Tty": container.host.tty,
        "OpenStdin": container.host.open_stdin,
        "StdinOnce": container.host.open_stdin,
        "Env": config.env,
        "Cmd": config.cmd,
        "Healthcheck": config.healthcheck,
        "Image": container.image,
        "Volumes": volumes,
        "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint,
        "OnBuild": config.on_build,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
        "StopTimeout": container.host.stop_timeout,
    })
}

fn network(container: &Container) -> Value {
    let mut ports: Map<String, Value> = Map::new();
    for port in container.config.exposed_ports.keys() {
        ports.insert(port.clone(), Value::Null);
    }
    for bound in &container.state.ports {
        let entry = json!({
            "HostIp": bound.outside.ip().to_string(),
            "HostPort": bound.outside.port().to_string(),
        });
        let list = ports.entry(format!("{}/tcp", bound.inside)).or_insert(Value::Null);
        match list.as_array_mut() {
            Some(list) => list.push(entry),
            None => *list = json!([entry]),
        }
    }
    let host = &container.host;
    // The same in every container: each has a network to itself.
    let own = host.network == Mode::Bridge && container.state.status == Status::Running;
    let (address, gateway) = if own { ("10.0.2.100", "10.0.2.2") } else { ("", "") };
    let mut networks = Map::new();
    networks.insert(
        host.network.word().to_owned(),
        json!({ "IPAddress": address, "Gateway": gateway, "IPPrefixLen": if own { 24 } else { 0 } }),
    );
    json!({
        "Ports": if container.state.status == Status::Running { ports } else { Map::new() },
        "Gateway": gateway,
        "IPAddress": address,
        "Networks": networks,
    })
}
