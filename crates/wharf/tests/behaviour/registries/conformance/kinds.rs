//! Every kind of content that the specifications know, pushed, listed, found, read, referred to, and deleted again.

use http::Method;
use serde_json::{Value, json};
use wharf_oci::Digest;
use wharf_oci::digest::sha256;

use super::{CONFIG, EMPTY, INDEX, LAYER, MANIFEST, Suite, sha512, with_query};

const NAME: &str = "conformance/kinds";
const EXAMPLE: &str = "application/vnd.example.config.v1+json";
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Content of one kind, ready to be pushed.
struct Kind {
    digest_of: fn(&[u8]) -> Digest,
    blobs: Vec<Vec<u8>>,
    /// In the order in which they are pushed: what is pointed at comes first.
    manifests: Vec<Vec<u8>>,
    /// Tags, and the manifests by number.
    tags: Vec<(&'static str, usize)>,
}

impl Kind {
    fn new(digest_of: fn(&[u8]) -> Digest) -> Self {
        Self { digest_of, blobs: Vec::new(), manifests: Vec::new(), tags: Vec::new() }
    }

    fn descriptor(&self, media_type: &str, bytes: &[u8]) -> Value {
        json!({"mediaType": media_type, "digest": (self.digest_of)(bytes), "size": bytes.len()})
    }

    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let descriptor = self.descriptor(media_type, &bytes);
        self.blobs.push(bytes);
        descriptor
    }

    /// Adds a manifest or an index, and gives its descriptor.
    fn document(&mut self, document: &Value) -> Value {
        let bytes = document.to_string().into_bytes();
        let descriptor = self.descriptor(document["mediaType"].as_str().unwrap(), &bytes);
        self.manifests.push(bytes);
        descriptor
    }

    /// An image of three layers for an architecture.
    fn image(&mut self, name: &str, architecture: &str) -> Value {
        let layers: Vec<Value> =
            (0..3).map(|nth| self.blob(LAYER, format!("{name} {architecture} {nth}").into_bytes())).collect();
        let config = json!({"architecture": architecture, "os": "linux", "name": name,
            "rootfs": {"type": "layers", "diff_ids": []}});
        let config = self.blob(CONFIG, config.to_string().into_bytes());
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    }

    fn artifact(&mut self, name: &str, layer: &str) -> Value {
        let config = self.blob(EMPTY, b"{}".to_vec());
        let layer = self.blob(layer, format!("artifact {name}").into_bytes());
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": EXAMPLE, "config": config,
            "layers": [layer]})
    }

    /// An index of images for all platforms, which are added before it.
    fn index(&mut self, name: &str) -> Value {
        let entries: Vec<Value> = PLATFORMS
            .iter()
            .map(|architecture| {
                let image = self.image(name, architecture);
                let entry = self.document(&image);
                with(entry, json!({"platform": {"os": "linux", "architecture": architecture}}))
            })
            .collect();
        index_of(entries)
    }

    fn tagged(mut self, tag: &'static str) -> Self {
        self.tags.push((tag, self.manifests.len() - 1));
        self
    }

    /// Of one document.
    fn of(make: impl FnOnce(&mut Self) -> Value) -> Self {
        let mut kind = Self::new(sha256);
        let document = make(&mut kind);
        kind.document(&document);
        kind.tagged("v1")
    }
}

