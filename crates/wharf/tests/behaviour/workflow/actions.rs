//! Native actions with what they leave behind: outputs, variables, files, what is pushed, what is hidden.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{commit, of_steps, project, report, run};
use crate::registries::Moto;
use crate::scan::record;
use crate::skip;
use crate::web::Web;
use crate::world::{Ran, Registry, World, is_root};

/// The outputs of the step with this `id`.
fn outputs<'r>(report: &'r Value, id: &str) -> &'r Value {
    let steps = report["jobs"][0]["steps"].as_array().unwrap();
    &steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}: {report}"))["outputs"]
}

/// The same with more in the environment.
fn run_with(world: &World, more: &[&str], env: &[(&str, &str)]) -> (Ran, Value) {
    let args = [&["workflow", "run", ".github/workflows/w.yml", "--json"], more].concat();
    let ran = Ran::from(world.command(&args).envs(env.iter().copied()).output().unwrap());
    let document = report(ran.stdout.as_bytes(), &ran.stderr);
    (ran, document)
}

fn manifest(registry: &Registry, name: &str) -> Value {
    let url = format!("http://{}/v2/{name}", registry.address());
    let accept =
        "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
    let mut curl = std::process::Command::new("curl");
    let output = curl.args(["--silent", "--header", accept, &url]).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{url}: {error}: {}", String::from_utf8_lossy(&output.stdout)))
}

const BAKE: &str = r#"
variable "WORD" { default = "none" }
group "default" { targets = ["app"] }
target "docker-metadata-action" {}
target "app" {
  inherits = ["docker-metadata-action"]
  args     = { WORD = WORD }
}
target "other" { dockerfile-inline = "FROM scratch\nCOPY app.txt /x\n" }
"#;

