//! Who wharf is to the clouds' registries, through the binary: every source of a login, each against a small server
//! that speaks the cloud's protocol. Nothing but the environment and files tells wharf, as in any CI job.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::json;
use wharf_testkit::{Fault, FaultyRegistry, TokenServer, When, clouds};

use super::{image, with_input};
use crate::world::{Ran, World};

const PRIVATE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// A machine for which the cloud's registry `host` is at `registry`, and that has an image to go there.
fn machine(host: &str, registry: &FaultyRegistry) -> (World, String) {
    let world = World::new();
    let settings = format!("[registries.\"{host}\"]\nlocation = \"{}\"\n", registry.host());
    fs::write(world.path("config.toml"), settings).unwrap();
    let name = format!("{host}/org/app:v1");
    image(&world, &name);
    (world, name)
}

fn push_with(world: &World, name: &str, variables: &[(&str, &str)]) -> Ran {
    Ran::from(world.command(&["push", name]).envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn amazon_is_asked_by_whoever_we_are_there() {
    let server = clouds::amazon();
    let url = server.url();
    let files = World::new();
    let file = |name: &str, text: &str| {
        fs::write(files.path(name), text).unwrap();
        files.path(name).display().to_string()
    };
    let oidc = file("oidc", "oidc\n");
    let config = file(
        "config",
        "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s3cret\n\
         [profile role]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n",
    );
    let container = format!("{url}/container");
    for (who, variables) in [
        ("keys", vec![("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s3cret")]),
        ("profile", vec![("AWS_CONFIG_FILE", config.as_str()), ("AWS_PROFILE", "base")]),
        ("role", vec![("AWS_CONFIG_FILE", config.as_str()), ("AWS_PROFILE", "role")]),
        (
            "web identity",
            vec![
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", oidc.as_str()),
            ],
        ),
        (
            "container",
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "door"),
            ],
        ),
        ("machine", vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]),
    ] {
        for host in [PRIVATE, "public.ecr.aws"] {
            let registry = clouds::registry_of("AWS", "registry-token");
            let (world, name) = machine(host, &registry);
            let ran = push_with(&world, &name, &[&variables[..], &[("AWS_ENDPOINT_URL", &url)]].concat());
            assert_eq!(ran.code, 0, "{who} at {host}: {}", ran.stderr);
        }
    }
    let nobody = clouds::registry_of("AWS", "registry-token");
    let (world, name) = machine(PRIVATE, &nobody);
    let ran = push_with(&world, &name, &[("AWS_EC2_METADATA_DISABLED", "true")]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains(&format!("hint: log in: wharf login {PRIVATE}")), "{}", ran.stderr);
}

#[test]
fn google_is_asked_by_whoever_we_are_there() {
    let server = clouds::google();
    let url = server.url();
    let files = World::new();
    fs::write(files.path("oidc"), "oidc\n").unwrap();
    let (credentials, host) = (files.path("credentials.json"), server.host());
    let workload = |source| {
        json!({"type": "external_account", "audience": "//iam/pool", "token_url": url,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
            "service_account_impersonation_url": format!("{url}/impersonate")})
    };
    let account = json!({"type": "service_account", "client_email": "ci@project.iam.gserviceaccount.com",
        "private_key_id": "k", "private_key": clouds::KEY, "token_uri": url});
    let documents = [
        Some(account.clone()),
        Some(json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r3fresh", "token_uri": url})),
        Some(workload(json!({"file": files.path("oidc")}))),
        // The machine's metadata server.
        None,
    ];
    for document in documents {
        for place in ["europe-west3-docker.pkg.dev", "eu.gcr.io"] {
            let registry = clouds::registry_of("oauth2accesstoken", "google-token");
            let (world, name) = machine(place, &registry);
            let path = credentials.display().to_string();
            let variables = match &document {
                Some(document) => {
                    fs::write(&credentials, document.to_string()).unwrap();
                    [("GOOGLE_APPLICATION_CREDENTIALS", path.as_str())]
                }
                None => [("GCE_METADATA_HOST", host.as_str())],
            };
            let ran = push_with(&world, &name, &variables);
            assert_eq!(ran.code, 0, "{document:?} at {place}: {}", ran.stderr);
        }
    }
    // The accounts whose passwords are keys or tokens, by a login that is kept.
    let key = account.to_string();
    for (account, password) in [
        ("_json_key", key.clone()),
        ("_json_key_base64", BASE64_STANDARD.encode(&key)),
        ("oauth2accesstoken", "t".into()),
    ] {
        let registry = FaultyRegistry::with_tokens(TokenServer::for_account(account, &password));
        let (world, name) = machine("eu.gcr.io", &registry);
        let login = ["login", "eu.gcr.io", "--username", account, "--password-stdin"];
        let ran = with_input(&world, &login, &password);
        assert_eq!(ran.code, 0, "{account}: {}", ran.stderr);
        assert_eq!(push_with(&world, &name, &[]).code, 0, "{account}");
    }
}

#[test]
fn azure_exchanges_what_the_directory_gives() {
    let server = clouds::azure();
    let url = server.url();
    let files = World::new();
    fs::write(files.path("oidc"), "oidc\n").unwrap();
    let oidc = files.path("oidc").display().to_string();
    let application =
        [("AZURE_CLIENT_ID", "app"), ("AZURE_TENANT_ID", "tenant"), ("AZURE_AUTHORITY_HOST", url.as_str())];
    for variables in [
        [&application[..], &[("AZURE_CLIENT_SECRET", "s3cret")]].concat(),
        [&application[..], &[("AZURE_FEDERATED_TOKEN_FILE", oidc.as_str())]].concat(),
        vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str())],
    ] {
        let registry = FaultyRegistry::with_tokens(TokenServer::for_refresh_token("r3fresh"));
        let answer = json!({"refresh_token": "r3fresh"}).to_string();
        registry.fail(When::next(Method::POST, "/oauth2/exchange"), Fault::Answer(200, answer));
        let (world, name) = machine("team.azurecr.io", &registry);
        let ran = push_with(&world, &name, &variables);
        assert_eq!(ran.code, 0, "{variables:?}: {}", ran.stderr);
        let exchange = &registry.seen_of(Method::POST, "/oauth2/exchange")[0];
        assert!(exchange.body.contains("access_token=directory-token"), "{}", exchange.body);
    }
}

