//! The depot request by request, as the distribution specification (1.1) has it.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

use std::time::Duration;

use axum::body::Body;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, LOCATION, RANGE,
};
use http::{HeaderMap, Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_depot::{Access, Depot, Needed, Options};
use wharf_oci::{Digest, digest::sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

struct Registry {
    depot: Depot,
    directory: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().into()
    }
}

impl Registry {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { depot: Depot::open(directory.path(), options).unwrap(), directory }
    }

    async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], "").await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.depot.handle(request.body(body.into()).unwrap()).await;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 30).await.unwrap().to_vec();
        assert_eq!(head.headers["docker-distribution-api-version"], "registry/2.0");
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Opens an upload and gives its path.
    async fn open(&self, name: &str) -> String {
        let answer = self.ask("POST", &format!("/v2/{name}/blobs/uploads/")).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        answer.header(LOCATION).to_owned()
    }

    async fn put_blob(&self, name: &str, content: &'static [u8]) -> Digest {
        let digest = sha256(content);
        let path = format!("{}?digest={digest}", self.open(name).await);
        let answer = self.send("PUT", &path, &[], content).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        digest
    }

    /// Stores an image whose config is `content` under `tag` and gives its digest.
    async fn put_image(&self, name: &str, tag: &str, content: &'static [u8], more: Value) -> Digest {
        let config = self.put_blob(name, content).await;
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": content.len()}});
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let bytes = manifest.to_string();
        let answer = self
            .send("PUT", &format!("/v2/{name}/manifests/{tag}"), &[("content-type", MANIFEST)], bytes.clone())
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer.body));
        let digest = sha256(bytes.as_bytes());
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        assert_eq!(answer.header(LOCATION), format!("/v2/{name}/manifests/{digest}"));
        digest
    }
}

#[tokio::test]
async fn the_base_says_what_it_is() {
    let registry = Registry::new();
    assert_eq!(registry.ask("GET", "/v2/").await.status, StatusCode::OK);
    assert_eq!(registry.ask("GET", "/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(registry.ask("POST", "/v2/").await.code(), "UNSUPPORTED");
}

#[tokio::test]
async fn a_blob_in_one_request_or_two() {
    let registry = Registry::new();
    let digest = registry.put_blob("a/b", b"hello").await;
    let other = sha256(b"other");
    let answer = registry.send("POST", &format!("/v2/a/b/blobs/uploads/?digest={other}"), &[], "other").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    for (digest, content) in [(digest, "hello"), (other, "other")] {
        let answer = registry.ask("GET", &format!("/v2/a/b/blobs/{digest}")).await;
        assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, content.as_bytes()));
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        let answer = registry.ask("HEAD", &format!("/v2/a/b/blobs/{digest}")).await;
        assert_eq!((answer.header(CONTENT_LENGTH), answer.body.len()), ("5", 0));
    }
}

#[tokio::test]
async fn a_blob_in_chunks_in_order_only() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    let answer = registry.send("PATCH", &upload, &[("content-range", "0-4")], "hello").await;
    assert_eq!((answer.status, answer.header(RANGE)), (StatusCode::ACCEPTED, "0-4"));
    let answer = registry.send("PATCH", &upload, &[("content-range", "9-12")], "late").await;
    assert_eq!((answer.status, answer.header(RANGE)), (StatusCode::RANGE_NOT_SATISFIABLE, "0-4"));
    let answer = registry.ask("GET", &upload).await;
    assert_eq!((answer.status, answer.header(RANGE)), (StatusCode::NO_CONTENT, "0-4"));
    assert_eq!(registry.send("PATCH", &upload, &[], " wor").await.header(RANGE), "0-8");
    let path = format!("{upload}?digest={}", sha256(b"hello world"));
    let answer = registry.send("PUT", &path, &[("content-range", "20-21")], "ld").await;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        registry.send("PUT", &path, &[("content-range", "9-10")], "ld").await.status,
        StatusCode::CREATED
    );
    assert_eq!(registry.ask("GET", &upload).await.code(), "BLOB_UPLOAD_UNKNOWN");
    for range in ["x", "4-2", "-"] {
        let upload = registry.open("a").await;
        let answer = registry.send("PATCH", &upload, &[("content-range", range)], "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{range}");
    }
}

