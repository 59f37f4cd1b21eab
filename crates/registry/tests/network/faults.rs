//! Transfers under faults: they complete, or say why not, and send nothing again that had arrived.

use std::time::Duration;

use crate::support::{client, client_with, layout, reference, settings, tags};
use http::Method;
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{
    Cause, Client, Credentials, Error, Layout, Login, Name, Outcome, Pulled, Result, Settings, Store, pull,
    push,
};
use wharf_testkit::{Cutter, DebianRegistry, Doorman, Fault, FaultyRegistry, TokenServer, When, fixture};

const MIB: u64 = 1 << 20;

/// An image with a large layer, a registry, and two layouts.
pub(crate) struct Scene {
    pub(crate) registry: FaultyRegistry,
    pub(crate) image: Descriptor,
    here: Layout,
    pub(crate) there: Layout,
    pub(crate) to: Reference,
    _directories: [tempfile::TempDir; 2],
}

impl Scene {
    pub(crate) fn new(size: u64) -> Self {
        Self::at(FaultyRegistry::start(), size)
    }

    pub(crate) fn at(registry: FaultyRegistry, size: u64) -> Self {
        let (a, here) = layout();
        let (b, there) = layout();
        let image = fixture::bulky_image(&here, size);
        let to = reference(&registry.host(), "org/model");
        Self { registry, image, here, there, to, _directories: [a, b] }
    }

    pub(crate) async fn push(&self, client: &Client) -> Result<u64, Error> {
        let pushed = push(&self.here, &self.image, client, &self.to, &tags(&["v1"]), &|_| {}).await?;
        Ok(pushed.bytes(Outcome::Transferred))
    }

    pub(crate) async fn pull(&self, client: &Client) -> Result<Pulled, Error> {
        let platform = Platform::new("linux", "amd64", None);
        pull(client, &self.to.with_tag("v1").unwrap(), &platform, &self.there, &|_| {}).await
    }

    /// The hexadecimal digest of the layer, as it stands in paths and, encoded, in queries.
    pub(crate) fn layer(&self) -> String {
        let blobs = self.here.blobs().unwrap();
        let (largest, _) = blobs.iter().max_by_key(|(_, size)| **size).unwrap();
        largest.digest().to_owned()
    }

    /// The bytes of the bodies of all uploads of blobs.
    fn uploaded(&self) -> u64 {
        self.registry
            .seen()
            .iter()
            .filter(|seen| seen.path.contains("/blobs/uploads/"))
            .map(|seen| seen.received)
            .sum()
    }

    fn downloaded(&self) -> u64 {
        self.registry.seen_of(Method::GET, "/blobs/").iter().map(|seen| seen.sent).sum()
    }

    fn blobs_size(&self) -> u64 {
        self.here.blobs().unwrap().values().sum::<u64>() - self.image.size
    }

    /// Checks that the registry has the image, whole.
    pub(crate) fn assert_arrived(&self) {
        let layout = self.registry.depot().layout("org/model").unwrap();
        let descriptor = layout.manifest_descriptor(Name::Tag("v1")).unwrap().unwrap();
        assert_eq!(descriptor.digest, self.image.digest);
        for (digest, size) in layout.blobs().unwrap() {
            layout.verify(&Descriptor::new(wharf_oci::MediaType::ImageLayer, digest, size)).unwrap();
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_reset_goes_on_where_it_stopped() {
    let scene = Scene::new(8 * MIB);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(3 * MIB));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/"), Fault::ResetUpload(2 * MIB));
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
    assert_eq!(scene.uploaded(), scene.blobs_size(), "no byte twice");
    assert_eq!(scene.registry.seen_of(Method::PATCH, "").len(), 2);
}

/// A client that leaves notes on its uploads, and gives up at the first failure.
fn forgetful(notes: &std::path::Path) -> Client {
    client_with(Settings { uploads: Some(notes.into()), retries: 0, ..settings() })
}

#[tokio::test]
async fn an_upload_goes_on_in_the_next_process() {
    let scene = Scene::new(8 * MIB);
    let notes = tempfile::tempdir().unwrap();
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(3 * MIB));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/"), Fault::ResetUpload(2 * MIB));
    for _ in 0..2 {
        scene.push(&forgetful(notes.path())).await.unwrap_err();
        assert_eq!(std::fs::read_dir(notes.path()).unwrap().count(), 1);
    }
    scene.push(&forgetful(notes.path())).await.unwrap();
    scene.assert_arrived();
    assert_eq!(scene.uploaded(), scene.blobs_size(), "no byte twice");
    assert_eq!(std::fs::read_dir(notes.path()).unwrap().count(), 0, "what is done is forgotten");
}

#[tokio::test]
async fn an_upload_whose_end_was_not_heard_of_is_not_sent_again() {
    let scene = Scene::new(4 * MIB);
    let notes = tempfile::tempdir().unwrap();
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::LoseAnswer);
    scene.push(&forgetful(notes.path())).await.unwrap_err();
    scene.push(&forgetful(notes.path())).await.unwrap();
    scene.assert_arrived();
    assert_eq!(scene.uploaded(), scene.blobs_size(), "no byte twice");
}

