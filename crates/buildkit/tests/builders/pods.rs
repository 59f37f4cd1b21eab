//! Builders in the pods of a cluster.

use wharf_buildkit::address::{Address, Pod};
use wharf_buildkit::transport::{self, Cluster};
use wharf_buildkit::upkeep;
use wharf_testkit::KubeServer;

use super::{Papers, chain, engine, worker};

async fn worker_in(cluster: &Cluster, pod: &Pod) -> Result<String, String> {
    let address = Address::Pod(pod.clone());
    let channel = transport::connect_by(&address, transport::exec(cluster, pod, "ci")).await;
    let channel = channel.map_err(|error| chain(&error))?;
    let workers = upkeep::workers(&channel).await.map_err(|status| wharf_buildkit::reason(&status))?;
    Ok(workers[0].id.clone())
}

fn pod(text: &str) -> Pod {
    match text.parse() {
        Ok(Address::Pod(pod)) => pod,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pod_is_reached_through_the_cluster() {
    let engine = engine!(Trixie);
    let papers = Papers::new();
    let server = KubeServer::start(&papers.server, &papers.authority);
    server.pod("buildkitd-0", Some(&engine.socket()));
    server.pod("buildkitd-1", None);
    let client = papers.authority.identity(&["robin"]);
    let cluster = Cluster {
        server: format!("https://{}", server.address()),
        token: Some("letmein".into()),
        authorities: vec![papers.authority.certificate().into_bytes()],
        identity: Some((client.certificate.into_bytes(), client.key.into_bytes().into())),
    };
    let id = worker(&engine.address()).await;
    assert_eq!(worker_in(&cluster, &pod("kube-pod://buildkitd-0?container=buildkitd")).await, Ok(id));
    assert!(server.calls()[0].contains("container=buildkitd"), "{:?}", server.calls());
    let said = worker_in(&cluster, &pod("kube-pod://buildkitd-1")).await.unwrap_err();
    assert!(
        said.contains("failed to dial unix:///run/buildkit/buildkitd.sock"),
        "buildctl's own words: {said}"
    );
    let said = worker_in(&cluster, &pod("kube-pod://buildkitd-9")).await.unwrap_err();
    assert!(said.contains("404") && said.contains("kube-pod://buildkitd-9"), "{said}");
}