#[tokio::test]
async fn an_upload_goes_on_in_another_process() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    registry.send("PATCH", &upload, &[], "hello ").await;
    let depot = Depot::open(registry.directory.path(), Options::default()).unwrap();
    let other = Registry { depot, directory: tempfile::tempdir().unwrap() };
    let path = format!("{upload}?digest={}", sha256(b"hello world"));
    assert_eq!(other.send("PUT", &path, &[], "world").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_can_be_cancelled() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    assert_eq!(registry.ask("DELETE", &upload).await.status, StatusCode::NO_CONTENT);
    for method in ["GET", "DELETE", "PATCH"] {
        assert_eq!(registry.ask(method, &upload).await.code(), "BLOB_UPLOAD_UNKNOWN", "{method}");
    }
    assert_eq!(
        registry.ask("GET", "/v2/a/blobs/uploads/../../../etc/passwd").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(registry.ask("GET", "/v2/a/blobs/uploads/%2e%2e").await.code(), "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn content_that_is_not_its_digest_is_refused() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    for digest in ["", "nonsense", "md5:abc"] {
        let answer = registry.send("PUT", &format!("{upload}?digest={digest}"), &[], "").await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "DIGEST_INVALID".into()),
            "{digest}"
        );
        let _ = registry.open("a").await;
    }
    let upload = registry.open("a").await;
    let answer = registry.send("PUT", &format!("{upload}?digest={}", sha256(b"right")), &[], "wrong").await;
    assert_eq!(answer.code(), "DIGEST_INVALID");
    assert_eq!(
        registry.ask("GET", &format!("/v2/a/blobs/{}", sha256(b"right"))).await.code(),
        "BLOB_UNKNOWN"
    );
    assert_eq!(
        registry.ask("GET", &format!("/v2/a/blobs/{}", sha256(b"wrong"))).await.code(),
        "BLOB_UNKNOWN"
    );
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_has_it() {
    let registry = Registry::new();
    let digest = registry.put_blob("from", b"shared").await;
    let answer = registry.ask("POST", &format!("/v2/to/blobs/uploads/?mount={digest}&from=from")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header(LOCATION), format!("/v2/to/blobs/{digest}"));
    assert_eq!(registry.ask("GET", &format!("/v2/to/blobs/{digest}")).await.body, b"shared");
    for from in ["nobody", "../from", ""] {
        let path = format!("/v2/other/blobs/uploads/?mount={digest}&from={from}");
        let answer = registry.ask("POST", &path).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{from}");
        assert!(answer.header(LOCATION).starts_with("/v2/other/blobs/uploads/"));
    }
}