#[tokio::test]
async fn an_upload_that_only_this_side_remembers_begins_again() {
    let scene = Scene::new(4 * MIB);
    let notes = tempfile::tempdir().unwrap();
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(MIB));
    scene.push(&forgetful(notes.path())).await.unwrap_err();
    // The registry has lost it meanwhile, or is another one under the same name.
    let uploads = scene.registry.depot().layout("org/model").unwrap().root().join("uploads");
    std::fs::remove_dir_all(uploads).unwrap();
    scene.push(&forgetful(notes.path())).await.unwrap();
    scene.assert_arrived();
    assert_eq!(std::fs::read_dir(notes.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn two_pushes_of_one_layer_do_not_take_each_others_upload() {
    let scene = Scene::new(16 * MIB);
    let notes = tempfile::tempdir().unwrap();
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(MIB));
    scene.push(&forgetful(notes.path())).await.unwrap_err();
    let (one, two) = (forgetful(notes.path()), forgetful(notes.path()));
    let (one, two) = tokio::join!(scene.push(&one), scene.push(&two));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    scene.assert_arrived();
}

#[tokio::test]
async fn an_answer_that_is_lost_costs_nothing() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::next(Method::PUT, "/blobs/uploads/").times(2), Fault::LoseAnswer);
    scene.registry.fail(When::next(Method::PUT, "/manifests/").times(2), Fault::LoseAnswer);
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
    assert_eq!(scene.uploaded(), scene.blobs_size());
}

#[tokio::test]
async fn an_upload_that_the_registry_forgot_begins_again() {
    let scene = Scene::new(2 * MIB);
    scene.registry.fail(When::next(Method::PUT, "/blobs/uploads/").times(2), Fault::LoseUpload);
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
}

#[tokio::test]
async fn errors_of_the_server_are_waited_out() {
    let scene = Scene::new(MIB);
    for (status, path) in [(500, "/blobs/uploads/"), (502, "/manifests/"), (503, "/blobs/"), (504, "/v2/")] {
        scene.registry.fail(When::any(path).times(2), Fault::Status(status, None));
    }
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
    scene.registry.fail(When::any("/manifests/").times(2), Fault::Status(503, None));
    scene.registry.fail(When::any("/blobs/").times(3), Fault::Status(500, None));
    scene.pull(&client()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stays_broken_is_named_in_the_end() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::any("/blobs/uploads/").times(1000), Fault::Status(503, None));
    let error = scene.push(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Refused { status: 503, .. }), "{error:?}");
    assert!(error.to_string().starts_with("pushing blob sha256:"), "{error}");
    assert!(error.to_string().contains(&scene.registry.host()), "{error}");
}

