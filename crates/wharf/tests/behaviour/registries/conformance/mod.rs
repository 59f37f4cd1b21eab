//! What the distribution specification's own conformance suite asks of a registry, asked of `wharf registry serve`
//! over the wire, in the suite's four categories: pull, push, content discovery, content management.
//!
//! The suite itself is a Go program that no package registry carries. Its questions are these, in words of our own:
//! those of its versions for 1.0 here, those of the newer one, which goes through every way of pushing and every kind
//! of content, in [`ways`] and [`kinds`]. Where the suite lets a registry choose, or skips what it does not support,
//! here stands what wharf's does, and every category is asked.

mod kinds;
mod ways;

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use wharf_oci::digest::sha256;
use wharf_oci::{Descriptor, Digest, MediaType};

use crate::world::{Registry, World};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The registry, and somebody who speaks HTTP to it and knows nothing of wharf.
struct Suite {
    registry: Registry,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    _world: World,
}

/// An answer of the registry.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error code of an answer in the specification's form.
    fn code(&self) -> String {
        let error = &self.json()["errors"][0];
        assert!(error["message"].is_string(), "{error}");
        error["code"].as_str().unwrap().to_owned()
    }
}

impl Suite {
    fn start() -> Self {
        let world = World::new();
        let registry = Registry::wharf(&world.path("registry"), &[]);
        // Somebody else of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { registry, http: http.build().unwrap(), runtime, _world: world }
    }

    fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.answer(method, path, headers, body.to_vec().into())
    }

    fn answer(&self, method: Method, path: &str, headers: &[(&str, &str)], body: reqwest::Body) -> Answer {
        let url = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("http://{}{path}", self.registry.address()),
        };
        let mut request = self.http.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let headers = response.headers().iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
            let status = response.status().as_u16();
            Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
        })
    }

    /// Sends a body whose length is not said beforehand.
    fn stream(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let pieces: Vec<_> = body.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        self.answer(method, path, headers, reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)))
    }

    fn ask(&self, method: Method, path: &str) -> Answer {
        self.send(method, path, &[], b"")
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path)
    }

    /// Opens an upload, and gives its location.
    fn open(&self, repository: &str) -> String {
        let answer = self.send(
            Method::POST,
            &format!("/v2/{repository}/blobs/uploads/"),
            &[("content-length", "0")],
            b"",
        );
        assert_eq!(answer.status, 202);
        assert_ne!(answer.header("location"), "");
        answer.header("location").to_owned()
    }

    fn blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = sha256(content);
        let location = with_query(&self.open(repository), &format!("digest={digest}"));
        let answer =
            self.send(Method::PUT, &location, &[("content-type", "application/octet-stream")], content);
        assert_eq!(answer.status, 201);
        digest
    }

    /// An image of one config and one layer, and its manifest.
    fn manifest(&self, repository: &str, layer: &[u8], more: Value) -> Vec<u8> {
        let config = self.blob(repository, b"{}");
        let content = self.blob(repository, layer);
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config, "size": 2},
            "layers": [{"mediaType": LAYER, "digest": content, "size": layer.len()}],
        });
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        manifest.to_string().into_bytes()
    }

    fn put(&self, repository: &str, name: &str, media_type: &str, manifest: &[u8]) -> Answer {
        let path = format!("/v2/{repository}/manifests/{name}");
        self.send(Method::PUT, &path, &[("content-type", media_type)], manifest)
    }

    fn image(&self, repository: &str, tag: &str, layer: &[u8]) -> Digest {
        let manifest = self.manifest(repository, layer, json!({}));
        assert_eq!(self.put(repository, tag, MANIFEST, &manifest).status, 201);
        sha256(&manifest)
    }
}

fn with_query(location: &str, query: &str) -> String {
    let mark = if location.contains('?') { '&' } else { '?' };
    format!("{location}{mark}{query}")
}

