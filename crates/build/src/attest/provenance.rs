//! What SLSA wants to know of a build, in the shape that BuildKit gives it (`slsa-definitions.md`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wharf_oci::{Digest, Platform, Reference};

use super::definition::Definition;
use super::{ProvenanceOptions, package_url};
use crate::contexts::without_credentials;
use crate::plan::{Base, CopySource, Mount, Network, NoCache, Op, PinnedImage, Plan, Source, Step};
use crate::request::{BuildRequest, ContextSource};
use crate::result::Image;

const TYPE_V02: &str = "https://mobyproject.org/buildkit@v1";
const TYPE_V1: &str = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
const METADATA_V02: &str = "https://mobyproject.org/buildkit@v1#metadata";

/// What is known of a build.
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) plan: &'a Plan,
    pub(crate) image: &'a Image,
    /// The Dockerfile: its name and its text.
    pub(crate) dockerfile: (&'a str, &'a [u8]),
    /// The same for all platforms.
    pub(crate) invocation: &'a str,
    /// RFC 3339.
    pub(crate) started: &'a str,
    pub(crate) finished: &'a str,
    /// What each URL gave.
    pub(crate) downloads: &'a dyn Fn(&str) -> Option<Digest>,
}

/// The predicate of a provenance statement.
pub(crate) fn predicate(facts: &Facts<'_>, options: &ProvenanceOptions) -> Value {
    let materials = materials(facts);
    let (parameters, parameters_complete) = parameters(facts.request, facts.plan, options.max);
    let complete = remote(&facts.request.context).is_some();
    let hermetic = is_hermetic(facts.plan);
    let builder_platform = facts.request.options.build_platform.to_string();
    let definition = options.max.then(|| Definition::of(facts.plan));
    let extra = definition.as_ref().map_or(json!({}), |definition| metadata(facts, definition));
    let config = definition.map(|definition| definition.config());
    match options.v02 {
        true => {
            let mut predicate = json!({
                "builder": {"id": options.builder_id},
                "buildType": TYPE_V02,
                "materials": materials,
                "invocation": {
                    "configSource": source(facts, "entryPoint"),
                    "parameters": parameters,
                    "environment": {"platform": builder_platform},
                },
                "metadata": {
                    "buildInvocationID": facts.invocation,
                    "buildStartedOn": facts.started,
                    "buildFinishedOn": facts.finished,
                    "completeness": {
                        "parameters": parameters_complete, "environment": true, "materials": complete,
                    },
                    "reproducible": options.reproducible,
                    "https://mobyproject.org/buildkit@v1#hermetic": hermetic,
                    METADATA_V02: extra,
                },
            });
            if let Some(config) = config {
                predicate["buildConfig"] = config;
            }
            predicate
        }
        false => {
            let mut internal = json!({"builderPlatform": builder_platform});
            if let Some(config) = config {
                internal["buildConfig"] = config;
            }
            json!({
                "buildDefinition": {
                    "buildType": TYPE_V1,
                    "externalParameters": {"configSource": source(facts, "path"), "request": parameters},
                    "internalParameters": internal,
                    "resolvedDependencies": materials,
                },
                "runDetails": {
                    "builder": {"id": options.builder_id},
                    "metadata": {
                        "invocationId": facts.invocation,
                        "startedOn": facts.started,
                        "finishedOn": facts.finished,
                        "buildkit_hermetic": hermetic,
                        "buildkit_reproducible": options.reproducible,
                        "buildkit_completeness": {
                            "request": parameters_complete, "resolvedDependencies": complete,
                        },
                        "buildkit_metadata": extra,
                    },
                },
            })
        }
    }
}

/// Where the Dockerfile is.
fn source(facts: &Facts<'_>, name: &str) -> Value {
    let mut source = json!({ name: facts.dockerfile.0 });
    if let Some(uri) = remote(&facts.request.context) {
        source["uri"] = json!(uri);
        if let Some(digest) = (facts.downloads)(&uri) {
            source["digest"] = digests(&digest);
        }
    }
    source
}

fn remote(context: &ContextSource) -> Option<String> {
    match context {
        ContextSource::Git(url) | ContextSource::Url(url) => Some(without_credentials(url)),
        _ => None,
    }
}

/// What the caller asked for, and whether all of it is said.
fn parameters(request: &BuildRequest, plan: &Plan, max: bool) -> (Value, bool) {
    let options = &request.options;
    let mut args: BTreeMap<String, String> = BTreeMap::new();
    if let Some(target) = &options.target {
        args.insert("target".into(), target.clone());
    }
    if !request.platforms.is_empty() {
        let platforms: Vec<String> = request.platforms.iter().map(Platform::to_string).collect();
        args.insert("platform".into(), platforms.join(","));
    }
    match options.network {
        Network::None => drop(args.insert("force-network-mode".into(), "none".into())),
        Network::Host => drop(args.insert("force-network-mode".into(), "host".into())),
        Network::Default => {}
    }
    match &options.no_cache {
        NoCache::All => drop(args.insert("no-cache".into(), String::new())),
        NoCache::Stages(stages) => drop(args.insert("no-cache".into(), stages.join(","))),
        NoCache::Off => {}
    }
    let given = |prefix: &'static str, values: &BTreeMap<String, String>| -> Vec<(String, String)> {
        values.iter().map(|(name, value)| (format!("{prefix}:{name}"), value.clone())).collect()
    };
    let mut hidden = given("build-arg", &options.build_args);
    hidden.extend(given("label", &options.labels));
    let (secrets, agents) = mounts(plan);
    let complete = max || (hidden.is_empty() && secrets.is_empty() && agents.is_empty());
    let mut parameters = json!({"frontend": "dockerfile.v0"});
    if max {
        args.extend(hidden);
    }
    parameters["args"] = json!(args);
    if max && !secrets.is_empty() {
        parameters["secrets"] = json!(secrets);
    }
    if max && !agents.is_empty() {
        parameters["ssh"] = json!(agents);
    }
    if remote(&request.context).is_none() {
        parameters["locals"] = json!([{"name": "context"}, {"name": "dockerfile"}]);
    }
    (parameters, complete)
}

