//! Every fault that a registry can have, in both directions, through the binary: the command completes, and no byte
//! that has arrived travels again where the protocol lets a transfer go on; or, where the fault does not end, it fails
//! with words that name the cause, and the next command completes.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::json;
use wharf_oci::{Descriptor, Digest};
use wharf_testkit::{Fault, FaultyRegistry, TokenServer, When, fixture};

use super::{remote_digest, store};
use crate::world::{Ran, World};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB;
const UPLOADS: &str = "/blobs/uploads/";

/// A machine with an image of one layer, and a registry that it is to go to, or comes from.
struct Scene {
    world: World,
    registry: FaultyRegistry,
    tokens: TokenServer,
    name: String,
    image: Descriptor,
    layer: Digest,
    /// The bytes of config and layer.
    size: u64,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let tokens = TokenServer::for_account("ann", "s3cret");
        let registry = FaultyRegistry::with_tokens(tokens.clone());
        let name = format!("{}/org/model:v1", registry.host());
        let image = fixture::bulky_image(&store(&world), SIZE);
        store(&world).tag(&name, &image).unwrap();
        let blobs = store(&world).blobs().unwrap();
        let layer = blobs.iter().max_by_key(|(_, size)| **size).unwrap().0.clone();
        let size = blobs.values().sum::<u64>() - image.size;
        let scene = Self { world, registry, tokens, name, image, layer, size };
        scene.settle(&scene.world, 5, 60);
        scene
    }

    /// The settings and the login of a machine.
    fn settle(&self, world: &World, retries: u32, stall: u32) {
        fs::write(world.path("config.toml"), format!("[transfers]\nretries = {retries}\nstall = {stall}\n"))
            .unwrap();
        let login = json!({"auths": {self.registry.host(): {"auth": BASE64_STANDARD.encode("ann:s3cret")}}});
        fs::write(world.path("home/config.json"), login.to_string()).unwrap();
    }

    fn push(&self) -> Ran {
        self.world.wharf(&["push", &self.name])
    }

    /// Another machine, which has nothing yet; the image is in the registry, and what went there is forgotten.
    fn elsewhere(&self) -> World {
        let ran = self.push();
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        self.registry.forget_seen();
        let world = World::new();
        self.settle(&world, 5, 60);
        world
    }

    fn uploaded(&self) -> u64 {
        let uploads = self.registry.seen().into_iter().filter(|seen| seen.path.contains(UPLOADS));
        uploads.map(|seen| seen.received).sum()
    }

    fn downloaded(&self) -> u64 {
        let answers = self.registry.seen_of(Method::GET, "/blobs/").into_iter();
        answers.filter(|seen| seen.status < 300).map(|seen| seen.sent).sum()
    }

    /// The layer's digest as it stands in paths and queries.
    fn layer(&self) -> &str {
        self.layer.digest()
    }
}

/// The image is on this machine, whole.
fn assert_here(scene: &Scene, world: &World, what: &str) {
    let found = store(world).resolve(&scene.name).unwrap();
    assert_eq!(found.unwrap_or_else(|| panic!("{what}: no image")).digest, scene.image.digest, "{what}");
    for (digest, size) in store(world).blobs().unwrap() {
        store(world).verify(&Descriptor::new(wharf_oci::MediaType::ImageLayer, digest, size)).unwrap();
    }
}

/// After how many seconds a connection on which nothing moves is given up: soon where that is what happens, and not
/// before a busy machine comes to it where it is not.
fn stall(fault: &Fault) -> u32 {
    match fault {
        Fault::StallRequest | Fault::StallAnswer(_) | Fault::DrownUpload(_) => 3,
        _ => 60,
    }
}

/// What a fault may cost in bytes, beyond those of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Nothing,
    /// Less than so many: what was in flight when the connection broke, or what cannot be taken up again.
    LessThan(u64),
}

impl Cost {
    fn assert(self, what: &str, size: u64, travelled: u64) {
        match self {
            Self::Nothing => assert_eq!(travelled, size, "{what}: a byte travelled twice"),
            Self::LessThan(more) => {
                assert!((size..size + more).contains(&travelled), "{what}: {travelled} bytes for {size}");
            }
        }
    }
}