#[test]
fn pull() {
    let registry = Suite::start();
    assert_eq!(registry.get("/v2/").status, 200);
    let name = "conformance/pull";
    let digest = registry.image(name, "v1", b"layer");
    let layer = sha256(b"layer");
    let absent = sha256(b"dummy digest that is not there");

    for method in [Method::HEAD, Method::GET] {
        let ask = |path: &str| registry.ask(method.clone(), &format!("/v2/{name}/{path}"));
        let missing = ask(&format!("blobs/{absent}"));
        assert_eq!(missing.status, 404);
        let found = ask(&format!("blobs/{layer}"));
        assert_eq!((found.status, found.header("content-length")), (200, "5"));
        assert_eq!(found.header("docker-content-digest"), layer.to_string());
        for missing in [format!("manifests/{absent}"), "manifests/.INVALID_MANIFEST_NAME".into()] {
            assert_eq!(ask(&missing).status, 404, "{missing}");
        }
        for there in [format!("manifests/{digest}"), "manifests/v1".into()] {
            let found = ask(&there);
            assert_eq!((found.status, found.header("content-type")), (200, MANIFEST), "{there}");
            assert_eq!(found.header("docker-content-digest"), digest.to_string());
            if method == Method::GET {
                assert_eq!(sha256(&found.body), digest);
                assert_eq!(found.header("content-length"), found.body.len().to_string());
            }
        }
    }
    // Error codes, in the specification's form.
    for (path, code) in [
        (format!("{name}/blobs/{absent}"), "BLOB_UNKNOWN"),
        (format!("{name}/manifests/nope"), "MANIFEST_UNKNOWN"),
        ("conformance/nobody/manifests/v1".into(), "NAME_UNKNOWN"),
        ("conformance/nobody/tags/list".into(), "NAME_UNKNOWN"),
    ] {
        assert_eq!(registry.get(&format!("/v2/{path}")).code(), code, "{path}");
    }
    for (method, path, allowed) in [
        (Method::GET, format!("{name}/blobs/sha256:totallywrong"), &[400, 404][..]),
        (Method::GET, format!("{name}/manifests/sha256:totallywrong"), &[400, 404]),
        (Method::PUT, format!("{name}/manifests/sha256:totallywrong"), &[400]),
        (Method::GET, "UPPER/CASE/manifests/v1".into(), &[400, 404]),
    ] {
        let answer = registry.ask(method, &format!("/v2/{path}"));
        assert!(allowed.contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.code().is_empty());
    }
}

#[test]
fn push_of_blobs() {
    let registry = Suite::start();
    let name = "conformance/push";
    let there = |digest: &Digest| registry.get(&format!("/v2/{name}/blobs/{digest}"));

    // Streamed: one PATCH, then the end.
    let content = b"streamed";
    let digest = sha256(content);
    let patched = registry.send(
        Method::PATCH,
        &registry.open(name),
        &[("content-type", "application/octet-stream")],
        content,
    );
    assert_eq!(patched.status, 202);
    let end = with_query(patched.header("location"), &format!("digest={digest}"));
    let ended = registry.send(Method::PUT, &end, &[], b"");
    assert_eq!(ended.status, 201);
    assert!(ended.header("location").ends_with(&format!("/v2/{name}/blobs/{digest}")));
    assert_eq!(there(&digest).body, content);

    // Monolithic, in one request and in two.
    let one = sha256(b"in one request");
    assert_eq!(there(&one).status, 404);
    let path = format!("/v2/{name}/blobs/uploads/?digest={one}");
    assert_eq!(registry.send(Method::POST, &path, &[], b"in one request").status, 201);
    assert_eq!(there(&one).body, b"in one request");
    let two = registry.blob(name, b"in two requests");
    assert_eq!(there(&two).status, 200);
    let empty = registry.blob(name, b"");
    assert_eq!(there(&empty).status, 200);

    // Chunked, in order only, and the state can be asked.
    let (first, second) = (b"first chunk, ".as_slice(), b"second chunk".as_slice());
    let whole = sha256(&[first, second].concat());
    let start = registry.open(name);
    let chunk = |at: &str, range: &str, bytes: &[u8]| {
        registry.send(
            Method::PATCH,
            at,
            &[("content-range", range), ("content-type", "application/octet-stream")],
            bytes,
        )
    };
    assert_eq!(chunk(&start, "13-24", second).status, 416, "out of order");
    let answer = chunk(&start, "0-12", first);
    assert_eq!((answer.status, answer.header("range")), (202, "0-12"));
    assert_eq!(chunk(&start, "0-12", first).status, 416, "the same again");
    let state = registry.get(&start);
    assert_eq!((state.status, state.header("range")), (204, "0-12"));
    assert_ne!(state.header("location"), "");
    let answer = chunk(state.header("location"), "13-24", second);
    assert_eq!((answer.status, answer.header("range")), (202, "0-24"));
    let end = with_query(answer.header("location"), &format!("digest={whole}"));
    assert_eq!(registry.send(Method::PUT, &end, &[], b"").status, 201);
    assert_eq!(there(&whole).body, [first, second].concat());
    assert_eq!(registry.get(&start).code(), "BLOB_UPLOAD_UNKNOWN");

    // Cancelled.
    let upload = registry.open(name);
    assert_eq!(registry.ask(Method::DELETE, &upload).status, 204);
    assert_eq!(registry.get(&upload).status, 404);

    // Wrong, or nothing at all.
    let end = with_query(&registry.open(name), &format!("digest={}", sha256(b"right")));
    let refused = registry.send(Method::PUT, &end, &[], b"wrong");
    assert_eq!((refused.status, refused.code().as_str()), (400, "DIGEST_INVALID"));
    let refused = registry.send(Method::PUT, &registry.open(name), &[], b"no digest");
    assert_eq!((refused.status, refused.code().as_str()), (400, "DIGEST_INVALID"));

    // Of the other algorithm.
    let long = sha512(b"x");
    let end = with_query(&registry.open(name), &format!("digest={long}"));
    assert_eq!(registry.send(Method::PUT, &end, &[], b"x").status, 201);
    assert_eq!(there(&long).body, b"x");
}

