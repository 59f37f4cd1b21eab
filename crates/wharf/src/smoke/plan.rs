//! What to ask and for how long: the project's settings over the image's own config over conventions.

use std::time::Duration;

use wharf_oci::ContainerConfig;

use crate::settings::project;

/// Where services of this kind answer when nobody says otherwise.
const DEFAULT_PATH: &str = "/health";
/// How long a service without a start period may take.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
/// Even a short start period gets this long: machines differ.
const LEAST_PATIENCE: Duration = Duration::from_secs(20);

/// What to ask, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Plan {
    /// The port that must answer; without one the process must merely stay up.
    pub(crate) port: Option<u16>,
    /// The path to ask for.
    pub(crate) path: String,
    /// How long it may take to answer.
    pub(crate) patience: Duration,
}

impl Plan {
    /// The plan for an image with `config` under the project's settings.
    pub(crate) fn new(settings: &project::Smoke, config: &ContainerConfig) -> Self {
        let start_period = config.healthcheck.as_ref().map(|check| check.start_period).filter(|ns| *ns > 0);
        let start_period = start_period.map(|ns| Duration::from_nanos(ns.unsigned_abs()).max(LEAST_PATIENCE));
        let patience = settings.timeout.map(Duration::from_secs).or(start_period).unwrap_or(DEFAULT_PATIENCE);
        Self {
            port: settings.port.or_else(|| exposed_port(config)).or_else(|| port_variable(config)),
            path: settings.path.clone().unwrap_or_else(|| DEFAULT_PATH.to_owned()),
            patience,
        }
    }
}

/// The lowest TCP port that the image exposes.
fn exposed_port(config: &ContainerConfig) -> Option<u16> {
    let number = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
    config.exposed_ports.keys().filter_map(number).min()
}

/// The convention of most platforms: `PORT` says where the service listens.
fn port_variable(config: &ContainerConfig) -> Option<u16> {
    config
        .env
        .iter()
        .flatten()
        .find_map(|setting| setting.strip_prefix("PORT="))
        .and_then(|port| port.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::{Empty, Healthcheck};

    #[test]
    fn settings_win_over_the_image_and_the_image_over_conventions() {
        let image = ContainerConfig {
            exposed_ports: [("9000/tcp".into(), Empty {}), ("53/udp".into(), Empty {})].into(),
            env: Some(vec!["PORT=7000".into()]),
            healthcheck: Some(Healthcheck { start_period: 40_000_000_000, ..Healthcheck::default() }),
            ..ContainerConfig::default()
        };
        let plan = Plan::new(&project::Smoke::default(), &image);
        assert_eq!((plan.port, plan.path.as_str(), plan.patience.as_secs()), (Some(9000), "/health", 40));

        let settings = project::Smoke { port: Some(8000), timeout: Some(5), ..project::Smoke::default() };
        assert_eq!(Plan::new(&settings, &image).port, Some(8000));
        assert_eq!(Plan::new(&settings, &image).patience.as_secs(), 5);

        let only_env = ContainerConfig { env: image.env.clone(), ..ContainerConfig::default() };
        assert_eq!(Plan::new(&project::Smoke::default(), &only_env).port, Some(7000));
        assert_eq!(Plan::new(&project::Smoke::default(), &ContainerConfig::default()).port, None);
    }
}