#[tokio::test]
async fn parts_of_blobs_are_given() {
    let registry = Registry::new();
    let digest = registry.put_blob("a", b"0123456789").await;
    let path = format!("/v2/a/blobs/{digest}");
    for (range, status, body, content_range) in [
        ("bytes=2-4", StatusCode::PARTIAL_CONTENT, "234", "bytes 2-4/10"),
        ("bytes=7-", StatusCode::PARTIAL_CONTENT, "789", "bytes 7-9/10"),
        ("bytes=-1", StatusCode::PARTIAL_CONTENT, "9", "bytes 9-9/10"),
        ("bytes=10-", StatusCode::RANGE_NOT_SATISFIABLE, "", "bytes */10"),
        ("lines=1", StatusCode::OK, "0123456789", ""),
    ] {
        let answer = registry.send("GET", &path, &[("range", range)], "").await;
        assert_eq!((answer.status, answer.body.as_slice()), (status, body.as_bytes()), "{range}");
        assert_eq!(answer.header(CONTENT_RANGE), content_range);
    }
    let etag = registry.ask("GET", &path).await.header(ETAG).to_owned();
    let answer = registry.send("GET", &path, &[(IF_NONE_MATCH.as_str(), &etag)], "").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn a_manifest_is_found_by_tag_and_by_digest_as_it_was_sent() {
    let registry = Registry::new();
    let digest = registry.put_image("a", "v1", b"{}", json!({})).await;
    for name in ["v1", digest.as_ref()] {
        let path = format!("/v2/a/manifests/{name}");
        let answer = registry.ask("GET", &path).await;
        assert_eq!((answer.status, sha256(&answer.body)), (StatusCode::OK, digest.clone()));
        assert_eq!(answer.header(CONTENT_TYPE), MANIFEST);
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        let head = registry.ask("HEAD", &path).await;
        assert_eq!(head.header(CONTENT_LENGTH), answer.body.len().to_string());
        let etag = answer.header(ETAG).to_owned();
        let known = registry.send("GET", &path, &[("if-none-match", &etag)], "").await;
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    }
    // A blob is no manifest, and a manifest of one repository is none of another.
    assert_eq!(
        registry.ask("GET", &format!("/v2/a/manifests/{}", sha256(b"{}"))).await.code(),
        "MANIFEST_UNKNOWN"
    );
    assert_eq!(registry.ask("GET", "/v2/a/manifests/v2").await.code(), "MANIFEST_UNKNOWN");
    assert_eq!(registry.ask("GET", "/v2/b/manifests/v1").await.code(), "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_that_is_wrong_is_refused() {
    let registry = Registry::new();
    let config = registry.put_blob("a", b"{}").await;
    let good = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config":
        {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}});
    let mut orphan = good.clone();
    orphan["config"]["digest"] = sha256(b"nowhere").to_string().into();
    let wrong = sha256(b"another").to_string();
    for (name, media_type, body, code) in [
        ("v1", MANIFEST, "{".to_owned(), "MANIFEST_INVALID"),
        ("v1", MANIFEST, "[]".to_owned(), "MANIFEST_INVALID"),
        ("v1", INDEX, good.to_string(), "MANIFEST_INVALID"),
        ("v1", MANIFEST, orphan.to_string(), "MANIFEST_BLOB_UNKNOWN"),
        (&wrong, MANIFEST, good.to_string(), "DIGEST_INVALID"),
        ("v1", MANIFEST, " ".repeat(5 << 20), "MANIFEST_INVALID"),
    ] {
        let answer = registry
            .send("PUT", &format!("/v2/a/manifests/{name}"), &[("content-type", media_type)], body)
            .await;
        assert!(answer.status.is_client_error());
        assert_eq!(answer.code(), code);
    }
    assert_eq!(registry.ask("GET", "/v2/a/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn tags_and_repositories_are_listed_in_pages() {
    let registry = Registry::new();
    for tag in ["c", "a", "b"] {
        registry.put_image("one/two", tag, b"{}", json!({})).await;
    }
    registry.put_blob("another", b"x").await;
    assert_eq!(
        registry.ask("GET", "/v2/one/two/tags/list").await.json(),
        json!({"name": "one/two", "tags": ["a", "b", "c"]})
    );
    let page = registry.ask("GET", "/v2/one/two/tags/list?n=2").await;
    assert_eq!(page.json()["tags"], json!(["a", "b"]));
    assert_eq!(page.header(LINK), "</v2/one/two/tags/list?n=2&last=b>; rel=\"next\"");
    let page = registry.ask("GET", "/v2/one/two/tags/list?n=2&last=b").await;
    assert_eq!((page.json()["tags"].clone(), page.header(LINK)), (json!(["c"]), ""));
    assert_eq!(registry.ask("GET", "/v2/one/two/tags/list?n=x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(registry.ask("GET", "/v2/nobody/tags/list").await.code(), "NAME_UNKNOWN");
    assert_eq!(
        registry.ask("GET", "/v2/_catalog").await.json(),
        json!({"repositories": ["another", "one/two"]})
    );
    assert_eq!(registry.ask("GET", "/v2/_catalog?n=1").await.json(), json!({"repositories": ["another"]}));
}

#[tokio::test]
async fn referrers_are_listed_and_filtered() {
    let registry = Registry::new();
    let image = registry.put_image("a", "v1", b"{}", json!({})).await;
    let about = json!({"artifactType": "application/x.note", "annotations": {"k": "v"},
        "subject": {"mediaType": MANIFEST, "digest": image, "size": 1}});
    let config = registry.put_blob("a", b"{}").await;
    let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config":
        {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}});
    manifest.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
    let bytes = manifest.to_string();
    let path = format!("/v2/a/manifests/{}", sha256(bytes.as_bytes()));
    let answer = registry.send("PUT", &path, &[("content-type", MANIFEST)], bytes).await;
    assert_eq!(answer.header("oci-subject"), image.to_string());

    let path = format!("/v2/a/referrers/{image}");
    let answer = registry.ask("GET", &path).await;
    assert_eq!(answer.header(CONTENT_TYPE), INDEX);
    let entry = answer.json()["manifests"][0].clone();
    assert_eq!(
        (entry["artifactType"].as_str(), entry["annotations"]["k"].as_str()),
        (Some("application/x.note"), Some("v"))
    );
    assert!(entry["annotations"].as_object().unwrap().len() == 1, "{entry}");
    let filtered = registry.ask("GET", &format!("{path}?artifactType=application%2Fx.note")).await;
    assert_eq!(
        (filtered.header("oci-filters-applied"), filtered.json()["manifests"].as_array().unwrap().len()),
        ("artifactType", 1)
    );
    let filtered = registry.ask("GET", &format!("{path}?artifactType=other")).await;
    assert_eq!(filtered.json()["manifests"], json!([]));
    for nothing in [format!("/v2/a/referrers/{}", sha256(b"?")), format!("/v2/nobody/referrers/{image}")] {
        assert_eq!(registry.ask("GET", &nothing).await.json()["manifests"], json!([]));
    }
}

#[tokio::test]
async fn tags_manifests_and_blobs_are_deleted_each_for_itself() {
    let registry = Registry::new();
    let digest = registry.put_image("a", "v1", b"{}", json!({})).await;
    let by_digest = format!("/v2/a/manifests/{digest}");
    assert_eq!(registry.ask("DELETE", "/v2/a/manifests/v1").await.status, StatusCode::ACCEPTED);
    assert_eq!(registry.ask("DELETE", "/v2/a/manifests/v1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(registry.ask("GET", &by_digest).await.status, StatusCode::OK);
    assert_eq!(registry.ask("DELETE", &by_digest).await.status, StatusCode::ACCEPTED);
    assert_eq!(registry.ask("GET", &by_digest).await.status, StatusCode::NOT_FOUND);
    let blob = format!("/v2/a/blobs/{}", sha256(b"{}"));
    assert_eq!(registry.ask("DELETE", &blob).await.status, StatusCode::ACCEPTED);
    assert_eq!(registry.ask("DELETE", &blob).await.code(), "BLOB_UNKNOWN");
}

#[tokio::test]
async fn options_forbid() {
    let registry = Registry::with(Options { allow_delete: false, ..Options::default() });
    let digest = registry.put_blob("a", b"x").await;
    assert_eq!(
        registry.ask("DELETE", &format!("/v2/a/blobs/{digest}")).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let upload = registry.open("a").await;
    assert_eq!(registry.ask("DELETE", &upload).await.status, StatusCode::NO_CONTENT);
    let registry = Registry::with(Options { read_only: true, ..Options::default() });
    assert_eq!(registry.ask("POST", "/v2/a/blobs/uploads/").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(registry.ask("GET", "/v2/_catalog").await.status, StatusCode::OK);
}

#[tokio::test]
async fn immutable_tags_take_the_same_again_and_nothing_else() {
    let registry = Registry::with(Options { immutable_tags: true, ..Options::default() });
    registry.put_image("a", "v1", b"{}", json!({})).await;
    registry.put_image("a", "v1", b"{}", json!({})).await;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let put = |headers: &'static [(&'static str, &'static str)]| {
        registry.send("PUT", "/v2/a/manifests/v1", headers, index.clone())
    };
    let answer = put(&[("content-type", INDEX)]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "DENIED".into()));
    assert_eq!(
        put(&[("content-type", INDEX), ("if-none-match", "*")]).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(registry.ask("DELETE", "/v2/a/manifests/v1").await.code(), "DENIED");
    // Nor by way of the manifest, with which its tags would go.
    let manifest = registry.ask("GET", "/v2/a/manifests/v1").await.body;
    let by_digest = format!("/v2/a/manifests/{}", sha256(&manifest));
    assert_eq!(registry.ask("DELETE", &by_digest).await.code(), "DENIED");
    let untagged = format!("/v2/a/manifests/{}", sha256(index.as_bytes()));
    let answer = registry.send("PUT", &untagged, &[("content-type", INDEX)], index.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(registry.ask("DELETE", &untagged).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn of_many_who_put_a_tag_that_must_be_absent_one_does() {
    let registry = Registry::new();
    let other = Depot::open(registry.directory.path(), Options::default()).unwrap();
    let puts = (0..16).map(|number| {
        let depot = if number % 2 == 0 { &registry.depot } else { &other };
        let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"n": number.to_string()}});
        let request = Request::put("/v2/a/manifests/slot").header("if-none-match", "*").header("content-type", INDEX);
        depot.handle(request.body(Body::from(body.to_string())).unwrap())
    });
    let answers = futures_util::future::join_all(puts).await;
    let created = answers.iter().filter(|answer| answer.status() == StatusCode::CREATED).count();
    let refused = answers.iter().filter(|answer| answer.status() == StatusCode::PRECONDITION_FAILED).count();
    assert_eq!((created, refused), (1, 15));
}

#[tokio::test]
async fn the_door_is_shut_to_those_without_the_token() {
    let registry = Registry::with(Options { access: Access::Token("t0ken".into()), ..Options::default() });
    let answer = registry.ask("GET", "/v2/").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, "UNAUTHORIZED".into()));
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    let answer = registry.send("GET", "/v2/", &[(AUTHORIZATION.as_str(), "Bearer t0ken")], "").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_upload_received_before_it_broke_off_counts() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    let pieces = futures_util::stream::iter([Ok("hello"), Err(std::io::Error::other("gone"))]);
    let answer = registry.send("PATCH", &upload, &[], Body::from_stream(pieces)).await;
    assert!(answer.status.is_client_error());
    assert_eq!(registry.ask("GET", &upload).await.header(RANGE), "0-4");
    let path = format!("{upload}?digest={}", sha256(b"hello!"));
    assert_eq!(
        registry.send("PUT", &path, &[("content-range", "5-5")], "!").await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn two_who_write_to_one_upload_do_not_mix() {
    let registry = Registry::new();
    let upload = registry.open("a").await;
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel::<()>();
    let slow = futures_util::stream::once(async move {
        // The body is read only once the upload is open.
        begin.send(()).unwrap();
        let _ = finished.await;
        Ok::<_, std::io::Error>("hello")
    });
    let request = Request::patch(&upload).body(Body::from_stream(slow)).unwrap();
    let depot = registry.depot.clone();
    let first = tokio::spawn(async move { depot.handle(request).await.status() });
    begun.await.unwrap();
    let second = registry.send("PATCH", &upload, &[], "").await.status;
    assert_eq!(second, StatusCode::CONFLICT);
    finish.send(()).unwrap();
    assert_eq!(first.await.unwrap(), StatusCode::ACCEPTED);
    assert_eq!(registry.ask("GET", &upload).await.header(RANGE), "0-4");
}

#[tokio::test]
async fn the_data_are_layouts_and_pruning_keeps_what_is_named() {
    let registry = Registry::new();
    let digest = registry.put_image("org/app", "v1", b"{}", json!({})).await;
    let loose = registry.put_blob("org/app", b"loose").await;
    let layout = wharf_registry::Layout::existing(registry.directory.path().join("org+app")).unwrap();
    assert_eq!(layout.resolve("v1").unwrap().unwrap().digest, digest);
    assert_eq!(registry.depot.prune(Needed::ByManifests, Duration::from_secs(60)).unwrap().blobs, 0);
    assert_eq!(registry.depot.needless(Needed::ByManifests, Duration::ZERO).unwrap().blobs, 1);
    assert_eq!(registry.depot.prune(Needed::ByManifests, Duration::ZERO).unwrap().blobs, 1);
    assert_eq!(registry.ask("GET", &format!("/v2/org/app/blobs/{loose}")).await.code(), "BLOB_UNKNOWN");
    assert_eq!(registry.ask("GET", "/v2/org/app/manifests/v1").await.status, StatusCode::OK);
}

/// What somebody has been told to be here stays until the manifest comes, whoever prunes meanwhile.
#[tokio::test]
async fn pruning_spares_what_a_push_under_way_relies_on() {
    let registry = Registry::new();
    let old = std::time::SystemTime::now() - Duration::from_secs(7200);
    let hour = Duration::from_secs(3600);
    let [looked, mounted, forgotten] = [
        registry.put_blob("a", b"1").await,
        registry.put_blob("a", b"2").await,
        registry.put_blob("a", b"3").await,
    ];
    for digest in [&looked, &mounted, &forgotten] {
        let path = registry.directory.path().join("a/blobs/sha256").join(digest.digest());
        std::fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(registry.ask("HEAD", &format!("/v2/a/blobs/{looked}")).await.status, StatusCode::OK);
    let mount = format!("/v2/b/blobs/uploads/?mount={mounted}&from=a");
    assert_eq!(registry.ask("POST", &mount).await.status, StatusCode::CREATED);
    assert_eq!(registry.depot.prune(Needed::ByManifests, hour).unwrap().blobs, 1);
    for (path, status) in [
        (format!("/v2/a/blobs/{looked}"), StatusCode::OK),
        (format!("/v2/b/blobs/{mounted}"), StatusCode::OK),
        (format!("/v2/a/blobs/{forgotten}"), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(registry.ask("GET", &path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn pruning_while_images_come_takes_nothing_from_them() {
    let registry = Registry::new();
    let depot = Depot::open(registry.directory.path(), Options::default()).unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let pruner = std::thread::spawn(move || {
        let mut rounds = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            depot.prune(Needed::ByManifests, Duration::from_secs(60)).unwrap();
            rounds += 1;
        }
        rounds
    });
    for number in 0..64 {
        registry
            .put_image("a", &format!("v{number}"), b"{}", json!({"annotations": {"n": number.to_string()}}))
            .await;
    }
    drop(stop);
    assert!(pruner.join().unwrap() > 0);
    for number in 0..64 {
        let answer = registry.ask("GET", &format!("/v2/a/manifests/v{number}")).await;
        let config = answer.json()["config"]["digest"].as_str().unwrap().to_owned();
        assert_eq!(registry.ask("GET", &format!("/v2/a/blobs/{config}")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn thousands_of_tags_and_repositories_come_in_pages() {
    let registry = Registry::new();
    let digest = registry.put_image("many", "first", b"{}", json!({})).await;
    let layout = registry.depot.layout("many").unwrap();
    let descriptor = layout.manifest_descriptor(wharf_registry::Name::Digest(&digest)).unwrap().unwrap();
    layout
        .update(|index| {
            for number in 0..5000 {
                let mut entry = descriptor.clone();
                entry.annotations.insert(wharf_registry::REF_NAME.into(), format!("v{number}"));
                index.manifests.push(entry);
            }
        })
        .unwrap();
    for number in 0..300 {
        registry.depot.layout(&format!("org/{number}")).unwrap();
    }
    for (path, member, expected) in
        [("/v2/many/tags/list?n=1000", "tags", 5001), ("/v2/_catalog?n=100", "repositories", 301)]
    {
        let mut next = path.to_owned();
        let (mut seen, mut pages) = (Vec::new(), 0);
        while !next.is_empty() {
            let answer = registry.ask("GET", &next).await;
            seen.extend(
                answer.json()[member]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned()),
            );
            let link = answer.header(LINK).to_owned();
            next = link
                .split_once('>')
                .map(|(link, _)| link.trim_start_matches('<').to_owned())
                .unwrap_or_default();
            pages += 1;
        }
        assert_eq!((seen.len(), seen.is_sorted()), (expected, true), "{path}");
        assert!(pages > 3, "{path}");
    }
}

/// Somebody who sends all before listening hears why it was refused, and not that the connection is gone.
#[test]
fn a_refusal_is_heard_by_whoever_is_still_sending() {
    use std::io::{Read, Write};
    let directory = tempfile::tempdir().unwrap();
    let options = Options { access: Access::Token("t0ken".into()), ..Options::default() };
    let running = Depot::open(directory.path(), options).unwrap().start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut connection = std::net::TcpStream::connect(running.address()).unwrap();
    let size = 32 << 20;
    let upload = "/v2/a/blobs/uploads/6f2d0a1e-0000-4000-8000-000000000000";
    let head =
        format!("PATCH {upload} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&vec![0; size]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever is asked, the answer is the sender's fault or a good one.
    #[test]
    fn no_request_is_too_odd(
        method in "(GET|HEAD|PUT|POST|PATCH|DELETE|ODD)",
        path in "/v2/(a|b/c|a%2Fb|\\.\\.|A)/(tags/list|_catalog|referrers/sha256:00|blobs/uploads/|blobs/uploads/x|blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855|manifests/(v1|sha256:1|\\.))(\\?(n|last|digest|mount|from|artifactType)=[a-z0-9:%/.-]{0,12}){0,1}",
        header in "(range|content-range|if-none-match|content-type|content-length|authorization)",
        value in "(bytes=|bytes |[0-9]{0,20}|-|/|\\*|W/|\"|[ -~]){0,6}",
        body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let registry = Registry::new();
            registry.put_image("a", "v1", b"{}", json!({})).await;
            let Ok(request) = Request::builder().method(&*method).uri(&path).header(&header, &value).body(Body::from(body))
            else {
                return StatusCode::BAD_REQUEST;
            };
            registry.depot.handle(request).await.status()
        });
        prop_assert!(!status.is_server_error(), "{method} {path} {header}: {value} is {status}");
    }
}

#[test]
fn a_depot_in_the_background_serves_and_ends() {
    use std::io::{Read, Write};
    let directory = tempfile::tempdir().unwrap();
    let depot = Depot::open(directory.path(), Options::default()).unwrap();
    let running = depot.start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut connection = std::net::TcpStream::connect(running.address()).unwrap();
    connection.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let address = running.address();
    drop(running);
    assert!(std::net::TcpStream::connect(address).is_err());
}
