//! Builders in a cluster: which pods there are, and the way into them.

use wharf_buildkit::address::KubePlace;
use wharf_buildkit::transport::Cluster;

use crate::exit::{Failure, OrFail};
use crate::kubernetes::{self, kubeconfig};

const HINT: &str =
    "the kubeconfig is that of $KUBECONFIG or ~/.kube/config, its context the current one or `?context=`";

/// The cluster of a place, and the namespace that is meant.
pub(super) fn of(place: &KubePlace) -> Result<(Cluster, String), Failure> {
    let connection = kubeconfig::connection(None, place.context.as_deref()).or_hint(HINT)?;
    let namespace = place.namespace.clone().or_else(|| connection.namespace.clone());
    let cluster = Cluster {
        server: connection.server,
        token: connection.token,
        authorities: connection.tls.authorities,
        identity: connection.tls.identity,
    };
    Ok((cluster, namespace.unwrap_or_else(|| "default".into())))
}

/// The ready pods of a place that a selector finds, by name.
pub(super) async fn ready(place: &KubePlace, selector: &str) -> Result<Vec<String>, Failure> {
    let connection = kubeconfig::connection(None, place.context.as_deref()).or_hint(HINT)?;
    let namespace = place.namespace.clone().or_else(|| connection.namespace.clone());
    kubernetes::ready_pods(connection, namespace.as_deref().unwrap_or("default"), selector)
        .await
        .or_hint(HINT)
}