#[tokio::test]
async fn a_registry_gets_the_time_it_asks_for_but_not_any_time() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::next(Method::POST, "/blobs/uploads/"), Fault::Status(429, Some(1)));
    let begin = std::time::Instant::now();
    scene.push(&client()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    scene.registry.fail(When::any("/").times(1000), Fault::Status(429, Some(100_000)));
    let error = scene.push(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::RateLimited { retry_after: Some(_), .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_of_an_upload_is_renewed() {
    let tokens = TokenServer::for_account("ann", "s3cret");
    let scene = Scene::at(FaultyRegistry::with_tokens(tokens.clone()), 8 * MIB);
    let login = Login::Password { username: "ann".into(), password: "s3cret".into() };
    let credentials = Credentials::default().with(scene.registry.host(), login);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(3 * MIB));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/"), Fault::ExpireTokens);
    let client = client_with(Settings { credentials, ..settings() });
    scene.push(&client).await.unwrap();
    scene.assert_arrived();
    assert_eq!(tokens.asked().len(), 2);
}

#[tokio::test]
async fn a_download_that_is_reset_goes_on_where_it_stopped() {
    let scene = Scene::new(8 * MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.forget_seen();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::ResetAnswer(3 * MIB));
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::CutAnswer(2 * MIB));
    let pulled = scene.pull(&client()).await.unwrap();
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();
    // What was under way in a connection's buffers when it broke may come twice, no more.
    assert!(scene.downloaded() < scene.blobs_size() + 3 * MIB, "{}", scene.downloaded());
    assert_eq!(scene.registry.seen_of(Method::GET, "/blobs/").len(), 4);
}

#[tokio::test]
async fn a_download_goes_on_in_the_next_process() {
    let scene = Scene::new(4 * MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1).times(100), Fault::CutAnswer(MIB));
    let error = scene.pull(&client_with(Settings { retries: 0, ..settings() })).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Truncated { .. }), "{error:?}");
    assert!(error.to_string().contains("stopped at 1.0 MB"), "{error}");

    let scene = Scene { registry: moved(&scene), ..scene };
    let layer = scene.there.blobs().unwrap().len();
    assert_eq!(layer, 2, "manifest and config, not the layer");
}

/// The same registry, for a process that comes later.
fn moved(scene: &Scene) -> FaultyRegistry {
    let registry = FaultyRegistry::start();
    let layout = registry.depot().layout("org/model").unwrap();
    for digest in scene.here.blobs().unwrap().keys() {
        layout.take_from(&scene.here, digest).unwrap();
    }
    registry
}

#[tokio::test]
async fn spoilt_content_is_fetched_once_more_and_never_kept() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::SpoilAnswer);
    let pulled = scene.pull(&client()).await.unwrap();
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();

    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1).times(100), Fault::SpoilAnswer);
    let error = scene.pull(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Corrupt { .. }), "{error:?}");
    assert_eq!(scene.there.blobs().unwrap().len(), 2);
}

#[tokio::test]
async fn a_spoilt_manifest_is_noticed() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::any("/manifests/").times(100), Fault::SpoilAnswer);
    let error = scene.pull(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_given_up() {
    let scene = Scene::new(2 * MIB);
    let impatient = || client_with(Settings { stall: Duration::from_millis(200), ..settings() });
    scene.push(&client()).await.unwrap();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::StallAnswer(MIB));
    scene.pull(&impatient()).await.unwrap();

    let scene = Scene::new(32 * MIB);
    scene.registry.fail(When::next(Method::PUT, "/blobs/uploads/").times(2), Fault::StallRequest);
    scene.push(&impatient()).await.unwrap();
    scene.assert_arrived();
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_credentials() {
    let tokens = TokenServer::for_account("ann", "s3cret");
    let scene = Scene::at(FaultyRegistry::with_tokens(tokens), MIB);
    let login = Login::Password { username: "ann".into(), password: "s3cret".into() };
    let credentials = Credentials::default().with(scene.registry.host(), login);
    let client = client_with(Settings { credentials, ..settings() });
    scene.push(&client).await.unwrap();
    let elsewhere = moved(&scene);
    scene
        .registry
        .fail(When::any("/blobs/").times(100), Fault::Redirect(format!("http://{}", elsewhere.host())));
    let pulled = scene.pull(&client).await.unwrap();
    scene.there.verify(&pulled.manifest.layers[0]).unwrap();
    let seen = elsewhere.seen_of(Method::GET, "/blobs/");
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said_to_be_so() {
    let (_directory, here) = layout();
    let from = reference("127.0.0.1:9", "app").with_tag("v1").unwrap();
    let error = pull(&client(), &from, &Platform::host(), &here, &|_| {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Unreachable { .. }), "{error:?}");
    let source = std::error::Error::source(error.cause()).unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test]
async fn the_deadline_ends_everything() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::any("/").times(1000), Fault::StallRequest);
    let client = client_with(Settings { deadline: Some(Duration::from_millis(100)), ..settings() });
    let error = scene.push(&client).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Deadline { .. }), "{error:?}");
}