fn index_of(entries: Vec<Value>) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// All kinds by name.
fn kinds() -> Vec<(&'static str, Kind)> {
    let note = json!({"annotations": {"org.example.note": "hello"}});
    vec![
        ("image", Kind::of(|kind| kind.image("image", "amd64"))),
        ("image-uncompressed", Kind::of(uncompressed)),
        ("large-manifest", Kind::of(large)),
        ("index", Kind::of(|kind| kind.index("index"))),
        ("nested-index", Kind::of(nested)),
        ("empty-index", Kind::of(|_| index_of(Vec::new()))),
        ("artifact", Kind::of(|kind| kind.artifact("one", EXAMPLE))),
        (
            "artifact-index",
            Kind::of(|kind| {
                let artifact = kind.artifact("listed", EXAMPLE);
                let entry = kind.document(&artifact);
                with(index_of(vec![entry]), json!({"artifactType": EXAMPLE}))
            }),
        ),
        (
            "artifact-without-layers",
            Kind::of(|kind| {
                let empty = kind.blob(EMPTY, b"{}".to_vec());
                json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": EXAMPLE, "config": empty,
                    "layers": [empty]})
            }),
        ),
        ("artifacts-with-subject", about(&note)),
        ("index-with-subject", index_about(&note)),
        (
            "missing-subject",
            Kind::of(|kind| {
                let subject = json!({"mediaType": MANIFEST, "digest": sha256(b"missing"), "size": 123});
                with(with(kind.artifact("lonely", EXAMPLE), note.clone()), json!({"subject": subject}))
            }),
        ),
        ("data-field", Kind::of(data_field)),
        ("non-distributable", Kind::of(foreign)),
        (
            "custom-fields",
            Kind::of(|kind| with(kind.index("custom"), json!({"org.example.custom": [1, {}]}))),
        ),
        (
            "no-layers",
            Kind::of(|kind| {
                let config = kind.blob(CONFIG, b"{\"os\":\"linux\",\"architecture\":\"amd64\"}".to_vec());
                json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []})
            }),
        ),
        ("sha512", {
            let mut kind = Kind::new(sha512);
            let index = kind.index("sha512");
            kind.document(&index);
            kind
        }),
    ]
}

fn uncompressed(kind: &mut Kind) -> Value {
    let plain = LAYER.trim_end_matches("+gzip");
    let layer = kind.blob(plain, b"a tar".to_vec());
    with(kind.image("uncompressed", "amd64"), json!({"layers": [layer]}))
}

/// Just below the 4 MiB that a registry has to take.
fn large(kind: &mut Kind) -> Value {
    let annotations: serde_json::Map<_, _> =
        (0..390).map(|nth| (format!("annotation-{nth}"), "A".repeat(10_000).into())).collect();
    with(kind.image("large", "amd64"), json!({"annotations": annotations}))
}

fn nested(kind: &mut Kind) -> Value {
    let inner: Vec<Value> = ["one", "two"]
        .iter()
        .map(|name| {
            let index = kind.index(name);
            kind.document(&index)
        })
        .collect();
    index_of(inner)
}

fn data_field(kind: &mut Kind) -> Value {
    let mut image = kind.image("data", "amd64");
    // base64 of "data amd64 0"
    image["layers"][0]["data"] = "ZGF0YSBhbWQ2NCAw".into();
    image
}

/// Two layers that may not be distributed, and that the registry therefore never gets, and one of its own.
fn foreign(kind: &mut Kind) -> Value {
    let layer = |media_type: &str, name: &str| {
        let digest = sha256(name.as_bytes());
        json!({"mediaType": media_type, "digest": digest, "size": 123_456,
            "urls": [format!("https://store.example.com/{}", digest.digest())]})
    };
    let nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    let own = kind.blob(LAYER, b"of its own".to_vec());
    let layers =
        [layer(&format!("{nondistributable}+gzip"), "first"), layer(nondistributable, "second"), own];
    with(kind.image("foreign", "amd64"), json!({"layers": layers}))
}

/// An image, and three artifacts about it: one without a type of its own, two with different annotations.
fn about(note: &Value) -> Kind {
    let mut kind = Kind::new(sha256);
    let image = kind.image("subject", "amd64");
    let subject = json!({"subject": kind.document(&image)});
    let mut kind = kind.tagged("image");
    let untyped = with(kind.image("about", "amd64"), subject.clone());
    kind.document(&untyped);
    for (tag, name) in [("artifact-1", "a"), ("artifact-2", "b")] {
        let artifact =
            with(with(kind.artifact(name, "application/octet-stream"), note.clone()), subject.clone());
        kind.document(&with(artifact, json!({"artifactType": format!("application/vnd.example.{name}")})));
        kind = kind.tagged(tag);
    }
    kind
}

