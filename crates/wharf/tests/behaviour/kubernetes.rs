//! A running Deployment follows promotions and rollbacks, seen from a small API server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};

use crate::releases::Scene;

const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments/churn";

/// One Deployment, and a controller that rolls it out: the first look after a patch finds it not observed, the next
/// one under way, the third at its end.
struct Cluster {
    deployment: Value,
    looks: u64,
    /// Images with this in their name never become available.
    broken: &'static str,
    /// Patches are forbidden.
    forbidden: bool,
    patches: Vec<Value>,
    heads: Vec<String>,
}

impl Cluster {
    fn start(image: &str) -> (Arc<Mutex<Self>>, String) {
        let containers = json!([{ "name": "proxy", "image": "envoy:1" }, { "name": "api", "image": image }]);
        let cluster = Arc::new(Mutex::new(Self {
            deployment: json!({
                "kind": "Deployment", "metadata": { "generation": 1 },
                "spec": { "replicas": 2, "template": { "spec": { "containers": containers } } },
                "status": { "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 },
            }),
            looks: 0,
            broken: "nothing is",
            forbidden: false,
            patches: Vec::new(),
            heads: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = cluster.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own affair.
                drop(serve(stream, &shared));
            }
        });
        (cluster, url)
    }

    fn image(&self) -> &Value {
        &self.deployment["spec"]["template"]["spec"]["containers"][1]["image"]
    }

    fn answer(&mut self, head: &str, body: &[u8]) -> (u16, Value) {
        self.heads.push(head.to_owned());
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != PATH {
            return (404, json!({ "kind": "Status", "message": "deployments.apps not found" }));
        }
        if method == "PATCH" && self.forbidden {
            return (403, json!({ "kind": "Status", "message": "robin cannot patch deployments" }));
        }
        if method == "PATCH" && !query.contains("dryRun=All") {
            let patch: Value = serde_json::from_slice(body).unwrap();
            let container = &patch["spec"]["template"]["spec"]["containers"][0];
            assert_eq!(container["name"], "api");
            self.deployment["spec"]["template"]["spec"]["containers"][1]["image"] =
                container["image"].clone();
            self.deployment["metadata"]["generation"] = json!(self.generation() + 1);
            self.patches.push(patch);
            self.looks = 0;
        } else if method == "GET" {
            self.roll();
        }
        (200, self.deployment.clone())
    }

    fn generation(&self) -> u64 {
        self.deployment["metadata"]["generation"].as_u64().unwrap()
    }

    fn roll(&mut self) {
        self.looks += 1;
        if self.generation() == 1 || self.looks < 2 {
            return;
        }
        let good = !self.image().as_str().unwrap().contains(self.broken);
        let mut status = json!({
            "observedGeneration": self.generation(), "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2,
        });
        if self.looks > 2 && good {
            status = json!({
                "observedGeneration": self.generation(), "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
            });
        } else if self.looks > 2 {
            status["conditions"] = json!([{
                "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                "message": "ReplicaSet \"churn-2\" has timed out progressing.",
            }]);
        }
        self.deployment["status"] = status;
    }
}

fn serve(stream: impl Read + Write, cluster: &Mutex<Cluster>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (status, answer) = cluster.lock().unwrap_or_else(PoisonError::into_inner).answer(&head, &body);
    let answer = answer.to_string();
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    )
}

