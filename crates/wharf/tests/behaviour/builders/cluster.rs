//! Builders in the pods of a cluster.

use wharf_testkit::KubeServer;

use super::{Papers, engine, own, worker};
use crate::world::World;

/// A kubeconfig in the world's home, for a cluster that wants a certificate.
pub(super) fn kubeconfig(world: &World, papers: &Papers, cluster: &KubeServer) {
    let client = papers.authority.identity(&["robin"]);
    let file =
        |name: &str, text: &str| std::fs::write(world.path(&format!("home/.kube/{name}")), text).unwrap();
    std::fs::create_dir_all(world.path("home/.kube")).unwrap();
    file("ca.pem", &papers.authority.certificate());
    file("cert.pem", &client.certificate);
    file("key.pem", &client.key);
    file(
        "config",
        &format!(
            "current-context: here\ncontexts:\n- name: here\n  context: {{cluster: c, user: u, namespace: ci}}\n\
             clusters:\n- name: c\n  cluster: {{server: \"https://{}\", certificate-authority: ca.pem}}\n\
             users:\n- name: u\n  user: {{token: letmein, client-certificate: cert.pem, client-key: key.pem}}\n",
            cluster.address()
        ),
    );
}

#[test]
fn a_pod_and_one_of_several_pods() {
    let engine = engine!();
    let world = World::new();
    let papers = Papers::new();
    let cluster = KubeServer::start(&papers.server, &papers.authority);
    kubeconfig(&world, &papers, &cluster);
    cluster.pod("buildkitd-0", Some(&engine.socket()));
    let id = own(&world, engine);
    assert_eq!(worker(&world, "kube-pod://buildkitd-0?namespace=ci&container=buildkitd", &[]), id);
    assert!(cluster.calls().iter().any(|call| call.contains("container=buildkitd")), "{:?}", cluster.calls());
    assert_eq!(worker(&world, "kube-pod://buildkitd-0", &[]), id, "the namespace of the context");
    assert_eq!(worker(&world, "kube://ci?selector=app=buildkitd", &[]), id);

    let ran = world.wharf(&["builders", "inspect", "kube-pod://buildkitd-9"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("404") && ran.stderr.contains("\"buildkitd-9\" not found"), "{}", ran.stderr);
    let ran = world.wharf(&["builders", "inspect", "kube://ci?selector=app=other"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("no pod of ci") && ran.stderr.contains("hint: kubectl"), "{}", ran.stderr);

    cluster.pod("buildkitd-1", None);
    let ran = world.wharf(&["builders", "inspect", "kube-pod://buildkitd-1"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("failed to dial unix:///run/buildkit/buildkitd.sock"), "{}", ran.stderr);
    let listed = world.wharf_ok(&["builders", "ls", "kube://?selector=app=buildkitd"]).stdout;
    assert!(listed.contains("kube-pod://buildkitd-0?namespace=ci") && listed.contains("running"), "{listed}");
    assert!(listed.contains("kube-pod://buildkitd-1?namespace=ci") && listed.contains("error: "), "{listed}");
}