fn index_about(note: &Value) -> Kind {
    let mut kind = Kind::new(sha256);
    let index = kind.index("subject");
    let subject = json!({"subject": kind.document(&index), "artifactType": EXAMPLE});
    let mut kind = kind.tagged("index");
    let artifact = kind.artifact("listed", EXAMPLE);
    let entry = kind.document(&artifact);
    kind.document(&with(with(index_of(vec![entry]), note.clone()), subject));
    kind.tagged("artifact")
}

fn parsed(manifest: &[u8]) -> Value {
    serde_json::from_slice(manifest).unwrap()
}

impl Suite {
    fn put_kind(&self, kind: &Kind) {
        for blob in &kind.blobs {
            let digest = (kind.digest_of)(blob);
            let end = with_query(&self.open(NAME), &format!("digest={digest}"));
            let octets = [("content-type", "application/octet-stream")];
            assert_eq!(self.send(Method::PUT, &end, &octets, blob).status, 201);
        }
        let by_digest = kind.manifests.iter().map(|bytes| ((kind.digest_of)(bytes).to_string(), bytes));
        let by_tag = kind.tags.iter().map(|(tag, nth)| ((*tag).to_owned(), &kind.manifests[*nth]));
        for (name, bytes) in by_digest.chain(by_tag) {
            let document = parsed(bytes);
            let media_type = document["mediaType"].as_str().unwrap();
            let path = format!("/v2/{NAME}/manifests/{name}");
            let put = self.stream(Method::PUT, &path, &[("content-type", media_type)], bytes);
            assert_eq!(put.status, 201, "{name}: {put:?}");
            assert_eq!(put.header("docker-content-digest"), (kind.digest_of)(bytes).to_string());
            if let Some(subject) = document["subject"]["digest"].as_str() {
                assert_eq!(put.header("oci-subject"), subject);
            }
            assert_eq!(self.get(put.header("location")).body, *bytes);
        }
    }

    fn assert_listed(&self, kind: &Kind) {
        let list = |query: &str| self.get(&format!("/v2/{NAME}/tags/list{query}")).json()["tags"].clone();
        let all: Vec<Value> = list("").as_array().unwrap().clone();
        assert!(kind.tags.iter().all(|(tag, _)| all.contains(&json!(tag))), "{all:?}");
        if all.len() >= 2 {
            let half = all.len() / 2;
            let last = all[half - 1].as_str().unwrap();
            assert_eq!(list(&format!("?last={last}")), json!(all[half..]));
        }
    }

    fn assert_read(&self, kind: &Kind) {
        let by_digest = kind.manifests.iter().map(|bytes| ((kind.digest_of)(bytes).to_string(), bytes));
        let by_tag = kind.tags.iter().map(|(tag, nth)| ((*tag).to_owned(), &kind.manifests[*nth]));
        for (name, bytes) in by_digest.chain(by_tag) {
            for method in [Method::HEAD, Method::GET] {
                let accept = [("accept", MANIFEST), ("accept", INDEX)];
                let path = format!("/v2/{NAME}/manifests/{name}");
                let found = self.send(method.clone(), &path, &accept, b"");
                let document = parsed(bytes);
                assert_eq!(
                    (found.status, found.header("content-type")),
                    (200, document["mediaType"].as_str().unwrap())
                );
                assert_eq!(found.header("content-length"), bytes.len().to_string());
                assert_eq!(found.header("docker-content-digest"), (kind.digest_of)(bytes).to_string());
                assert!(found.body == if method == Method::GET { &**bytes } else { b"" }, "{name}");
            }
        }
        for blob in &kind.blobs {
            let path = format!("/v2/{NAME}/blobs/{}", (kind.digest_of)(blob));
            assert_eq!(self.ask(Method::HEAD, &path).header("content-length"), blob.len().to_string());
            assert_eq!(self.get(&path).body, *blob);
        }
    }