fn kubeconfig(scene: &Scene, url: &str, user: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n- name: here\n  context: {{cluster: c, user: u, \
         namespace: shop}}\nclusters:\n- name: c\n  cluster: {{server: \"{url}\"}}\nusers:\n- name: u\n  user: {user}\n"
    );
    scene.world.file("kubeconfig", &text);
}

/// A project whose `prod` runs in a cluster, with a config beside it.
fn project() -> (Scene, Arc<Mutex<Cluster>>, String) {
    let scene = Scene::new();
    let (cluster, url) = Cluster::start(&format!("{}:0.9", scene.repo));
    let host = scene.registry.host();
    let text = format!(
        "[image]\nname = \"org/churn\"\n[[push]]\nregistry = \"{host}\"\n[env.prod]\nconfigs = [\"api.yaml\"]\n\
         [env.prod.kubernetes]\nkubeconfig = \"kubeconfig\"\ndeployment = \"churn\"\n"
    );
    scene.world.file("wharf.toml", &text);
    scene.world.file("api.yaml", &format!("image: {}:0.9\n", scene.repo));
    kubeconfig(&scene, &url, "{token: letmein}");
    (scene, cluster, url)
}

#[test]
fn a_deployment_follows_a_promotion_and_a_rollback() {
    let (scene, cluster, _) = project();
    let image = |tag: &str| format!("{}:{tag}@{}", scene.repo, scene.digest(tag).unwrap());
    let shown = scene.ok("promote 1.0.0 --env prod --dry-run");
    assert_eq!(shown["kubernetes"]["rolledOut"], false);
    assert!(cluster.lock().unwrap().patches.is_empty(), "a dry run changes nothing");

    let done = scene.ok("promote 1.0.0 --env prod");
    let said = &done["kubernetes"];
    assert_eq!((&said["namespace"], &said["container"]), (&json!("shop"), &json!("api")));
    assert_eq!((&said["image"], &said["rolledOut"]), (&json!(image("1.0.0")), &json!(true)));
    {
        let cluster = cluster.lock().unwrap();
        assert_eq!(*cluster.image(), image("1.0.0"));
        assert_eq!(cluster.patches[0]["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 1);
        assert!(cluster.looks >= 3, "it waits until the rollout is done");
        assert!(
            cluster.heads.iter().all(|head| head.to_lowercase().contains("authorization: bearer letmein"))
        );
        let patch = cluster.heads.iter().find(|head| head.starts_with("PATCH")).unwrap().to_lowercase();
        assert!(patch.contains("content-type: application/strategic-merge-patch+json"), "{patch}");
    }
    scene.ok("promote 1.1.0 --env prod --no-kubernetes");
    assert_eq!(*cluster.lock().unwrap().image(), image("1.0.0"));
    scene.ok("promote 1.1.0 --env prod --kubernetes");
    assert_eq!(
        *cluster.lock().unwrap().image(),
        image("1.1.0"),
        "a run that stopped before it is made whole"
    );
    let back = scene.ok("rollback --env prod");
    assert_eq!(back["kubernetes"]["image"], image("1.0.0"));
    assert_eq!(*cluster.lock().unwrap().image(), image("1.0.0"));
}

#[test]
fn a_rollout_that_fails_is_rolled_back_everywhere() {
    let (scene, cluster, _) = project();
    cluster.lock().unwrap().broken = ":1.2.0@";
    let image = |tag: &str| format!("{}:{tag}@{}", scene.repo, scene.digest(tag).unwrap());
    let first = ["rollout of 1.2.0 failed", ":0.9 is back", "nothing ran before, so the entry stays"];
    scene.fails("promote 1.2.0 --env prod", 1, &first);
    scene.ok("promote 1.1.0 --env prod");
    let words =
        ["rollout of 1.2.0 failed", "ProgressDeadlineExceeded", "back at 1.1.0", "kubectl --namespace shop"];
    scene.fails("promote 1.2.0 --env prod", 1, &words);
    assert_eq!(*cluster.lock().unwrap().image(), image("1.1.0"), "the image that ran before is back");
    let prod = scene.environment("prod");
    assert_eq!(prod["version"], "1.1.0");
    assert!(prod["hold"]["reason"].as_str().unwrap().contains("ProgressDeadlineExceeded"), "{prod}");
    assert_eq!(prod["quarantine"][0]["version"], "1.2.0");
    assert_eq!(scene.digest("prod"), scene.digest("1.1.0"));
    assert_eq!(scene.ok("log --env prod")[0]["kind"], "rollback");
    let config = std::fs::read_to_string(scene.world.path("project/api.yaml")).unwrap();
    assert_eq!(config, format!("image: {}\n", image("1.1.0")), "the configs too");
}

#[test]
fn a_cluster_that_says_no_stops_a_promotion_before_the_ledger() {
    let (scene, cluster, url) = project();
    scene.ok("promote 1.0.0 --env prod");
    cluster.lock().unwrap().forbidden = true;
    scene.fails("promote 1.1.0 --env prod", 3, &["403", "robin cannot patch deployments", "--no-kubernetes"]);
    cluster.lock().unwrap().forbidden = false;
    scene.fails("promote 1.1.0 --env prod --kubernetes=other", 3, &["404", "not found"]);
    scene.fails("promote 1.1.0 --env prod --kubernetes=A/..", 2, &["`A` is no name in Kubernetes"]);
    kubeconfig(&scene, &url, "{exec: {command: aws}}");
    scene.fails("promote 1.1.0 --env prod", 3, &["kubeconfig", "uses `exec`", "kubectl create token"]);
    kubeconfig(&scene, "http://127.0.0.1:1", "{token: t}");
    scene.fails("promote 1.1.0 --env prod", 3, &["reading http://127.0.0.1:1/apis"]);
    let prod = scene.environment("prod");
    assert_eq!((&prod["version"], &prod["hold"]), (&json!("1.0.0"), &Value::Null), "nothing was written");
}

/// A door before the cluster that speaks TLS, and lets in who has a certificate by `authority`.
fn door(
    cluster: Arc<Mutex<Cluster>>,
    own: &rcgen::CertifiedKey<rcgen::KeyPair>,
    authority: &rcgen::Certificate,
) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if serve(&mut stream, &cluster).is_ok() {
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    url
}

#[test]
fn a_cluster_knows_wharf_by_its_certificate_and_wharf_the_cluster() {
    let (scene, cluster, _) = project();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let client = rcgen::generate_simple_self_signed(["ci".into()]).unwrap();
    let url = door(cluster.clone(), &own, &client.cert);
    scene.world.file("client.crt", &client.cert.pem());
    scene.world.file("client.key", &client.signing_key.serialize_pem());
    scene.world.file("ca.crt", &own.cert.pem());
    kubeconfig(&scene, &url, "{client-certificate: client.crt, client-key: client.key}");
    scene.fails("promote 1.0.0 --env prod", 3, &["reading https://127.0.0.1", "certificate"]);
    let text = std::fs::read_to_string(scene.world.path("project/kubeconfig")).unwrap();
    let trusting = text.replace("\"}\nusers", "\", certificate-authority: ca.crt}\nusers");
    scene.world.file("kubeconfig", &trusting);
    assert_eq!(scene.ok("promote 1.0.0 --env prod")["kubernetes"]["rolledOut"], true);
    scene.world.file(
        "kubeconfig",
        &trusting.replace("{client-certificate: client.crt, client-key: client.key}", "{token: t}"),
    );
    scene.fails("promote 1.1.0 --env prod", 3, &["reading https://127.0.0.1"]);
    assert_eq!(scene.environment("prod")["version"], "1.0.0");
}
