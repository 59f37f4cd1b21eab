//! A running Deployment follows the ledger: its image is patched after the entry is written, the rollout is
//! awaited, and one that fails is taken back by itself.

mod api;
mod image;
pub(crate) mod kubeconfig;
mod pods;
mod rollout;
mod undo;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::Serialize;
use serde_json::{Value, json};
use wharf_ledger::{LogName, Release};

use self::api::Api;
pub(crate) use self::pods::ready_pods;
use self::rollout::{Progress, progress};
pub(crate) use self::undo::after_failure;
use crate::exit::{Failure, OrFail};
use crate::releases::configs;
use crate::releases::place::Place;
use crate::settings::project::Kubernetes;
use crate::world::World;

/// What promotions and rollbacks take for a cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Patch this running Deployment and wait for its rollout [default: what `[env.NAME.kubernetes]` names]
    #[arg(
        long,
        value_name = "[NAMESPACE/]DEPLOYMENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with = "no_kubernetes"
    )]
    kubernetes: Option<String>,
    /// Leave the cluster alone
    #[arg(long)]
    no_kubernetes: bool,
}

/// A change of a Deployment that the cluster would allow.
pub(crate) struct Plan {
    api: Api,
    what: Rolled,
    patience: Duration,
}

/// What happened to a Deployment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rolled {
    namespace: String,
    deployment: String,
    container: String,
    image: String,
    previous: String,
    /// Every replica runs the image; `false` where it is only planned.
    rolled_out: bool,
}

impl Rolled {
    /// For people.
    pub(crate) fn render(&self) -> String {
        let Self { namespace, deployment, container, image, .. } = self;
        let done = if self.rolled_out { "runs" } else { "would run" };
        format!("  kubernetes  {namespace}/{deployment} ({container}) {done} {image}\n")
    }
}

const HINT: &str =
    "[env.NAME.kubernetes] in wharf.toml says which Deployment; --no-kubernetes goes on without";

/// Looks at the Deployment and asks the cluster whether the change would be allowed, before anything is written.
pub(crate) fn plan(
    world: &World,
    place: &Place,
    log: &LogName,
    flags: &Flags,
    release: &Release,
) -> Result<Option<Plan>, Failure> {
    let configured = place.environment(log).and_then(|environment| environment.kubernetes.clone());
    let named = flags.kubernetes.as_deref();
    if flags.no_kubernetes || (configured.is_none() && named.is_none()) {
        return Ok(None);
    }
    let mut settings = configured.unwrap_or_default();
    match named.unwrap_or_default().split_once('/') {
        Some((namespace, deployment)) => {
            settings.namespace = Some(namespace.to_owned());
            settings.deployment = Some(deployment.to_owned());
        }
        None => {
            settings.deployment = named.filter(|n| !n.is_empty()).map(str::to_owned).or(settings.deployment)
        }
    }
    world.runtime.block_on(look(place, log, &settings, release)).map(Some)
}

async fn look(place: &Place, log: &LogName, asked: &Kubernetes, release: &Release) -> Result<Plan, Failure> {
    let Some(deployment) = asked.deployment.clone() else {
        return Err(Failure::usage(format!("nothing says which Deployment runs {log}")).hint(HINT));
    };
    let directory = place.project.as_ref().map_or(Path::new("."), |project| &project.directory);
    let kubeconfig = asked.kubeconfig.as_ref().map(|path| directory.join(path));
    let connection = kubeconfig::connection(kubeconfig.as_deref(), asked.context.as_deref()).or_hint(HINT)?;
    let namespace = asked.namespace.clone().or_else(|| connection.namespace.clone());
    let namespace = namespace.unwrap_or_else(|| "default".into());
    for name in [&namespace, &deployment] {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        if name.is_empty() || !name.bytes().all(good) {
            return Err(Failure::usage(format!("`{name}` is no name in Kubernetes")).hint(HINT));
        }
    }
    let api = Api::new(connection, &namespace, &deployment).or_hint(HINT)?;
    let found = api.read().await.or_hint(HINT)?;
    let target = configs::target(place, log, release);
    let (container, previous) = image::container(&found, asked.container.as_deref(), &target.names)
        .map_err(|reason| Failure::usage(format!("{namespace}/{deployment} {reason}")).hint(HINT))?;
    let image = image::pinned(&previous, &target);
    let what = Rolled { namespace, deployment, container, image, previous, rolled_out: false };
    api.patch(&what.patch(&what.image, "wharf asks"), true).await.or_hint(HINT)?;
    Ok(Plan { api, what, patience: Duration::from_secs(asked.timeout.unwrap_or(600)) })
}

impl Rolled {
    fn patch(&self, image: &str, cause: &str) -> Value {
        json!({
            "metadata": { "annotations": { "kubernetes.io/change-cause": cause } },
            "spec": { "template": { "spec": { "containers": [{ "name": self.container, "image": image }] } } },
        })
    }
}

impl Plan {
    /// What would be done.
    pub(crate) fn preview(&self) -> Rolled {
        self.what.clone()
    }

    /// Patches, and waits until every replica runs the image.
    pub(crate) fn carry_out(&self, world: &World, cause: &str) -> anyhow::Result<Rolled> {
        world.runtime.block_on(self.roll(&self.what.image, cause))?;
        Ok(Rolled { rolled_out: true, ..self.what.clone() })
    }

    /// Puts the image back that ran before; how its rollout goes is for the cluster to say.
    fn put_back(&self, world: &World, cause: &str) -> anyhow::Result<()> {
        let patch = self.what.patch(&self.what.previous, cause);
        world.runtime.block_on(self.api.patch(&patch, false)).map(drop)
    }

    async fn roll(&self, image: &str, cause: &str) -> anyhow::Result<()> {
        let patched = self.api.patch(&self.what.patch(image, cause), false).await?;
        let generation = patched["metadata"]["generation"].as_u64().unwrap_or(0);
        let begin = Instant::now();
        loop {
            // A cluster that does not answer for a moment has not failed.
            let state = match self.api.read().await {
                Ok(deployment) => progress(&deployment, generation),
                Err(error) => Progress::Waiting(format!("{error:#}")),
            };
            match state {
                Progress::Done => return Ok(()),
                Progress::Failed(reason) => return Err(anyhow!(reason)),
                Progress::Waiting(missing) if begin.elapsed() >= self.patience => {
                    return Err(anyhow!("{missing}, after {} s", self.patience.as_secs()));
                }
                Progress::Waiting(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }
}