#[test]
fn a_bake_file_takes_what_metadata_says() {
    if !is_root() {
        skip!("it needs root to build");
    }
    let shelf = World::new();
    let registry = Registry::wharf(&shelf.path("registry"), &[]);
    for (version, file) in [("v4", ""), ("v6", "cwd://")] {
        let image = format!("{}/baked-{version}", registry.address());
        let world = project(&of_steps(&format!(
            "      - uses: actions/checkout@v4\n      - id: meta\n        uses: docker/metadata-action@v5\n        with:\n          \
             images: {image}\n          tags: |\n            type=raw,value=one\n            type=raw,value=two\n      \
             - id: bake\n        uses: docker/bake-action@{version}\n        with:\n          files: |\n            \
             ./docker-bake.hcl\n            {file}${{{{ steps.meta.outputs.bake-file }}}}\n          \
             set: |\n            *.labels.extra=set-here\n          provenance: mode=min\n          push: true\n        \
             env: {{WORD: from-the-step}}\n"
        )));
        world.file("docker-bake.hcl", BAKE);
        let dockerfile = "FROM scratch\nARG WORD\nLABEL word=$WORD\nCOPY app.txt /app.txt\n";
        world.file("Dockerfile", dockerfile);
        commit(&world);
        let (ran, report) = run(&world, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let metadata: Value =
            serde_json::from_str(outputs(&report, "bake")["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata["app"]["image.name"], format!("{image}:one,{image}:two"), "{metadata}");
        assert!(metadata["app"]["containerimage.digest"].as_str().unwrap().starts_with("sha256:"));
        assert!(metadata["other"].is_null(), "only the group was asked for");
        let name = format!("baked-{version}");
        let index = manifest(&registry, &format!("{name}/manifests/one"));
        assert_eq!(index, manifest(&registry, &format!("{name}/manifests/two")));
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        let image = manifest(&registry, &format!("{name}/manifests/{digest}"));
        let digest = image["config"]["digest"].as_str().unwrap();
        let labels = &manifest(&registry, &format!("{name}/blobs/{digest}"))["config"]["Labels"];
        assert_eq!((&labels["word"], &labels["extra"]), (&json!("from-the-step"), &json!("set-here")));
        assert_eq!(labels["org.opencontainers.image.version"], "one", "{labels}");
    }
}

#[test]
fn a_bake_that_cannot_be_says_why() {
    for (with, why) in [
        ("{source: .}", "couldn't find a bake definition"),
        ("{call: check}", "wharf only builds what it bakes"),
        ("{source: 'https://github.com/own/repo.git'}", "wharf bakes what is in the workspace"),
    ] {
        let world =
            project(&of_steps(&format!("      - uses: docker/bake-action@v6\n        with: {with}\n")));
        let (ran, report) = run(&world, &[]);
        let message = report["jobs"][0]["steps"][0]["message"].as_str().unwrap();
        assert!(ran.code == 1 && message.contains(why), "{why}: {message}");
    }
}

#[test]
fn attestations_are_pushed_when_they_are_asked_for() {
    if !is_root() {
        skip!("it needs root to build");
    }
    let shelf = World::new();
    let registry = Registry::wharf(&shelf.path("registry"), &[]);
    let step = |name: &str, with: &str| {
        format!(
            "      - uses: docker/build-push-action@v6\n        with: {{context: ., push: true, tags: '{}/{name}:1', {with}}}\n",
            registry.address()
        )
    };
    let steps = [
        "      - uses: actions/checkout@v4\n".to_owned(),
        step("plain", "provenance: false, sbom: false, cgroup-parent: ci"),
        step("proven", "provenance: mode=max, sbom: true"),
        step("attested", "attests: 'type=provenance,mode=min'"),
    ];
    let world = project(&of_steps(&steps.concat()));
    world.file("Dockerfile", "FROM scratch\nCOPY app.txt /app.txt\n");
    commit(&world);
    let (ran, _) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("`cgroup-parent` is left out"), "{}", ran.stderr);
    assert!(manifest(&registry, "plain/manifests/1")["layers"].is_array(), "an image and no index");
    for (name, expected) in [("proven", 2), ("attested", 1)] {
        let index = manifest(&registry, &format!("{name}/manifests/1"));
        let kind = "vnd.docker.reference.type";
        let beside = index["manifests"].as_array().unwrap().iter();
        let beside = beside.filter(|one| one["annotations"][kind] == "attestation-manifest");
        let digests: Vec<&str> = beside.map(|one| one["digest"].as_str().unwrap()).collect();
        assert_eq!(digests.len(), 1, "{index}");
        let attestations = manifest(&registry, &format!("{name}/manifests/{}", digests[0]));
        assert_eq!(attestations["layers"].as_array().unwrap().len(), expected, "{attestations}");
    }
}

#[test]
fn amazons_keys_and_roles_become_variables() {
    let Some(moto) = Moto::start() else { skip!("moto is not installed (WHARF_TEST_MOTO)") };
    let keys = "aws-access-key-id: AKIA123, aws-secret-access-key: '${{ secrets.KEY }}'";
    let role = "arn:aws:iam::123456789012:role/ci";
    let action = "uses: aws-actions/configure-aws-credentials@v4\n        with: {aws-region: eu-west-1";
    let world = project(&of_steps(&format!(
        "      - id: keys\n        {action}, {keys}}}\n      \
         - run: test \"$AWS_REGION $AWS_DEFAULT_REGION $AWS_ACCESS_KEY_ID\" = 'eu-west-1 eu-west-1 AKIA123' && echo \"it is $AWS_SECRET_ACCESS_KEY\"\n      \
         - id: role\n        {action}, {keys}, role-to-assume: '{role}', output-credentials: true}}\n      \
         - run: test \"$AWS_ACCESS_KEY_ID\" != AKIA123 && test -n \"$AWS_SESSION_TOKEN\" && echo \"it is $AWS_SESSION_TOKEN\"\n      \
         - run: echo token-of-another-provider > token\n      \
         - id: web\n        {action}, web-identity-token-file: token, role-to-assume: '{role}', output-env-credentials: false}}\n      \
         - id: kept\n        {action}, use-existing-credentials: true, role-to-assume: other, http-proxy: 'http://127.0.0.1:1'}}\n      \
         - uses: aws-actions/amazon-ecr-login@v2\n        id: ecr\n        with: {{skip-logout: true}}\n        continue-on-error: true\n"
    )));
    let env = [("AWS_ENDPOINT_URL", moto.url())];
    let (ran, report) = run_with(&world, &["--secret", "KEY=hunter2-hunter2"], &env);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!format!("{}{}", ran.stderr, ran.stdout).contains("hunter2-hunter2"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("it is ***").count(), 2, "{}", ran.stderr);
    for id in ["keys", "role", "web"] {
        assert_eq!(outputs(&report, id)["aws-account-id"], "123456789012", "{id}: {report}");
    }
    let arn = outputs(&report, "role")["authenticated-arn"].as_str().unwrap();
    assert_eq!(arn, "arn:aws:sts::123456789012:assumed-role/ci/GitHubActions");
    assert_eq!(outputs(&report, "role")["aws-secret-access-key"], "***");
    assert_eq!(outputs(&report, "kept")["authenticated-arn"], arn, "the role from before is still the job's");
    assert!(ran.stderr.contains("`http-proxy` is left out"), "{}", ran.stderr);
    assert!(!outputs(&report, "role")["aws-expiration"].as_str().unwrap().is_empty());

    // What cannot be is told before anything is asked.
    for (with, why) in [
        (format!("{keys}, allowed-account-ids: '999999999999'"), "not in the list of allowed account IDs"),
        (format!("role-to-assume: '{role}'"), "only GitHub's runners are given"),
        (format!("{keys}, role-duration-seconds: 5"), "between 900 and 43200"),
        ("aws-access-key-id: AKIA123".to_owned(), "'aws-secret-access-key' must be provided"),
        (String::new(), "Could not determine how to assume credentials"),
    ] {
        let with = if with.is_empty() { with } else { format!(", {with}") };
        let world = project(&of_steps(&format!("      - {action}{with}}}\n")));
        let (ran, _) = run_with(&world, &["--secret", "KEY=hunter2-hunter2"], &env);
        assert!(ran.code == 1 && ran.stderr.contains(why), "{why}: {}", ran.stderr);
    }
}

#[test]
fn googles_key_is_a_file_as_long_as_the_job_runs() {
    let key = r#"{"type":"service_account","project_id":"proj-1","client_email":"ci@proj-1.example","private_key":"key-of-google"}"#;
    let world = project(&of_steps(
        "      - id: auth\n        uses: google-github-actions/auth@v2\n        with: {credentials_json: '${{ secrets.GCP }}'}\n      \
         - run: |\n          test \"$GOOGLE_CLOUD_PROJECT $GCLOUD_PROJECT $CLOUDSDK_CORE_PROJECT\" = 'proj-1 proj-1 proj-1'\n          \
         test \"$GOOGLE_APPLICATION_CREDENTIALS\" = '${{ steps.auth.outputs.credentials_file_path }}'\n          \
         test \"$(stat -c %a \"$GOOGLE_GHA_CREDS_PATH\")\" = 600\n          \
         python3 -c 'import json, os; assert json.load(open(os.environ[\"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE\"]))[\"type\"] == \"service_account\"'\n          \
         cat \"$GOOGLE_GHA_CREDS_PATH\"\n",
    ));
    let (ran, report) = run(&world, &["--secret", &format!("GCP={key}")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(outputs(&report, "auth")["project_id"], "proj-1");
    assert!(!format!("{}{}", ran.stderr, ran.stdout).contains("key-of-google"), "{}", ran.stderr);
    let steps = report["jobs"][0]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["name"].as_str().unwrap().starts_with("Post ")), "{report}");
    let results = world.path("project/.wharf/workflow");
    let found =
        std::process::Command::new("grep").args(["-rl", "key-of-google"]).arg(results).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the key is left behind");

    for (with, why) in [
        ("{credentials_json: 'not json'}", "failed to parse service account key JSON"),
        ("{workload_identity_provider: projects/1/x}", "only GitHub's runners are given"),
        ("{project_id: x}", "must specify exactly one of"),
    ] {
        let world = project(&of_steps(&format!(
            "      - uses: google-github-actions/auth@v2\n        with: {with}\n"
        )));
        let (ran, _) = run(&world, &[]);
        assert!(ran.code == 1 && ran.stderr.contains(why), "{why}: {}", ran.stderr);
    }
}

#[test]
fn google_gives_tokens_for_a_signed_claim() {
    let made = std::process::Command::new("openssl").args(["genpkey", "-algorithm", "RSA"]).output();
    let Some(made) = made.ok().filter(|made| made.status.success()) else {
        skip!("openssl is not installed")
    };
    let web = Web::new();
    web.serve(
        "/token",
        r#"{"access_token": "access-of-google", "id_token": "id-of-google", "expires_in": 3600}"#,
    );
    let key = json!({
        "type": "service_account", "project_id": "p", "client_email": "ci@p.example",
        "private_key": String::from_utf8(made.stdout).unwrap(), "token_uri": format!("{}/token", web.url()),
    });
    let auth = |id: &str, with: &str| {
        format!(
            "      - id: {id}\n        uses: google-github-actions/auth@v2\n        with: {{credentials_json: '${{{{ secrets.GCP }}}}', {with}}}\n"
        )
    };
    let steps = auth("access", "token_format: access_token")
        + &auth("id", "token_format: id_token, id_token_audience: 'https://run.example'")
        + "      - run: test '${{ steps.access.outputs.access_token }} ${{ steps.id.outputs.id_token }}' = 'access-of-google id-of-google'\n"
        + &auth("wrong", "token_format: id_token");
    let world = project(&of_steps(&steps));
    let (ran, report) = run(&world, &["--secret", &format!("GCP={key}")]);
    let steps = report["jobs"][0]["steps"].as_array().unwrap();
    let words: Vec<&str> = steps.iter().take(4).map(|step| step["outcome"].as_str().unwrap()).collect();
    assert_eq!(words, ["success", "success", "success", "failure"], "{}", ran.stderr);
    assert!(!ran.stdout.contains("access-of-google"), "{}", ran.stdout);
    let sent: Vec<String> =
        web.requests().into_iter().map(|request| String::from_utf8(request.body).unwrap()).collect();
    assert!(sent.len() == 2 && sent.iter().all(|body| body.contains("jwt-bearer&assertion=ey")), "{sent:?}");
    let assertion = sent[0].split("assertion=").nth(1).unwrap();
    let (text, signature) = assertion.rsplit_once('.').unwrap();
    let [claim, signed] = ["claim", "signature"].map(|name| world.path(name));
    std::fs::write(&claim, text).unwrap();
    std::fs::write(&signed, BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let private = world.path("key.pem");
    std::fs::write(&private, key["private_key"].as_str().unwrap()).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-prverify"]).arg(private).arg("-signature").args([signed, claim]);
    let verified = openssl.output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    web.answer("/token", 400, r#"{"error": "invalid_grant", "error_description": "no such account"}"#);
    let (ran, _) = run(&world, &["--secret", &format!("GCP={key}")]);
    assert!(ran.code == 1 && ran.stderr.contains("400 Bad Request: no such account"), "{}", ran.stderr);
}

#[test]
fn a_python_of_this_machine_has_an_environment_of_its_own() {
    let world = project(&of_steps(
        "      - id: py\n        uses: actions/setup-python@v5\n        with: {python-version: 3.x, cache: pip}\n      \
         - run: |\n          test \"$(command -v python)\" = '${{ steps.py.outputs.python-path }}'\n          \
         test \"$(python -c 'import platform; print(platform.python_version())')\" = '${{ steps.py.outputs.python-version }}'\n          \
         python -c 'import sys, os; assert sys.prefix == os.environ[\"pythonLocation\"] != sys.base_prefix'\n          \
         python -m pip --version\n      \
         - run: import sys; assert sys.prefix != sys.base_prefix\n        shell: python\n      \
         - id: file\n        run: echo 3 > .python-version\n      \
         - uses: actions/setup-python@v5\n        with: {python-version-file: .python-version}\n      \
         - uses: actions/setup-python@v4\n        with: {python-version: '2.1'}\n",
    ));
    let (ran, report) = run(&world, &[]);
    if ran.stderr.contains(" -m venv: ") {
        skip!("this Python makes no environments (python3-venv)");
    }
    let steps = report["jobs"][0]["steps"].as_array().unwrap();
    let words: Vec<&str> = steps.iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert_eq!(words, ["success", "success", "success", "success", "success", "failure"], "{}", ran.stderr);
    assert!(ran.stderr.contains("The version '2.1'") && ran.stderr.contains("uv python install 2.1"));
}

#[test]
fn emulators_are_listed_and_missing_ones_named() {
    let world = project(&of_steps(
        "      - id: qemu\n        uses: docker/setup-qemu-action@v3\n        with: {platforms: 'mips64,linux/amd64'}\n      \
         - id: buildx\n        uses: docker/setup-buildx-action@v3\n",
    ));
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let platforms = outputs(&report, "qemu")["platforms"].as_str().unwrap();
    assert!(platforms.starts_with("linux/"), "{platforms}");
    assert_eq!(outputs(&report, "buildx")["platforms"], platforms);
    assert!(ran.stderr.contains("cannot run mips64") && ran.stderr.contains("qemu-user-static"));
}

#[test]
fn a_report_is_kept_and_goes_to_code_scanning_where_there_is_one() {
    let sarif = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"results":[]}]}"#;
    let world = project(&of_steps(
        "      - uses: actions/checkout@v4\n      - id: up\n        uses: github/codeql-action/upload-sarif@v3\n        \
         with: {sarif_file: out.sarif, category: image}\n",
    ));
    world.file("out.sarif", sarif);
    commit(&world);
    let kept = world.path("project/.wharf/workflow/sarif/out-image.sarif");
    let (ran, _) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing is uploaded from this machine") && kept.exists(), "{}", ran.stderr);

    let web = Web::new();
    let path = "/repos/own/repo/code-scanning/sarifs";
    web.answer(path, 202, r#"{"id": "7"}"#);
    web.serve(&format!("{path}/7"), r#"{"processing_status": "complete"}"#);
    let url = web.url();
    let env = [("GITHUB_API_URL", url.as_str()), ("WHARF_POLL_MS", "1")];
    let flags = ["--repository", "own/repo", "--secret", "GITHUB_TOKEN=t0ken-t0ken"];
    let (ran, report) = run_with(&world, &flags, &env);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(outputs(&report, "up")["sarif-id"], "7", "{}", ran.stderr);
    let sent = web.requests().into_iter().find(|request| request.method == "POST").unwrap();
    assert!(sent.headers.contains("bearer t0ken-t0ken"), "{}", sent.headers);
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["ref"], "refs/heads/main");
    assert_eq!(body["commit_sha"].as_str().unwrap().len(), 40);

    web.answer(path, 403, r#"{"message": "Advanced Security must be enabled"}"#);
    let (ran, _) = run_with(&world, &flags, &env);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("does not take the report: 403 Forbidden: Advanced Security must be enabled")
    );

    world.file("out.sarif", r#"{"version":"2.0.0","runs":[]}"#);
    commit(&world);
    let (ran, _) = run(&world, &[]);
    assert!(ran.code == 1 && ran.stderr.contains("Invalid SARIF"), "{}", ran.stderr);
}

#[test]
fn a_scan_has_trivys_formats_severities_and_exceptions() {
    let steps = |template: &str| {
        of_steps(&format!(
            "      - uses: actions/checkout@v4\n      - uses: aquasecurity/trivy-action@0.36.0\n        \
             with: {{scan-type: fs, scan-ref: site, scanners: vuln, format: template, template: '{template}', severity: 'CRITICAL,LOW', \
             trivyignores: exceptions, output: found.json}}\n      - id: found\n        \
             run: echo \"names=$(jq -c '[.vulnerabilities[].name]' found.json)\" >> \"$GITHUB_OUTPUT\"\n"
        ))
    };
    let world = project(&steps("@/contrib/gitlab.tpl"));
    world.file("site/own-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: own\nVersion: 1.0\n\n");
    world.file("exceptions", "CVE-2026-3\n");
    commit(&world);
    for (id, severity) in [("CVE-2026-1", "CRITICAL"), ("CVE-2026-2", "HIGH"), ("CVE-2026-3", "LOW")] {
        world.file(&format!("osv/{id}.json"), &record(id, "own", severity).to_string());
    }
    world.wharf_ok(&["db", "import", "osv"]);
    let (ran, report) = run(&world, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(outputs(&report, "found")["names"], r#"["CVE-2026-1"]"#, "{}", ran.stderr);

    world.file(".github/workflows/w.yml", &steps("@/contrib/asff.tpl"));
    commit(&world);
    let (ran, _) = run(&world, &[]);
    let why = "the template `@/contrib/asff.tpl` is none that wharf's scanner can stand in for";
    assert!(ran.code != 0 && ran.stderr.contains(why), "{}", ran.stderr);
}

#[test]
fn halves_of_a_cache_work_from_run_to_run() {
    let world = project(&of_steps(
        "      - id: back\n        uses: actions/cache/restore@v4\n        with: {path: kept, key: k-2, restore-keys: k-}\n      \
         - run: test '${{ steps.back.outputs.cache-matched-key }}' = '' || test \"$(cat kept/file)\" = stored\n      \
         - run: mkdir -p kept && echo stored > kept/file\n      \
         - uses: actions/cache/save@v4\n        with: {path: kept, key: '${{ vars.KEY }}'}\n",
    ));
    let outcome = |key: &str| {
        let (ran, report) = run(&world, &["--var", &format!("KEY={key}")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let outputs = outputs(&report, "back").clone();
        assert_eq!(outputs["cache-primary-key"], "k-2");
        let text = |name: &str| outputs[name].as_str().unwrap_or_default().to_owned();
        (text("cache-hit"), text("cache-matched-key"))
    };
    assert_eq!(outcome("k-1"), (String::new(), String::new()));
    assert_eq!(outcome("k-2"), ("false".into(), "k-1".into()));
    assert_eq!(outcome("k-2"), ("true".into(), "k-2".into()));
    let missing = project(&of_steps(
        "      - uses: actions/cache/restore@v4\n        with: {path: kept, key: no, fail-on-cache-miss: true}\n",
    ));
    let (ran, _) = run(&missing, &[]);
    assert!(ran.code == 1 && ran.stderr.contains("fail-on-cache-miss is set"), "{}", ran.stderr);
}