type Plan = (&'static str, Vec<(When, Fault)>, Cost);

fn upload_faults(layer: &str, empty: &str) -> Vec<Plan> {
    let put = || When::next(Method::PUT, layer);
    let patch = || When::next(Method::PATCH, UPLOADS);
    let mut plans = vec![
        (
            "reset after 3 MiB, then after 2 more",
            vec![(put(), Fault::ResetUpload(3 * MIB)), (patch(), Fault::ResetUpload(2 * MIB))],
            Cost::Nothing,
        ),
        ("stall after 3 MiB", vec![(put(), Fault::DrownUpload(3 * MIB))], Cost::Nothing),
        ("stall before anything", vec![(put(), Fault::StallRequest)], Cost::Nothing),
        (
            "token that expires as the upload begins, and in the middle",
            vec![
                (put(), Fault::ExpireTokens),
                (put(), Fault::ResetUpload(3 * MIB)),
                (patch(), Fault::ExpireTokens),
            ],
            Cost::Nothing,
        ),
        // Nothing is left of it to go on with.
        (
            "upload that is lost in the middle",
            vec![(put(), Fault::ResetUpload(3 * MIB)), (patch(), Fault::LoseUpload)],
            Cost::LessThan(SIZE + 1),
        ),
        ("byte that is another on arrival", vec![(put(), Fault::SpoilUpload)], Cost::LessThan(SIZE + 1)),
        ("answer that is lost", vec![(put(), Fault::LoseAnswer)], Cost::Nothing),
        (
            "questions that another host answers",
            vec![(When::next(Method::HEAD, layer), Fault::Redirect(format!("http://{empty}")))],
            Cost::Nothing,
        ),
        (
            "registry that does not see yet what it has",
            vec![(When::next(Method::HEAD, "/blobs/").after(2).times(2), Fault::Status(404, None))],
            Cost::Nothing,
        ),
        ("upload that lands after its answer", vec![(put(), Fault::Late(4))], Cost::Nothing),
    ];
    for status in [500, 502, 503, 429] {
        let wait = (status == 429).then_some(1);
        plans.push((
            "refusals for a while",
            ["POST", "PUT"]
                .map(|method| (When::next(method.parse().unwrap(), UPLOADS), Fault::Status(status, wait)))
                .into_iter()
                .chain([(When::next(Method::PUT, "/manifests/"), Fault::Status(status, wait))])
                .collect(),
            Cost::Nothing,
        ));
    }
    plans
}

#[test]
fn a_push_gets_over_every_fault_and_sends_no_byte_twice() {
    let empty = FaultyRegistry::start();
    let faults = upload_faults("", "").len();
    for number in 0..faults {
        let scene = Scene::new();
        let (what, plan, cost) = upload_faults(scene.layer(), &empty.host()).remove(number);
        scene.settle(&scene.world, 5, stall(&plan[0].1));
        for (when, fault) in plan {
            scene.registry.fail(when, fault);
        }
        let ran = scene.push();
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert_eq!(remote_digest(&scene.world, &scene.name), scene.image.digest, "{what}");
        cost.assert(what, scene.size, scene.uploaded());
    }
    assert!(empty.seen().iter().all(|seen| seen.authorization.is_none()));
}

fn download_faults(layer: &str) -> Vec<Plan> {
    let get = || When::next(Method::GET, layer);
    let mut plans = vec![
        // What a connection holds when it is reset may be lost on this side.
        (
            "reset after 3 MiB, then after 2 more",
            vec![(get(), Fault::ResetAnswer(3 * MIB)), (get(), Fault::ResetAnswer(2 * MIB))],
            Cost::LessThan(5 * MIB),
        ),
        ("stall after 3 MiB", vec![(get(), Fault::StallAnswer(3 * MIB))], Cost::Nothing),
        ("stall before anything", vec![(get(), Fault::StallRequest)], Cost::Nothing),
        ("body that is too short", vec![(get(), Fault::CutAnswer(3 * MIB))], Cost::Nothing),
        (
            "token that expires in the middle",
            vec![(get(), Fault::CutAnswer(3 * MIB)), (get(), Fault::ExpireTokens)],
            Cost::Nothing,
        ),
        // All of it is in doubt then.
        ("byte that is another", vec![(get(), Fault::SpoilAnswer)], Cost::LessThan(SIZE + 1)),
    ];
    for status in [500, 502, 503, 429] {
        let wait = (status == 429).then_some(1);
        let refused =
            ["/manifests/v1", layer].map(|path| (When::next(Method::GET, path), Fault::Status(status, wait)));
        plans.push(("refusals for a while", refused.into(), Cost::Nothing));
    }
    plans
}

#[test]
fn a_pull_gets_over_every_fault_and_fetches_no_byte_twice() {
    let faults = download_faults("").len();
    for number in 0..faults {
        let scene = Scene::new();
        let machine = scene.elsewhere();
        let (what, plan, cost) = download_faults(scene.layer()).remove(number);
        scene.settle(&machine, 5, stall(&plan[0].1));
        for (when, fault) in plan {
            scene.registry.fail(when, fault);
        }
        let ran = machine.wharf(&["pull", &scene.name]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert_here(&scene, &machine, what);
        cost.assert(what, scene.size, scene.downloaded());
    }
}

#[test]
fn a_blob_that_lies_at_another_host_comes_from_there_and_goes_on_there() {
    let scene = Scene::new();
    let machine = scene.elsewhere();
    let other = FaultyRegistry::start();
    let there = other.depot().layout("org/model").unwrap();
    there.take_from(&store(&scene.world), &scene.layer).unwrap();
    scene.registry.fail(
        When::next(Method::GET, scene.layer()).times(99),
        Fault::Redirect(format!("http://{}", other.host())),
    );
    other.fail(When::next(Method::GET, scene.layer()), Fault::CutAnswer(3 * MIB));
    let ran = machine.wharf(&["pull", &scene.name]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_here(&scene, &machine, "redirect");
    let seen = other.seen();
    assert_eq!(seen.iter().map(|seen| seen.sent).sum::<u64>(), SIZE, "no byte twice");
    assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
}

/// A registry that does not see its own content yet, or only later: the command says what is missing, and the next
/// one fetches that alone.
#[test]
fn a_pull_of_what_is_not_there_yet_says_so_and_the_next_one_completes() {
    for path in ["/manifests/v1", ""] {
        let scene = Scene::new();
        let machine = scene.elsewhere();
        let path = if path.is_empty() { scene.layer() } else { path };
        scene.registry.fail(When::any(path), Fault::Status(404, None));
        let early = machine.wharf(&["pull", &scene.name]);
        assert_eq!(early.code, 3, "{path}: {}", early.stderr);
        assert!(early.stderr.contains("caused by: not found"), "{path}: {}", early.stderr);
        let ran = machine.wharf(&["pull", &scene.name]);
        assert_eq!(ran.code, 0, "{path}: {}", ran.stderr);
        assert_here(&scene, &machine, path);
        assert_eq!(scene.downloaded(), scene.size, "{path}: no byte twice");
    }
}

/// Faults that do not end, and the words that name them.
#[test]
fn a_push_that_cannot_succeed_names_the_cause_and_the_next_one_completes() {
    for (fault, words) in [
        // One that moves on before each reset gets there in the end.
        (Fault::ResetUpload(0), "cannot be reached, or the connection broke"),
        (Fault::StallRequest, "nothing has moved on the connection"),
        (Fault::Status(500, None), "the server answered 500"),
        (Fault::Status(502, None), "the server answered 502"),
        (Fault::Status(503, Some(1)), "the server answered 503"),
        (Fault::Status(429, Some(1)), "allows no more requests for now"),
        (Fault::SpoilUpload, "the content of sha256:"),
    ] {
        let scene = Scene::new();
        scene.settle(&scene.world, 1, stall(&fault));
        for method in [Method::PUT, Method::PATCH] {
            scene.registry.fail(When::next(method, UPLOADS).times(1000), fault.clone());
        }
        let ran = scene.push();
        assert_eq!(ran.code, 3, "{fault:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: pushing blob sha256:"), "{fault:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{fault:?}: {}", ran.stderr);
        let listed = scene.world.wharf(&["ls", &format!("{}/org/model", scene.registry.host())]);
        assert_eq!(listed.stdout, "", "{fault:?}: something has a name");
        // The registry comes to its senses.
        scene.registry.mend();
        scene.settle(&scene.world, 5, 60);
        let ran = scene.push();
        assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
        assert_eq!(remote_digest(&scene.world, &scene.name), scene.image.digest, "{fault:?}");
    }
}

#[test]
fn a_pull_that_cannot_succeed_names_the_cause_and_the_next_one_completes() {
    for (fault, words) in [
        (Fault::ResetAnswer(0), "cannot be reached, or the connection broke"),
        (Fault::StallAnswer(0), "nothing has moved on the connection"),
        (Fault::CutAnswer(0), "the transfer ended after 0 of"),
        (Fault::Status(500, None), "the server answered 500"),
        (Fault::Status(502, None), "the server answered 502"),
        (Fault::Status(503, Some(1)), "the server answered 503"),
        (Fault::Status(429, Some(1)), "allows no more requests for now"),
        (Fault::SpoilAnswer, "content does not match its digest"),
    ] {
        let scene = Scene::new();
        let machine = scene.elsewhere();
        scene.settle(&machine, 1, stall(&fault));
        scene.registry.fail(When::next(Method::GET, scene.layer()).times(1000), fault.clone());
        let ran = machine.wharf(&["pull", &scene.name]);
        assert_eq!(ran.code, 3, "{fault:?}: {}", ran.stderr);
        // What is wrong is known only when all of it is here.
        let doing = if fault == Fault::SpoilAnswer { "storing" } else { "pulling" };
        assert!(ran.stderr.contains(&format!("error: {doing} blob sha256:")), "{fault:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{fault:?}: {}", ran.stderr);
        assert_eq!(machine.wharf_ok(&["images", "--quiet"]).stdout, "", "{fault:?}: something has a name");
        assert!(!store(&machine).has(&scene.layer), "{fault:?}: something half is trusted");
        scene.registry.mend();
        scene.settle(&machine, 5, 60);
        let ran = machine.wharf(&["pull", &scene.name]);
        assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
        assert_here(&scene, &machine, words);
    }
    // The scene has a door, so that every one of these has also been through it.
    let scene = Scene::new();
    scene.elsewhere();
    assert!(!scene.tokens.asked().is_empty());
}
