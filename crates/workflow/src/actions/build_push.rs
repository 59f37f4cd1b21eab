//! docker/build-push-action: its inputs as the flags of a build.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;
use wharf_oci::Reference;

use super::call::Call;
use super::inputs::quoted_lines;
use super::{Input, Native};
use crate::run::{Checkout, Fail, copy};

pub(crate) const ACTION: Native = Native {
    name: "docker/build-push-action",
    inputs: &[
        Input("add-hosts", "", 3),
        Input("allow", "", 2),
        Input("annotations", "", 5),
        Input("attests", "", 4),
        Input("build-args", "", 1),
        Input("build-contexts", "", 2),
        Input("builder", "", 2),
        Input("cache-from", "", 1),
        Input("cache-to", "", 1),
        Input("call", "", 6),
        Input("cgroup-parent", "", 2),
        Input("context", "", 1),
        Input("file", "", 1),
        Input("labels", "", 1),
        Input("load", "false", 1),
        Input("network", "", 2),
        Input("no-cache", "false", 1),
        Input("no-cache-filters", "", 2),
        Input("outputs", "", 1),
        Input("platforms", "", 1),
        Input("provenance", "", 3),
        Input("pull", "false", 1),
        Input("push", "false", 1),
        Input("sbom", "", 4),
        Input("secrets", "", 1),
        Input("secret-envs", "", 5),
        Input("secret-files", "", 2),
        Input("shm-size", "", 2),
        Input("ssh", "", 1),
        Input("tags", "", 1),
        Input("target", "", 1),
        Input("ulimit", "", 2),
        Input("github-token", "", 1),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let (push, load) = (call.flag("push")?, call.flag("load")?);
    let tags = call.values("tags");
    check_tags(call, &tags)?;
    let metadata = call.leg.temp.join(format!("build-metadata-{}.json", uuid::Uuid::new_v4()));
    let iidfile = call.leg.temp.join(format!("iid-{}.txt", uuid::Uuid::new_v4()));
    let mut flags = flags(call, &tags)?;
    flags.extend(["--iidfile".into(), iidfile.display().to_string()]);
    flags.extend(["--metadata-file".into(), metadata.display().to_string()]);
    if load {
        flags.push("--load".into());
    }
    if push {
        flags.push("--push".into());
    }
    flags.push(context(call)?);
    if !push && !load && call.text("outputs").is_empty() {
        call.warn(
            "No output specified. Build result will only remain in the build cache. To push result image into \
             registry use push, to load it into the store use load",
        );
    }
    let invocation = call.leg.engine.build(flags);
    if let Err(fail) = call.run(invocation) {
        return Err(match fail {
            Fail::Because(why) => {
                let why = why
                    .strip_prefix("Process completed with exit code ")
                    .and_then(|why| why.split_once(": "))
                    .map_or(why.as_str(), |(_, why)| why);
                Fail::Because(format!("buildx failed with: {}", why.strip_prefix("error: ").unwrap_or(why)))
            }
            other => other,
        });
    }
    if load {
        call.leg.loaded.extend(tags.clone());
    }
    let text = std::fs::read_to_string(&metadata).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    check_caches(call, &document)?;
    // A result that is nowhere but in the cache has no digest, as with buildx.
    let digest = document["containerimage.digest"].as_str().unwrap_or_default().to_owned();
    let somewhere = push || load || !call.text("outputs").is_empty();
    call.output("digest", if somewhere { digest } else { String::new() });
    let imageid = std::fs::read_to_string(&iidfile).unwrap_or_default().trim().to_owned();
    call.output("imageid", imageid);
    call.output("metadata", serde_json::to_string_pretty(&document).unwrap_or_default());
    Ok(())
}

/// A cache that could not be written fails the step, as it does with BuildKit, unless `ignore-error` is said.
fn check_caches(call: &Call<'_, '_>, document: &Value) -> Result<(), Fail> {
    let forgiven = call.lines("cache-to").iter().all(|line| line.contains("ignore-error=true"));
    for export in document["wharf.caches"].as_array().into_iter().flatten().filter(|_| !forgiven) {
        if let Some(why) = export["failure"].as_str() {
            let place = export["place"].as_str().unwrap_or_default();
            return Err(Fail::Because(format!(
                "buildx failed with: ERROR: failed to export the cache to {place}: {why}"
            )));
        }
    }
    Ok(())
}

/// A tag that is none stops the step before it starts, with the line of the rule that made it.
fn check_tags(call: &Call<'_, '_>, tags: &[String]) -> Result<(), Fail> {
    let Some((tag, error)) =
        tags.iter().find_map(|tag| Reference::from_str(tag).err().map(|error| (tag, error)))
    else {
        return Ok(());
    };
    let source = &call.leg.workflow.source;
    let empty_prefix = |line: &&str| {
        line.contains("prefix={{branch}}")
            || line.contains("prefix={{tag}}")
            || line.contains("prefix={{base_ref}}")
    };
    let rule = source.text.lines().enumerate().find(|(_, line)| empty_prefix(line));
    let why = match rule.filter(|_| tag.contains(":-")) {
        Some((at, line)) => {
            let event = &call.leg.setup.event;
            format!(
                "; {}:{}: `{}` is empty in front on {}, and a tag may not begin with `-`; take \
                 another prefix, such as prefix=sha-",
                source.name,
                at + 1,
                line.trim(),
                if event.is_pull_request() { "pull requests" } else { "tags" },
            )
        }
        None => format!(" ({error})"),
    };
    Err(Fail::Because(format!(
        "buildx failed with: ERROR: invalid tag \"{tag}\": invalid reference format{why}"
    )))
}

/// The flags, without the context and without what becomes of the result.
fn flags(call: &mut Call<'_, '_>, tags: &[String]) -> Result<Vec<String>, Fail> {
    let mut flags = Vec::new();
    let mut add = |flag: &str, values: Vec<String>| {
        for value in values {
            flags.extend([format!("--{flag}"), value]);
        }
    };
    add("add-host", call.values("add-hosts"));
    add("allow", call.values("allow"));
    add(
        "annotation",
        quoted_lines(call.raw("annotations")).into_iter().map(|line| line.trim().to_owned()).collect(),
    );
    add("attest", call.lines("attests"));
    add(
        "build-arg",
        quoted_lines(call.raw("build-args")).into_iter().map(|line| line.trim().to_owned()).collect(),
    );
    add("cache-from", call.lines("cache-from"));
    add("cache-to", call.lines("cache-to"));
    add("label", quoted_lines(call.raw("labels")).into_iter().map(|line| line.trim().to_owned()).collect());
    add("no-cache-filter", call.values("no-cache-filters"));
    add("output", call.lines("outputs"));
    add("platform", call.values("platforms"));
    add("ssh", call.values("ssh"));
    add("tag", tags.to_vec());
    add("ulimit", call.lines("ulimit"));
    for (input, flag) in
        [("network", "network"), ("shm-size", "shm-size"), ("target", "target"), ("call", "call")]
    {
        match call.text(input) {
            "" => {}
            value => add(flag, vec![value.to_owned()]),
        }
    }
    if !call.text("cgroup-parent").is_empty() {
        call.warn("`cgroup-parent` is left out: steps of a build are in no cgroup of their own");
    }
    add("secret", secrets(call)?);
    // Their values are theirs only behind `=`.
    for input in ["provenance", "sbom"] {
        match call.text(input) {
            "" => {}
            value => flags.push(format!("--{input}={value}")),
        }
    }
    for (input, flag) in [("no-cache", "--no-cache"), ("pull", "--pull")] {
        if call.flag(input)? {
            flags.push(flag.into());
        }
    }
    for named in call.lines("build-contexts") {
        let value = with_default_context(call, &named)?;
        flags.extend(["--build-context".into(), value]);
    }
    if !call.text("file").is_empty() {
        // Relative to the working directory; to the root of the clean copy where that is the context.
        let file = call.text("file").to_owned();
        let file =
            if call.text("context").is_empty() { format!("{}/{file}", default_context(call)?) } else { file };
        flags.extend(["--file".into(), file]);
    }
    Ok(flags)
}

/// Secrets go through files of their own, so that none is on a command line.
pub(super) fn secrets(call: &mut Call<'_, '_>) -> Result<Vec<String>, Fail> {
    let mut specs = Vec::new();
    for secret in quoted_lines(call.raw("secrets")) {
        let Some((id, value)) =
            secret.split_once('=').filter(|(id, value)| !id.is_empty() && !value.is_empty())
        else {
            call.warn("a line of `secrets` is not `id=value`, and is left out");
            continue;
        };
        call.leg.masker.add(value);
        let file = call.leg.temp.join(format!("secret-{}", uuid::Uuid::new_v4()));
        write_private(&file, value).map_err(|error| Fail::Because(format!("writing a secret: {error}")))?;
        specs.push(format!("id={},src={}", id.trim(), file.display()));
    }
    for secret in call.values("secret-envs") {
        match secret.split_once('=') {
            Some((id, variable)) => specs.push(format!("id={id},env={variable}")),
            None => call.warn(&format!("`{secret}` in `secret-envs` is not `id=VARIABLE`, and is left out")),
        }
    }
    for secret in call.lines("secret-files") {
        match secret.split_once('=') {
            Some((id, file)) if call.path(file).is_file() => {
                specs.push(format!("id={id},src={}", call.path(file).display()));
            }
            Some((_, file)) => call.warn(&format!("secret file {file} not found")),
            None => call.warn(&format!("`{secret}` in `secret-files` is not `id=PATH`, and is left out")),
        }
    }
    Ok(specs)
}

fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

/// The context: as it is said, or what the action takes by itself, which is the commit and not the workspace.
fn context(call: &mut Call<'_, '_>) -> Result<String, Fail> {
    match call.text("context").to_owned() {
        text if text.is_empty() => {
            call.say("no `context` is given: the commit is built, as the action does, and not the files of the workspace");
            default_context(call)
        }
        text => with_default_context(call, &text),
    }
}

/// `{{defaultContext}}` and `{{defaultContext}}:folder` filled in.
pub(super) fn with_default_context(call: &mut Call<'_, '_>, text: &str) -> Result<String, Fail> {
    if !text.contains("{{defaultContext}}") {
        return Ok(text.to_owned());
    }
    let root = default_context(call)?;
    let (before, after) = text.split_once("{{defaultContext}}").unwrap_or((text, ""));
    let after = after.strip_prefix(':').map_or(after.to_owned(), |folder| format!("/{folder}"));
    Ok(format!("{before}{root}{after}"))
}

/// A clean copy of the commit, made once per job.
fn default_context(call: &mut Call<'_, '_>) -> Result<String, Fail> {
    let into = call.leg.temp.join("default-context");
    if !into.exists() {
        let setup = call.leg.setup;
        if setup.is_git {
            let git = call.leg.git(call.deadline)?;
            let url = format!("https://github.com/{}", setup.event.repository);
            let what = Checkout {
                from: &setup.repository,
                git_ref: "",
                sha: &setup.event.sha,
                depth: 1,
                tags: false,
                sparse: Vec::new(),
                cone: true,
                submodules: "recursive",
                url: &url,
            };
            git.checkout(&what, &into)?;
            // A context from git has no `.git`, unless it is asked for.
            let _ = std::fs::remove_dir_all(into.join(".git"));
        } else {
            copy(&setup.repository, &into, &[&setup.scratch, &setup.results, &setup.state])?;
        }
    }
    Ok(into.display().to_string())
}
