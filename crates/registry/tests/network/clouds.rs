//! Logins that clouds give: each source of keys, against small servers that speak the clouds' protocols.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use wharf_registry::{Client, Credentials, Error, Settings, Surroundings, push};
use wharf_testkit::{Fault, FaultyRegistry, SmallServer, TokenServer, When, clouds, fixture};

use crate::support::{client_with, layout, settings, tags};

const PRIVATE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// A client for which `name` is at `registry`, and that finds these variables around it.
fn client_at(name: &str, registry: &FaultyRegistry, variables: &[(&str, &str)], home: &Path) -> Client {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let around = Surroundings::new(variables, Some(home.into()));
    client_with(Settings {
        credentials: Credentials::default().with_surroundings(around),
        locations: [(name.to_owned(), registry.host())].into(),
        ..settings()
    })
}

async fn pushed(client: &Client, name: &str) -> Result<(), Error> {
    let (_here, here) = layout();
    let image = fixture::image(&here, &[&[("etc/a", b"1")]]);
    let to = format!("{name}/app").parse().unwrap();
    push(&here, &image, client, &to, &tags(&["v1"]), &|_| {}).await.map(drop)
}

/// The key that the last request for a registry token was signed with.
fn signer(server: &SmallServer) -> Option<String> {
    let call = server.calls().into_iter().rfind(|call| !call.header("x-amz-target").is_empty())?;
    let (_, rest) = call.header("authorization").split_once("Credential=")?;
    Some(rest.split('/').next()?.to_owned())
}

#[tokio::test]
async fn every_link_of_amazons_chain_leads_to_a_token() {
    let server = clouds::amazon();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let oidc = file("oidc", "oidc\n");
    let config = file(
        "config",
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n\
         [profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s3cret\n\
         [profile program]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"AKIAPROGRAM\",\"SecretAccessKey\":\"s\"}'\n",
    );
    let url = server.url();
    let container = format!("{url}/container");
    let environment = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];
    let web = [("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci"), ("AWS_WEB_IDENTITY_TOKEN_FILE", &oidc)];
    let profile = |name: &'static str| [("AWS_CONFIG_FILE", config.as_str()), ("AWS_PROFILE", name)];
    let task = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "door"),
    ];
    let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_REGION", "x")];
    for (variables, expected) in [
        (environment, "AKIAENV"),
        (web, "ASIAWEB"),
        (profile("base"), "AKIABASE"),
        (profile("role"), "ASIAROLE"),
        (profile("program"), "AKIAPROGRAM"),
        (task, "ASIACONTAINER"),
        (machine, "ASIAMACHINE"),
    ] {
        let registry = clouds::registry_of("AWS", "registry-token");
        let variables = [&variables[..], &[("AWS_ENDPOINT_URL", url.as_str())]].concat();
        let client = client_at(PRIVATE, &registry, &variables, home.path());
        pushed(&client, PRIVATE).await.unwrap();
        assert_eq!(signer(&server).as_deref(), Some(expected));
    }
    let call = server.calls().into_iter().find(|call| call.body.contains("registryIds")).unwrap();
    assert_eq!(call.body, r#"{"registryIds":["123456789012"]}"#);
    assert!(call.header("authorization").contains("/eu-central-1/ecr/aws4_request"));
    // One token serves all the requests of a client.
    let asked = server.calls().iter().filter(|call| !call.header("x-amz-target").is_empty()).count();
    assert_eq!(asked, 7);
}

