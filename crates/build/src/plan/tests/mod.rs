//! What plans come out of Dockerfiles, against base images that are made up.

mod args;
mod bases;
mod checks;
mod config;
mod copy;
mod hostile;
mod run;
mod stages;

use serde_json::json;
use wharf_dockerfile::parse;
use wharf_oci::{ContainerConfig, ImageConfig, Platform, digest};

use super::{
    BaseImage, BaseRef, ContextKind, CopyOp, Op, Plan, PlanError, Request, ResolveError, RunOp, Stage, check,
    plan,
};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A Dockerfile and the options to plan it with.
struct Build {
    text: String,
    request: Request,
}

fn build(text: &str) -> Build {
    Build { text: text.into(), request: Request::new("linux/amd64".parse().unwrap()) }
}

/// The plan of a Dockerfile without options.
#[track_caller]
fn planned(text: &str) -> Plan {
    build(text).plan()
}

/// What is said of a Dockerfile that has no plan.
#[track_caller]
fn refused(text: &str) -> String {
    build(text).refused()
}

/// The history lines that a Dockerfile adds, without the base image's.
#[track_caller]
fn history(text: &str) -> Vec<String> {
    build(text).plan().created_by()
}

impl Build {
    fn arg(mut self, name: &str, value: &str) -> Self {
        self.request.build_args.insert(name.into(), value.into());
        self
    }

    fn context(mut self, name: &str, kind: ContextKind) -> Self {
        self.request.contexts.insert(name.into(), kind);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        change(&mut self.request);
        self
    }

    fn try_plan(&self) -> Result<Plan, PlanError> {
        let dockerfile =
            parse(self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{:.2000}", self.text));
        plan(&dockerfile, &self.request, &resolve)
    }

    #[track_caller]
    fn plan(&self) -> Plan {
        match self.try_plan() {
            Ok(plan) => plan,
            Err(error) => panic!("{error}\n{:.2000}", self.text),
        }
    }

    #[track_caller]
    fn refused(&self) -> String {
        match self.try_plan() {
            Ok(_) => panic!("this has a plan:\n{:.2000}", self.text),
            Err(error) => error.to_string(),
        }
    }

    /// The names of the rules that found something.
    fn found(&self) -> Vec<&'static str> {
        let dockerfile = parse(self.text.as_bytes()).unwrap();
        let (findings, _) = check(&dockerfile, &self.request, &resolve);
        findings.into_iter().map(|finding| finding.rule.name).collect()
    }
}

impl Plan {
    fn config(&self) -> &ContainerConfig {
        &self.target().config.config
    }

    fn created_by(&self) -> Vec<String> {
        let added = self.target().config.history.iter().filter(|line| line.comment.is_some());
        added.map(|line| line.created_by.clone().unwrap_or_default()).collect()
    }

    /// The environment of the image without PATH.
    fn env(&self) -> Vec<&str> {
        let lines = self.config().env.iter().flatten().map(String::as_str);
        lines.filter(|line| !line.starts_with("PATH=")).collect()
    }

    #[track_caller]
    fn stage(&self, name: &str) -> &Stage {
        self.stages.iter().find(|stage| stage.name == name).unwrap()
    }

    fn runs(&self) -> Vec<&RunOp> {
        let ops = self.stages.iter().flat_map(|stage| &stage.steps).filter_map(|step| step.op.as_ref());
        ops.filter_map(|op| if let Op::Run(run) = op { Some(run) } else { None }).collect()
    }

    fn copies(&self) -> Vec<&CopyOp> {
        let ops = self.stages.iter().flat_map(|stage| &stage.steps).filter_map(|step| step.op.as_ref());
        ops.filter_map(|op| if let Op::Copy(copy) = op { Some(copy) } else { None }).collect()
    }
}

impl RunOp {
    fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|var| var.name == name).map(|var| var.value.as_str())
    }
}

/// Knows a few images; every image's digest is that of its name.
fn resolve(wanted: &[BaseRef]) -> Vec<Result<BaseImage, ResolveError>> {
    wanted.iter().map(resolve_one).collect()
}

fn resolve_one(base: &BaseRef) -> Result<BaseImage, ResolveError> {
    let (name, platform) = match base {
        BaseRef::Image { reference, platform } => (reference.familiar_name(), platform),
        BaseRef::Context { name, platform } => (name.clone(), platform),
    };
    let onbuild = |triggers: &[&str]| json!({"Env": [PATH], "OnBuild": triggers});
    let config = match name.as_str() {
        "busybox" | "alpine" => json!({"Env": [PATH]}),
        "nopath" => json!({"Env": ["ONLY=this"]}),
        "configured" => json!({
            "Env": [PATH, "BASE=1"], "Cmd": ["run"], "Entrypoint": ["/entry"], "User": "app", "WorkingDir": "/srv",
            "Labels": {"base": "yes"}, "Hostname": "abc", "StopSignal": "", "Shell": ["/bin/ash", "-c"], "ExposedPorts": {"80/tcp": {}},
        }),
        "armonly" => return Ok(image(&name, json!({"Env": [PATH]}), &"linux/arm64".parse()?)),
        "onbuild" => onbuild(&["COPY . /app", "ENV T=1"]),
        "onbuildfrom" => onbuild(&["COPY --from=side /a /b"]),
        "onbuildself" => onbuild(&["COPY --from=onbuildself / /x"]),
        "onbuildbad" => onbuild(&["FROM scratch"]),
        _ => return Err(format!("{base} does not exist").into()),
    };
    Ok(image(&name, config, platform))
}

fn image(name: &str, config: serde_json::Value, platform: &Platform) -> BaseImage {
    let config: ImageConfig = serde_json::from_value(json!({
        "created": "2020-01-01T00:00:00Z", "architecture": platform.architecture, "os": platform.os,
        "variant": platform.variant, "config": config, "history": [{"created_by": "base"}],
        "rootfs": {"type": "layers", "diff_ids": [digest::sha256(b"layer")]},
    }))
    .unwrap();
    BaseImage { digest: digest::sha256(name.as_bytes()), config }
}