fn sha512(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA512, bytes);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::try_from(format!("sha512:{hex}")).unwrap()
}

#[test]
fn push_across_repositories() {
    let registry = Suite::start();
    let digest = registry.blob("conformance/from", b"shared");
    let mount = |query: &str| {
        registry.send(
            Method::POST,
            &format!("/v2/conformance/to/blobs/uploads/?{query}"),
            &[("content-length", "0")],
            b"",
        )
    };
    let there = || registry.get(&format!("/v2/conformance/to/blobs/{digest}"));
    // Not there: an upload is opened instead.
    let other = sha256(b"nowhere");
    for query in [
        format!("mount={other}&from=conformance/from"),
        format!("mount={other}"),
        format!("mount={digest}&from=conformance/nobody"),
    ] {
        let answer = mount(&query);
        assert_eq!(answer.status, 202, "{query}");
        assert!(answer.header("location").contains("/v2/conformance/to/blobs/uploads/"), "{query}");
        assert_eq!(there().status, 404);
    }
    let mounted = mount(&format!("mount={digest}&from=conformance/from"));
    assert_eq!(mounted.status, 201);
    assert!(mounted.header("location").ends_with(&format!("/v2/conformance/to/blobs/{digest}")));
    assert_eq!(there().body, b"shared");
    // Whoever does not say from where gets it from wherever it is.
    let anywhere = format!("/v2/conformance/third/blobs/uploads/?mount={digest}");
    assert_eq!(registry.send(Method::POST, &anywhere, &[("content-length", "0")], b"").status, 201);
    assert_eq!(registry.get(&format!("/v2/conformance/third/blobs/{digest}")).body, b"shared");
}