    /// Every subject has its referrers, all together and by type.
    fn assert_referred(&self, kind: &Kind) {
        let referring: Vec<(Value, Value)> = kind
            .manifests
            .iter()
            .map(|bytes| (parsed(bytes), bytes))
            .filter(|(document, _)| document["subject"].is_object())
            .map(|(document, bytes)| {
                let media_type = document["mediaType"].as_str().unwrap().to_owned();
                let artifact = document.get("artifactType").unwrap_or(&document["config"]["mediaType"]);
                let mut entry = with(kind.descriptor(&media_type, bytes), json!({"artifactType": artifact}));
                if let Some(annotations) = document.get("annotations") {
                    entry["annotations"] = annotations.clone();
                }
                (document["subject"]["digest"].clone(), entry)
            })
            .collect();
        for (subject, entry) in &referring {
            let path = format!("/v2/{NAME}/referrers/{}", subject.as_str().unwrap());
            let all = self.get(&path);
            assert_eq!((all.status, all.header("content-type")), (200, INDEX));
            assert_eq!((&all.json()["schemaVersion"], &all.json()["mediaType"]), (&json!(2), &json!(INDEX)));
            assert!(all.json()["manifests"].as_array().unwrap().contains(entry), "{entry}: {:?}", all.json());
            let wanted = entry["artifactType"].as_str().unwrap().replace('/', "%2F").replace('+', "%2B");
            let some = self.get(&format!("{path}?artifactType={wanted}"));
            assert_eq!(some.header("oci-filters-applied"), "artifactType");
            let of_type: Vec<Value> = referring
                .iter()
                .filter(|(about, other)| about == subject && other["artifactType"] == entry["artifactType"])
                .map(|(_, other)| other.clone())
                .collect();
            assert_eq!(some.json()["manifests"], json!(of_type));
        }
    }

    /// Tags first, then manifests from the outside in, then blobs; each is gone at once.
    fn delete_kind(&self, kind: &Kind) {
        let tags = kind.tags.iter().map(|(tag, _)| format!("manifests/{tag}"));
        let manifests =
            kind.manifests.iter().rev().map(|bytes| format!("manifests/{}", (kind.digest_of)(bytes)));
        let mut blobs: Vec<String> =
            kind.blobs.iter().map(|blob| format!("blobs/{}", (kind.digest_of)(blob))).collect();
        blobs.sort();
        blobs.dedup();
        for place in tags.chain(manifests).chain(blobs) {
            let path = format!("/v2/{NAME}/{place}");
            assert_eq!(self.ask(Method::DELETE, &path).status, 202, "{place}");
            assert_eq!(self.ask(Method::HEAD, &path).status, 404, "{place}");
        }
    }
}

#[test]
fn every_kind_of_content_is_pushed_found_and_deleted() {
    let registry = Suite::start();
    for (name, kind) in kinds() {
        println!("{name}");
        registry.put_kind(&kind);
        registry.assert_listed(&kind);
        registry.assert_read(&kind);
        registry.assert_referred(&kind);
        registry.delete_kind(&kind);
    }
    // A manifest that is not its digest, with every part of it there.
    let kind = Kind::of(|kind| kind.image("bad", "amd64"));
    registry.put_kind(&kind);
    let spoilt = [&kind.manifests[0][..], b"  "].concat();
    let answer = registry.put(NAME, sha256(&kind.manifests[0]).as_ref(), MANIFEST, &spoilt);
    assert_eq!((answer.status, &*answer.code()), (400, "DIGEST_INVALID"));
}