#[tokio::test]
async fn a_layer_that_goes_bad_on_the_way_is_sent_once_more() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::SpoilUpload);
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();

    let scene = Scene::new(MIB);
    scene.registry.fail(When::any(&scene.layer()).times(100), Fault::SpoilUpload);
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/").times(100), Fault::SpoilUpload);
    let error = scene.push(&client()).await.unwrap_err();
    assert!(error.to_string().starts_with("pushing blob sha256:"), "{error}");
    assert!(error.cause().to_string().contains("the content of sha256:"), "{}", error.cause());
    let repository = client().repository(&scene.to).unwrap();
    assert_eq!(repository.tags().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_layer_that_went_bad_on_this_side_is_named_before_it_is_published() {
    let scene = Scene::new(MIB);
    let layer = scene.here.blobs().unwrap().into_iter().find(|(_, size)| *size == MIB).unwrap().0;
    let mut bytes = std::fs::read(scene.here.path(&layer)).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(scene.here.path(&layer), bytes).unwrap();
    let error = scene.push(&client()).await.unwrap_err();
    let Cause::Corrupt { expected, .. } = error.cause() else { panic!("{error:?}") };
    assert_eq!(*expected, layer);
    let repository = client().repository(&scene.to).unwrap();
    assert_eq!(repository.tags().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_registry_that_refuses_large_requests_gets_pieces() {
    let scene = Scene::new(5 * MIB);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::Status(413, None));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/").times(1), Fault::Status(413, None));
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
    assert!(scene.registry.seen_of(Method::PATCH, "").len() > 2);
}

#[tokio::test]
async fn an_immutable_tag_stays_and_the_same_image_again_is_welcome() {
    let options = wharf_depot::Options { immutable_tags: true, ..Default::default() };
    let scene = Scene::at(FaultyRegistry::with(options, None), MIB);
    scene.push(&client()).await.unwrap();
    scene.push(&client()).await.unwrap();
    let other = fixture::bulky_image(&scene.here, 2 * MIB);
    let error = push(&scene.here, &other, &client(), &scene.to, &tags(&["v1"]), &|_| {}).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Immutable { .. }), "{error:?}");
    scene.assert_arrived();
}

/// Distribution 2.8 keeps the offset of an upload in its location, so an upload of which part of a request has
/// arrived is lost to it. There is nothing to resume, but the push must get over it.
#[tokio::test]
async fn a_push_to_debians_registry_gets_over_a_wire_that_is_cut() {
    let Some(registry) = DebianRegistry::start(&Doorman::Nobody) else { return };
    let (_here, here) = layout();
    let image = fixture::bulky_image(&here, 24 * MIB);
    let wire = Cutter::to(&registry.host(), 2, 6 * MIB);
    let to = reference(&wire.host(), "org/model");
    push(&here, &image, &client(), &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let direct = client().repository(&reference(&registry.host(), "org/model")).unwrap();
    assert_eq!(direct.head(Name::Tag("v1")).await.unwrap().unwrap().digest, image.digest);
    assert!(wire.carried() < 37 * MIB, "{}", wire.carried());
}

/// A proxy that passes on only what has come whole, and hangs up on what is too large for it: ever smaller pieces get
/// through.
#[tokio::test]
async fn a_proxy_that_hangs_up_on_large_requests_gets_smaller_ones() {
    let scene = Scene::new(12 * MIB);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(0));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/").times(2), Fault::ResetUpload(0));
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
    let pieces = scene.registry.seen_of(Method::PATCH, "").into_iter().map(|seen| seen.received);
    assert_eq!(pieces.collect::<Vec<_>>(), [0, 0, 8 * MIB, 4 * MIB]);
    assert_eq!(scene.uploaded(), scene.blobs_size());
}