#[test]
fn push_of_manifests() {
    let registry = Suite::start();
    let name = "conformance/manifests";
    let manifest = registry.manifest(name, b"layer", json!({}));
    let digest = sha256(&manifest);
    assert_eq!(registry.get(&format!("/v2/{name}/manifests/{digest}")).status, 404);
    let names = ["tag0", "tag1", "tag2", "tag3", digest.as_ref()];
    for wanted in names {
        let answer = registry.put(name, wanted, MANIFEST, &manifest);
        assert_eq!(answer.status, 201, "{wanted}");
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        let at = registry.get(answer.header("location"));
        assert_eq!((at.status, sha256(&at.body)), (200, digest.clone()));
        assert_eq!(registry.get(&format!("/v2/{name}/manifests/{wanted}")).body, manifest);
    }
    // Without layers, with a subject that is not there yet, and an index of both.
    let config = registry.blob(name, b"{}");
    let bare = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": CONFIG, "digest": config, "size": 2}})
    .to_string();
    assert_eq!(registry.put(name, "bare", MANIFEST, bare.as_bytes()).status, 201);
    let subject = Descriptor::of(MediaType::ImageManifest, b"not yet");
    let about = registry.manifest(name, b"layer", json!({"subject": subject}));
    let answer = registry.put(name, sha256(&about).as_ref(), MANIFEST, &about);
    assert_eq!((answer.status, answer.header("oci-subject")), (201, subject.digest.as_ref()));
    let entries: Vec<_> = [manifest.as_slice(), bare.as_bytes()]
        .map(|bytes| json!({"mediaType": MANIFEST, "digest": sha256(bytes), "size": bytes.len()}))
        .into();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    assert_eq!(registry.put(name, "index", INDEX, index.as_bytes()).status, 201);
    let got = registry.get(&format!("/v2/{name}/manifests/index"));
    assert_eq!((got.header("content-type"), got.body.as_slice()), (INDEX, index.as_bytes()));
    // What cannot be.
    for (wanted, body, code) in [
        ("bad", b"{".as_slice(), "MANIFEST_INVALID"),
        (sha256(b"another").as_ref(), manifest.as_slice(), "DIGEST_INVALID"),
        ("orphan", orphan().as_bytes(), "MANIFEST_BLOB_UNKNOWN"),
    ] {
        let answer = registry.put(name, wanted, MANIFEST, body);
        assert!((400..=404).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.code(), code);
    }
}

/// A manifest whose blobs nobody has sent.
fn orphan() -> String {
    let nowhere = sha256(b"nowhere");
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": CONFIG, "digest": nowhere, "size": 7}})
    .to_string()
}