#[tokio::test]
async fn amazons_public_registry_is_asked_for_with_the_same_keys() {
    let (server, home) = (clouds::amazon(), tempfile::tempdir().unwrap());
    let registry = clouds::registry_of("AWS", "registry-token");
    let url = server.url();
    let variables = [
        ("AWS_ENDPOINT_URL_ECR_PUBLIC", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAENV"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "t0ken"),
    ];
    pushed(&client_at("public.ecr.aws", &registry, &variables, home.path()), "public.ecr.aws").await.unwrap();
    let call = &server.calls()[0];
    assert_eq!(call.header("x-amz-security-token"), "t0ken");
    assert!(call.header("authorization").contains("/us-east-1/ecr-public/aws4_request"));
}

#[tokio::test]
async fn a_refusal_of_amazons_is_told_without_secrets() {
    let home = tempfile::tempdir().unwrap();
    let server =
        SmallServer::start(|_| (403, r#"{"__type":"Denied","message":"not you","token":"s3cret"}"#.into()));
    let registry = clouds::registry_of("AWS", "registry-token");
    let url = server.url();
    let variables = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
    ];
    let error = pushed(&client_at(PRIVATE, &registry, &variables, home.path()), PRIVATE).await.unwrap_err();
    let text = format!("{error} {} {error:?}", error.cause());
    assert!(text.contains("asking Amazon for a registry token failed") && text.contains("not you"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

/// The file in which the AWS command keeps the sign-in of this session or address.
fn sign_in(home: &Path, key: &str) -> std::path::PathBuf {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let name: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    home.join(format!(".aws/sso/cache/{name}.json"))
}

#[tokio::test]
async fn a_single_sign_on_gives_keys_and_is_renewed() {
    let server = clouds::amazon();
    let url = server.url();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    let role = "sso_account_id = 123456789012\nsso_role_name = ci\n";
    let config = format!(
        "[sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp\n\
         [profile new]\nsso_session = corp\n{role}\
         [profile old]\nsso_start_url = https://old\nsso_region = eu-central-1\n{role}\
         [profile half]\nsso_session = corp\n"
    );
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let login = async |profile: &'static str| {
        let registry = clouds::registry_of("AWS", "registry-token");
        let variables = [("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", url.as_str())];
        let pushed = pushed(&client_at(PRIVATE, &registry, &variables, home.path()), PRIVATE).await;
        pushed.map_err(|error| error.cause().to_string()).map(|()| signer(&server).unwrap())
    };
    let nobody = login("new").await.unwrap_err();
    assert!(nobody.contains("nobody has signed in; sign in with `aws sso login --profile new`"), "{nobody}");
    let half = login("half").await.unwrap_err();
    assert!(half.contains("missing") || half.contains("nobody"), "{half}");

    let fresh = json!({"accessToken": "signed-in", "expiresAt": "2999-01-01T00:00:00Z"});
    for (profile, key) in [("new", "corp"), ("old", "https://old")] {
        std::fs::write(sign_in(home.path(), key), fresh.to_string()).unwrap();
        assert_eq!(login(profile).await.as_deref(), Ok("ASIASSO"));
    }

    let ended = json!({"accessToken": "signed-in", "expiresAt": "2020-01-01T00:00:00Z"});
    std::fs::write(sign_in(home.path(), "corp"), ended.to_string()).unwrap();
    let error = login("new").await.unwrap_err();
    assert!(error.contains("the last sign-in has ended") && !error.contains("signed-in"), "{error}");
    let mut renewable = ended;
    renewable["clientId"] = "c".into();
    renewable["clientSecret"] = "s3cret".into();
    renewable["refreshToken"] = "r3fresh".into();
    std::fs::write(sign_in(home.path(), "corp"), renewable.to_string()).unwrap();
    for _ in 0..2 {
        assert_eq!(login("new").await.as_deref(), Ok("ASIARENEWED"));
    }
    assert_eq!(server.calls().iter().filter(|call| call.path == "/token").count(), 1, "it is kept");
    let kept: Value = serde_json::from_slice(&std::fs::read(sign_in(home.path(), "corp")).unwrap()).unwrap();
    assert_eq!((&kept["refreshToken"], &kept["clientId"]), (&json!("next"), &json!("c")));
}

#[tokio::test]
async fn every_kind_of_googles_credentials_leads_to_a_token() {
    let server = clouds::google();
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let oidc = home.path().join("oidc");
    std::fs::write(&oidc, "oidc\n").unwrap();
    let external = |source: Value| {
        json!({"type": "external_account", "audience": "//iam/pool", "token_url": url,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
            "service_account_impersonation_url": format!("{url}/impersonate")})
    };
    let of_url = json!({"url": format!("{url}/identity"), "headers": {"x-door": "open"},
        "format": {"type": "json", "subject_token_field_name": "value"}});
    let documents = [
        json!({"type": "service_account", "client_email": "ci@project.iam.gserviceaccount.com",
            "private_key_id": "k", "private_key": clouds::KEY, "token_uri": url}),
        json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r3fresh",
            "token_uri": url}),
        external(json!({"file": oidc})),
        external(of_url),
    ];
    let name = "europe-west3-docker.pkg.dev";
    let credentials = home.path().join("credentials.json");
    for document in documents {
        std::fs::write(&credentials, document.to_string()).unwrap();
        let registry = clouds::registry_of("oauth2accesstoken", "google-token");
        let path = credentials.display().to_string();
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.as_str())];
        let client = client_at(name, &registry, &variables, home.path());
        pushed(&client, name).await.unwrap_or_else(|error| panic!("{}: {}", document["type"], error.cause()));
    }
    let registry = clouds::registry_of("oauth2accesstoken", "google-token");
    let host = server.host();
    let client = client_at("eu.gcr.io", &registry, &[("GCE_METADATA_HOST", &host)], home.path());
    pushed(&client, "eu.gcr.io").await.unwrap();
}