/// One that breaks off every request and keeps nothing, ever, is given up.
#[tokio::test]
async fn an_upload_that_is_lost_again_and_again_is_given_up() {
    let scene = Scene::new(6 * MIB);
    scene.registry.fail(When::next(Method::PUT, &scene.layer()).times(1000), Fault::LoseUpload);
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/").times(1000), Fault::LoseUpload);
    let error = scene.push(&client()).await.unwrap_err();
    assert!(error.to_string().starts_with("pushing blob sha256:"), "{error}");
}

#[tokio::test]
async fn a_blob_that_lands_late_does_not_fail_the_push() {
    let scene = Scene::new(MIB);
    // The upload is acknowledged, and done only when the manifest has been refused once.
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::Late(4));
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
}

#[tokio::test]
async fn a_registry_that_does_not_see_its_own_blobs_yet_gets_the_image_all_the_same() {
    let scene = Scene::new(MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.forget_seen();
    scene.registry.fail(When::next(Method::HEAD, "/blobs/").times(2), Fault::Status(404, None));
    scene.registry.fail(When::next(Method::HEAD, "/manifests/").times(2), Fault::Status(404, None));
    scene.push(&client()).await.unwrap();
    scene.assert_arrived();
}

/// From registry to registry, both of which break in the middle: each side goes on from where it stopped.
#[tokio::test]
async fn a_copy_gets_over_breaks_on_both_sides() {
    let scene = Scene::new(8 * MIB);
    scene.push(&client()).await.unwrap();
    scene.registry.forget_seen();
    let there = FaultyRegistry::start();
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::ResetAnswer(3 * MIB));
    scene.registry.fail(When::next(Method::GET, "/blobs/").after(1), Fault::CutAnswer(MIB));
    there.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(2 * MIB));
    let client = client();
    let from = client.repository(&scene.to).unwrap();
    let image = from.manifest(Name::Tag("v1")).await.unwrap().unwrap();
    let to = reference(&there.host(), "org/copy");
    wharf_registry::copy_to_registry(&from, image.clone(), &client, &to, &tags(&["v1"]), &|_| {})
        .await
        .unwrap();
    let copied = client.repository(&to).unwrap().manifest(Name::Tag("v1")).await.unwrap().unwrap();
    assert_eq!(copied.descriptor.digest, image.descriptor.digest);
    let received: u64 = there.seen().iter().map(|seen| seen.received).sum();
    assert!(received < 9 * MIB, "{received} bytes were sent for 8 MiB");
}

#[tokio::test]
async fn a_registry_that_cannot_now_says_when_it_can() {
    let scene = Scene::new(MIB);
    scene.registry.fail(When::next(Method::POST, "/blobs/uploads/"), Fault::Status(503, Some(1)));
    let begin = std::time::Instant::now();
    scene.push(&client()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    scene.registry.fail(When::any("/").times(1000), Fault::Status(503, Some(100_000)));
    let error = scene.push(&client()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Unavailable { status: 503, .. }), "{error:?}");
    let said = error.cause().to_string();
    assert!(said.ends_with("it asks to come back in 100000 s"), "{said}");
}

#[tokio::test]
async fn no_piece_is_smaller_than_the_registry_wants() {
    let scene = Scene::new(10 * MIB);
    let smallest = (8 * MIB).to_string();
    scene.registry.fail(
        When::next(Method::POST, "/blobs/uploads/").times(9),
        Fault::Say("oci-chunk-min-length", smallest),
    );
    // GitHub's 4 MiB at most are less; the registry's own word counts.
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(MIB));
    let client = client_of("ghcr.io", &scene.registry);
    let to = reference("ghcr.io", "org/model");
    push(&scene.here, &scene.image, &client, &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let pieces = scene.registry.seen_of(Method::PATCH, "").into_iter().map(|seen| seen.received);
    assert_eq!(pieces.collect::<Vec<_>>(), [8 * MIB, MIB]);
}

/// A client to whom the registry of a test is one of the well-known ones.
fn client_of(name: &str, registry: &FaultyRegistry) -> Client {
    client_with(Settings { locations: [(name.to_owned(), registry.host())].into(), ..settings() })
}