#[test]
fn content_discovery_of_tags() {
    let registry = Suite::start();
    let name = "conformance/tags";
    let manifest = registry.manifest(name, b"layer", json!({}));
    let tags = ["TagA", "TagB", "TagC", "TagD", "taga", "tagb", "tagc", "tagd", "v1.0.0", "_x"];
    for tag in tags {
        assert_eq!(registry.put(name, tag, MANIFEST, &manifest).status, 201);
    }
    let list = |query: &str| {
        let answer = registry.get(&format!("/v2/{name}/tags/list{query}"));
        assert_eq!(answer.status, 200);
        let document = answer.json();
        assert_eq!(document["name"], name);
        let tags = document["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
        (tags.collect::<Vec<_>>(), answer.header("link").to_owned())
    };
    let (all, link) = list("");
    assert_eq!((all.len(), link.as_str()), (tags.len(), ""));
    assert!(all.is_sorted(), "{all:?}");
    let (none, _) = list("?n=0");
    assert_eq!(none, Vec::<String>::new());
    let (four, link) = list("?n=4");
    assert_eq!(four, all[..4]);
    assert!(link.contains("rel=\"next\"") && link.starts_with(&format!("</v2/{name}/tags/list?")), "{link}");
    let (rest, _) = list(&format!("?n=4&last={}", four[3]));
    assert_eq!(rest, all[4..8]);
    // Link by link, everything once.
    let mut path = format!("/v2/{name}/tags/list?n=3");
    let mut seen = Vec::new();
    loop {
        let answer = registry.get(&path);
        let page = answer.json()["tags"].as_array().unwrap().clone();
        seen.extend(page.iter().map(|tag| tag.as_str().unwrap().to_owned()));
        let link = answer.header("link");
        let Some((next, _)) = link.strip_prefix('<').and_then(|link| link.split_once('>')) else { break };
        path = next.to_owned();
    }
    assert_eq!(seen, all);
}

#[test]
fn content_discovery_of_referrers() {
    let registry = Suite::start();
    let name = "conformance/referrers";
    let subject = registry.manifest(name, b"subject", json!({}));
    let at = json!({"mediaType": MANIFEST, "digest": sha256(&subject), "size": subject.len()});
    let absent = Descriptor::of(MediaType::ImageManifest, b"not there");
    let list = |digest: &Digest, query: &str| {
        let answer = registry.get(&format!("/v2/{name}/referrers/{digest}{query}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, INDEX));
        let document = answer.json();
        assert_eq!((&document["schemaVersion"], &document["mediaType"]), (&json!(2), &json!(INDEX)));
        (document["manifests"].as_array().unwrap().clone(), answer.header("oci-filters-applied").to_owned())
    };
    assert_eq!(list(&absent.digest, "").0.len(), 0);

    let empty = registry.blob(name, b"{}");
    let config = |media_type: &str| json!({"mediaType": media_type, "digest": empty, "size": 2});
    let artifact = |kind: &str, subject: &Value| {
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config(EMPTY),
            "layers": [], "subject": subject, "annotations": {"org.example.kind": kind}})
    };
    let documents = [
        (MANIFEST, artifact("application/vnd.a", &at)),
        (MANIFEST, artifact("application/vnd.b", &at)),
        // Without an artifact type the type of the config stands for it.
        (
            MANIFEST,
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config("application/vnd.c"),
            "layers": [], "subject": at}),
        ),
        (
            INDEX,
            json!({"schemaVersion": 2, "mediaType": INDEX, "artifactType": "application/vnd.d",
            "manifests": [], "subject": at, "annotations": {"org.example.kind": "application/vnd.d"}}),
        ),
        (MANIFEST, artifact("application/vnd.a", &json!(absent))),
    ];
    for (media_type, document) in &documents {
        let bytes = document.to_string();
        let answer = registry.put(name, sha256(bytes.as_bytes()).as_ref(), media_type, bytes.as_bytes());
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("oci-subject"), document["subject"]["digest"].as_str().unwrap());
    }
    // The subject may come later than those that refer to it.
    assert_eq!(registry.put(name, "subject", MANIFEST, &subject).status, 201);
    let (found, filters) = list(&sha256(&subject), "");
    assert_eq!((found.len(), filters.as_str()), (4, ""));
    for (media_type, document) in &documents[..4] {
        let bytes = document.to_string();
        let entry =
            found.iter().find(|entry| entry["digest"] == sha256(bytes.as_bytes()).to_string()).unwrap();
        assert_eq!((&entry["mediaType"], &entry["size"]), (&json!(media_type), &json!(bytes.len())));
        let kind = document.get("artifactType").unwrap_or(&document["config"]["mediaType"]);
        assert_eq!(entry["artifactType"], *kind);
        assert_eq!(entry.get("annotations"), document.get("annotations"));
    }
    let (filtered, filters) = list(&sha256(&subject), "?artifactType=application%2Fvnd.a");
    assert_eq!((filtered.len(), filters.as_str()), (1, "artifactType"));
    assert_eq!(list(&absent.digest, "").0.len(), 1);
    // A referrer that is deleted is listed no more.
    let gone = sha256(documents[0].1.to_string().as_bytes());
    assert_eq!(registry.ask(Method::DELETE, &format!("/v2/{name}/manifests/{gone}")).status, 202);
    assert_eq!(list(&sha256(&subject), "").0.len(), 3);
}

#[test]
fn content_management() {
    let registry = Suite::start();
    let name = "conformance/management";
    let digest = registry.image(name, "v1", b"layer");
    registry.image(name, "v2", b"layer");
    let delete = |path: &str| registry.ask(Method::DELETE, &format!("/v2/{name}/{path}"));
    let status = |path: &str| registry.get(&format!("/v2/{name}/{path}")).status;
    let tags = || registry.get(&format!("/v2/{name}/tags/list")).json()["tags"].clone();

    // A tag goes alone.
    assert_eq!(delete("manifests/v1").status, 202);
    assert_eq!(status("manifests/v1"), 404);
    assert_eq!(status(&format!("manifests/{digest}")), 200);
    assert_eq!(tags(), json!(["v2"]));
    // A manifest goes with its tags.
    assert_eq!(delete(&format!("manifests/{digest}")).status, 202);
    assert_eq!(status("manifests/v2"), 404);
    assert_eq!(status(&format!("manifests/{digest}")), 404);
    assert_eq!(tags(), json!([]));
    assert_eq!(delete(&format!("manifests/{digest}")).code(), "MANIFEST_UNKNOWN");
    // Blobs go each for itself.
    for content in [b"layer".as_slice(), b"{}"] {
        let blob = format!("blobs/{}", sha256(content));
        assert_eq!(delete(&blob).status, 202);
        assert_eq!(status(&blob), 404);
        assert_eq!(delete(&blob).code(), "BLOB_UNKNOWN");
    }
}