#[tokio::test]
async fn googles_key_accounts_are_passwords_that_arrive_as_they_are() {
    // The whole key file, lines and all, is the password.
    let file = json!({"type": "service_account", "private_key": clouds::KEY}).to_string();
    for (account, password) in [
        ("_json_key", file.clone()),
        ("_json_key_base64", STANDARD.encode(&file)),
        ("oauth2accesstoken", "t".into()),
    ] {
        let open = registry_with_door(account, &password);
        let pair = STANDARD.encode(format!("{account}:{password}"));
        let config = json!({"auths": {"eu.gcr.io": {"auth": pair}}}).to_string();
        let client = client_with(Settings {
            credentials: Credentials::default().with_config_text(config.into()),
            locations: [("eu.gcr.io".to_owned(), open.host())].into(),
            ..settings()
        });
        pushed(&client, "eu.gcr.io").await.unwrap();
    }
}

/// A registry behind a token server that gives tokens to this account, as Google's has.
fn registry_with_door(account: &str, password: &str) -> FaultyRegistry {
    FaultyRegistry::with_tokens(TokenServer::for_account(account, password))
}

#[tokio::test]
async fn azure_exchanges_a_token_of_the_directory_at_the_registry() {
    let home = tempfile::tempdir().unwrap();
    let server = clouds::azure();
    let oidc = home.path().join("oidc");
    std::fs::write(&oidc, "oidc\n").unwrap();
    let (url, oidc) = (server.url(), oidc.display().to_string());
    let application =
        [("AZURE_CLIENT_ID", "app"), ("AZURE_TENANT_ID", "tenant"), ("AZURE_AUTHORITY_HOST", url.as_str())];
    let secret = [&application[..], &[("AZURE_CLIENT_SECRET", "s3cret")]].concat();
    let federated = [&application[..], &[("AZURE_FEDERATED_TOKEN_FILE", oidc.as_str())]].concat();
    let machine = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str())];
    for variables in [secret, federated, machine] {
        let registry = FaultyRegistry::with_tokens(TokenServer::for_refresh_token("r3fresh"));
        let answer = json!({"refresh_token": "r3fresh"}).to_string();
        registry.fail(When::next(Method::POST, "/oauth2/exchange"), Fault::Answer(200, answer));
        let name = "team.azurecr.io";
        pushed(&client_at(name, &registry, &variables, home.path()), name).await.unwrap();
        let exchange = &registry.seen_of(Method::POST, "/oauth2/exchange")[0];
        assert!(
            exchange.body.contains("grant_type=access_token&service=team.azurecr.io"),
            "{}",
            exchange.body
        );
        assert!(exchange.body.contains("access_token=directory-token"));
    }
}

#[tokio::test]
async fn whoever_is_nobody_in_a_cloud_is_told_to_log_in() {
    let home = tempfile::tempdir().unwrap();
    let registry = clouds::registry_of("AWS", "registry-token");
    let client = client_at(PRIVATE, &registry, &[("AWS_EC2_METADATA_DISABLED", "true")], home.path());
    let error = pushed(&client, PRIVATE).await.unwrap_err();
    assert!(
        error.cause().to_string().contains("asks for credentials, and none are known"),
        "{}",
        error.cause()
    );
}
