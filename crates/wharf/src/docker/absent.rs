//! Docker's commands that wharf has no such thing for, and what it has instead.

use anyhow::anyhow;

use crate::exit::{Exit, Failure};

const INSTEAD: [(&str, &str); 24] = [
    ("compose", "start each service by `docker run -d --network host`, or `-p` for the ports they share"),
    ("commit", "write the changes into a Dockerfile: an image has its history from there"),
    ("context", "wharf works on this machine; a build on another one is `buildx build --builder ADDRESS`"),
    ("cp", "mount a directory, `docker run -v DIR:/dir`, or pipe through `docker exec -i NAME tar`"),
    ("diff", "`wharf diff` compares images; what a container writes goes when it is removed"),
    ("events", "`docker ps` and `docker logs -f` tell what goes on; nothing watches everything here"),
    ("export", "`docker exec NAME tar -c -C / .` writes the files of a running container"),
    ("import", "`FROM scratch` and `ADD files.tar /` make an image of an archive"),
    ("node", "there are no swarms here"),
    ("pause", "`docker kill --signal STOP NAME`, and `CONT` to go on"),
    ("unpause", "`docker kill --signal CONT NAME`"),
    ("plugin", "there are no plugins here"),
    ("scan", "`wharf scan IMAGE`"),
    ("scout", "`wharf scan IMAGE` and `wharf sbom IMAGE`"),
    ("sbom", "`wharf sbom IMAGE`"),
    ("search", "look on the registry's own page"),
    ("secret", "there are no swarms here; a build takes `--secret`"),
    ("service", "there are no swarms here"),
    ("stack", "there are no swarms here"),
    ("swarm", "there are no swarms here"),
    ("config", "there are no swarms here"),
    ("trust", "an image is named by its digest"),
    ("update", "make the container anew with other limits"),
    ("stats", "`docker top NAME` lists the processes; /sys/fs/cgroup has the numbers of one with limits"),
];

/// The failure for a command that is not here.
pub(super) fn failure(words: &[String]) -> Failure {
    let name = words.first().map_or("", String::as_str);
    let instead = INSTEAD.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead);
    let failure = Failure::new(
        Exit::Process(125),
        match instead {
            Some(_) => anyhow!("`docker {name}` is not something wharf does"),
            None => anyhow!("'{name}' is not a docker command"),
        },
    );
    match instead {
        Some(instead) => failure.hint(instead),
        None => failure.hint("`docker --help` lists what there is"),
    }
}