#[tokio::test]
async fn githubs_registry_gets_the_rest_of_an_upload_in_small_pieces() {
    let scene = Scene::new(12 * MIB);
    let to = reference("ghcr.io", "org/model");
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(MIB));
    let client = client_of("ghcr.io", &scene.registry);
    push(&scene.here, &scene.image, &client, &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    let pieces = scene.registry.seen_of(Method::PATCH, "/blobs/uploads/");
    assert!(pieces.len() >= 2 && pieces.iter().all(|seen| seen.received <= 4 * MIB), "{pieces:?}");
    let total: u64 = scene.registry.seen().iter().map(|seen| seen.received).sum();
    assert!(total < 13 * MIB, "{total} bytes were sent for 12 MiB");
}

#[tokio::test]
async fn googles_registry_is_never_sent_a_piece() {
    let scene = Scene::new(4 * MIB);
    let to = reference("eu.gcr.io", "project/model");
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(MIB));
    let client = client_of("eu.gcr.io", &scene.registry);
    push(&scene.here, &scene.image, &client, &to, &tags(&["v1"]), &|_| {}).await.unwrap();
    assert!(scene.registry.seen_of(Method::PATCH, "").is_empty());
}

#[tokio::test]
async fn a_layer_that_a_registry_cannot_take_is_refused_before_it_is_sent() {
    let scene = Scene::new(MIB);
    for (name, size) in [("ghcr.io", 10_000_000_001), ("public.ecr.aws", (52_000 << 20) + 1)] {
        let client = client_of(name, &scene.registry);
        let mut blob = wharf_oci::Descriptor::of(wharf_oci::MediaType::ImageLayer, b"x");
        blob.size = size;
        let to = reference(name, "org/model");
        let error = wharf_registry::push_blob(&scene.here, &blob, &client, &to, &|_| {}).await.unwrap_err();
        assert!(error.cause().to_string().contains("takes layers of at most"), "{}", error.cause());
    }
    assert!(scene.registry.seen_of(Method::POST, "").is_empty());
}

/// Where the specification says 202, Amazon's registry answers 201 to the first piece of an upload.
#[tokio::test]
async fn amazons_registry_takes_the_first_piece_with_another_status() {
    let scene = Scene::new(8 * MIB);
    let name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    let to = reference(name, "model");
    scene.registry.fail(When::next(Method::PUT, &scene.layer()), Fault::ResetUpload(3 * MIB));
    scene.registry.fail(When::next(Method::PATCH, "/blobs/uploads/"), Fault::AnswerAs(201));
    push(&scene.here, &scene.image, &client_of(name, &scene.registry), &to, &tags(&["v1"]), &|_| {})
        .await
        .unwrap();
    let pieces = scene.registry.seen_of(Method::PATCH, "");
    assert_eq!(pieces.iter().map(|seen| seen.received).collect::<Vec<_>>(), [5 * MIB]);
    assert_eq!(scene.uploaded(), scene.blobs_size(), "no byte twice");
}

/// Amazon's words for a tag that must stay, which it says of the same image, too.
#[tokio::test]
async fn amazons_immutable_tags_are_known_by_its_words() {
    let scene = Scene::new(MIB);
    let name = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    let (client, to) = (client_of(name, &scene.registry), reference(name, "model"));
    let words = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag 'v1' already exists in the 'model' repository and cannot be overwritten."}]}"#;
    let push_as =
        async |image: &Descriptor| push(&scene.here, image, &client, &to, &tags(&["v1"]), &|_| {}).await;
    push_as(&scene.image).await.unwrap();
    scene.registry.fail(When::next(Method::PUT, "/manifests/v1").times(2), Fault::Answer(400, words.into()));
    let other = fixture::bulky_image(&scene.here, 2 * MIB);
    let error = push_as(&other).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Immutable { .. }), "{error:?}");
    push_as(&scene.image).await.unwrap();
}

#[tokio::test]
async fn registries_without_the_referrers_api_are_asked_for_the_fallback_tag_at_once() {
    let scene = Scene::new(MIB);
    for name in ["ghcr.io", "docker.io"] {
        let repository = client_of(name, &scene.registry).repository(&reference(name, "org/model")).unwrap();
        assert!(repository.referrers(&scene.image.digest, None).await.unwrap().is_empty());
    }
    assert!(scene.registry.seen_of(Method::GET, "/referrers/").is_empty());
    assert_eq!(scene.registry.seen_of(Method::GET, "/manifests/sha256-").len(), 2);
}