/// The secrets and agents that steps ask for, by their ids.
fn mounts(plan: &Plan) -> (Vec<Value>, Vec<Value>) {
    let mut secrets: BTreeMap<&str, bool> = BTreeMap::new();
    let mut agents: BTreeMap<&str, bool> = BTreeMap::new();
    for mount in steps(plan).filter_map(|step| step.op.as_ref()).filter_map(run).flat_map(|run| &run.mounts) {
        match mount {
            Mount::Secret(secret) => *secrets.entry(&secret.id).or_default() |= secret.required,
            Mount::Ssh(ssh) => *agents.entry(&ssh.id).or_default() |= ssh.required,
            _ => {}
        }
    }
    let values = |ids: BTreeMap<&str, bool>| {
        let value = |(id, required)| match required {
            true => json!({"id": id}),
            false => json!({"id": id, "optional": true}),
        };
        ids.into_iter().map(value).collect()
    };
    (values(secrets), values(agents))
}

fn steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    plan.stages.iter().flat_map(|stage| &stage.steps)
}

fn run(op: &Op) -> Option<&crate::plan::RunOp> {
    match op {
        Op::Run(run) => Some(run),
        _ => None,
    }
}

/// Whether no step could reach the network.
fn is_hermetic(plan: &Plan) -> bool {
    steps(plan).filter_map(|step| step.op.as_ref()).all(|op| match op {
        Op::Run(run) => run.network == Network::None,
        Op::Copy(copy) => {
            copy.sources.iter().all(|source| !matches!(source, CopySource::Url { .. } | CopySource::Git(_)))
        }
        Op::Workdir(_) => true,
    })
}

/// What came from elsewhere: images, downloads, repositories.
fn materials(facts: &Facts<'_>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut materials = Vec::new();
    let mut add = |uri: String, digest: Option<Value>| {
        if seen.insert(uri.clone()) {
            materials.push(match digest {
                Some(digest) => json!({"uri": uri, "digest": digest}),
                None => json!({ "uri": uri }),
            });
        }
    };
    for image in images(facts.plan) {
        let uri = match image.reference.parse::<Reference>() {
            Ok(name) => package_url(&name, name.digest(), &image.platform),
            Err(_) => image.reference.clone(),
        };
        add(uri, Some(digests(&image.digest)));
    }
    for op in steps(facts.plan).filter_map(|step| step.op.as_ref()) {
        let Op::Copy(copy) = op else { continue };
        for source in &copy.sources {
            match source {
                CopySource::Url { url, .. } => {
                    add(without_credentials(url), (facts.downloads)(url).as_ref().map(digests));
                }
                CopySource::Git(git) => {
                    let fragment =
                        if git.reference.is_empty() { String::new() } else { format!("#{}", git.reference) };
                    let commit = git.checksum.as_ref().map(|commit| json!({ "sha1": commit }));
                    add(format!("{}{fragment}", without_credentials(&git.remote)), commit);
                }
                CopySource::Path { .. } | CopySource::Inline { .. } => {}
            }
        }
    }
    if let Some(uri) = remote(&facts.request.context) {
        add(uri, None);
    }
    materials
}

fn images(plan: &Plan) -> Vec<&PinnedImage> {
    let mut images = Vec::new();
    for stage in &plan.stages {
        if let Base::Image(image) = &stage.base {
            images.push(image);
        }
        for source in stage.steps.iter().filter_map(|step| step.op.as_ref()).flat_map(crate::session::sources)
        {
            if let Source::Image(image) = source {
                images.push(image);
            }
        }
    }
    images
}

fn digests(digest: &Digest) -> Value {
    json!({ digest.algorithm().to_string(): digest.digest() })
}

/// The Dockerfile, where in it each step stands, and what layers there are after it.
fn metadata(facts: &Facts<'_>, definition: &Definition) -> Value {
    let (name, text) = facts.dockerfile;
    let file = json!({
        "identifier": "local://dockerfile",
        "attrs": {"local.differ": "none", "local.sharedkeyhint": "dockerfile"},
    });
    json!({
        "source": {
            "locations": definition.locations(),
            "infos": [{
                "filename": name,
                "language": "Dockerfile",
                "data": STANDARD.encode(text),
                "llbDefinition": [
                    {"id": "step0", "op": {"Op": {"source": file}, "constraints": {}}},
                    {"id": "step1", "op": {"Op": {}}, "inputs": ["step0:0"]},
                ],
            }],
        },
        "layers": definition.layers(&facts.image.manifest.layers),
    })
}