/// GitHub's token of a job, and an access token of Docker Hub.
#[test]
fn github_and_docker_hub_take_their_tokens() {
    let github = FaultyRegistry::with_tokens(TokenServer::for_account("robin", "ghs_token"));
    let (world, name) = machine("ghcr.io", &github);
    let job = [("GITHUB_TOKEN", "ghs_token"), ("GITHUB_ACTOR", "robin"), ("GITHUB_ACTIONS", "true")];
    let ran = push_with(&world, &name, &job);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(push_with(&machine("ghcr.io", &github).0, &name, &[]).code, 3);

    let hub = FaultyRegistry::with_tokens(TokenServer::for_account("robin", "dckr_pat_1"));
    let (world, name) = machine("docker.io", &hub);
    let ran = with_input(&world, &["login", "--username", "robin", "--password-stdin"], "dckr_pat_1\n");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(push_with(&world, &name, &[]).code, 0);
}

/// A token for what a job needs and no more, and one for both repositories where a layer is mounted.
#[test]
fn tokens_are_for_what_is_done_and_an_identity_token_is_exchanged() {
    let tokens = TokenServer::for_account("ann", "s3cret");
    let registry = FaultyRegistry::with_tokens(tokens.clone());
    let world = World::new();
    let name = format!("{}/org/app:v1", registry.host());
    image(&world, &name);
    let auth = BASE64_STANDARD.encode("ann:s3cret");
    let config = json!({"auths": {registry.host(): {"auth": auth}}}).to_string();
    fs::write(world.path("home/config.json"), config).unwrap();
    world.wharf_ok(&["push", &name]);
    assert_eq!(tokens.asked(), [["repository:org/app:pull,push"]]);
    world.wharf_ok(&["copy", &name, &format!("{}/other/app:v1", registry.host())]);
    let merged = tokens.asked();
    let merged = merged.iter().find(|scopes| scopes.len() == 2).unwrap_or_else(|| panic!("{merged:?}"));
    assert_eq!(*merged, ["repository:org/app:pull", "repository:other/app:pull,push"]);

    let refreshed = FaultyRegistry::with_tokens(TokenServer::for_refresh_token("r3fresh"));
    let name = format!("{}/org/app:v1", refreshed.host());
    image(&world, &name);
    for (token, code) in [("r3fresh", 0), ("stale", 3)] {
        let config = json!({"auths": {refreshed.host(): {"identitytoken": token}}}).to_string();
        fs::write(world.path("home/config.json"), config).unwrap();
        assert_eq!(push_with(&world, &name, &[]).code, code, "{token}");
    }
    // Whoever has no login gets the token that everybody gets.
    let open = FaultyRegistry::with_tokens(TokenServer::open());
    let name = format!("{}/org/app:v1", open.host());
    image(&world, &name);
    world.wharf_ok(&["push", &name]);
}
