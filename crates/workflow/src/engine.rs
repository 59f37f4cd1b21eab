//! What native actions stand on: the rest of wharf, asked for through this trait.
//!
//! The binary answers with a process of itself, so that a build or a scan is stopped, timed and logged like any
//! other step, and has the job's own environment.

use std::path::PathBuf;

/// A program and what it is given.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// What to run.
    pub program: PathBuf,
    /// With what.
    pub args: Vec<String>,
    /// What it reads.
    pub stdin: Option<String>,
}

/// What to look for in what, and how to tell.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// An image, a directory, a file.
    pub target: String,
    /// `vuln`, `secret`, `licence`, `config`; none is all that wharf knows.
    pub only: Vec<String>,
    /// `table`, `json`, `sarif` and the like.
    pub format: String,
    /// Where the report goes; standard output where none is said.
    pub output: Option<PathBuf>,
    /// The severities that count; none is all.
    pub severities: Vec<String>,
    /// Files of findings that are answered for.
    pub ignore_files: Vec<PathBuf>,
    /// Whether findings without a fix count.
    pub ignore_unfixed: bool,
    /// Whether findings make the scan fail.
    pub fail: bool,
}

/// A login to Amazon's registry.
#[derive(Debug, Clone)]
pub struct EcrLogin {
    /// The registry's host.
    pub registry: String,
    /// Who.
    pub username: String,
    /// For some hours.
    pub password: String,
}

/// What to ask Amazon for.
#[derive(Debug, Clone, Default)]
pub struct EcrRequest {
    /// Accounts; none is the caller's own.
    pub accounts: Vec<String>,
    /// The public registry.
    pub public: bool,
    /// Where.
    pub region: String,
}

/// What to ask Amazon's token service for.
#[derive(Debug, Clone, Default)]
pub struct StsRequest {
    /// Where.
    pub region: String,
    /// The action and what it takes.
    pub fields: Vec<(String, String)>,
    /// Whether it is signed with the caller's keys.
    pub signed: bool,
}

/// What to ask Google for.
#[derive(Debug, Clone, Default)]
pub struct GoogleRequest {
    /// The key of a service account.
    pub key: serde_json::Value,
    /// What an access token allows.
    pub scopes: Vec<String>,
    /// For whom an identity token is; none is an access token.
    pub audience: Option<String>,
    /// As whom, where that is not the account itself.
    pub subject: String,
    /// How long it lives.
    pub seconds: u64,
}

/// A report for code scanning.
#[derive(Debug, Clone, Default)]
pub struct SarifUpload {
    /// The report.
    pub sarif: String,
    /// Of which commit.
    pub sha: String,
    /// Of which ref.
    pub git_ref: String,
    /// As whom.
    pub token: String,
}

/// The rest of wharf.
pub trait Engine: Sync {
    /// A build, with the flags of `docker buildx build`.
    fn build(&self, flags: Vec<String>) -> Invocation;
    /// Several builds, with the flags of `docker buildx bake`.
    fn bake(&self, flags: Vec<String>) -> Invocation;
    /// A login; the password is on standard input.
    fn login(&self, registry: &str, username: &str, password: &str) -> Invocation;
    /// The end of a login.
    fn logout(&self, registry: &str) -> Invocation;
    /// The whole pipeline, with the flags of `wharf ship`.
    fn ship(&self, flags: Vec<String>) -> Invocation;
    /// Brings an image here.
    fn pull(&self, image: &str) -> Invocation;
    /// A scan.
    fn scan(&self, scan: &Scan) -> Invocation;
    /// Asks Amazon for logins, as whom `env` says (`AWS_ACCESS_KEY_ID` and so on).
    ///
    /// # Errors
    /// Why there are none.
    fn ecr_logins(
        &self,
        request: &EcrRequest,
        env: &std::collections::BTreeMap<String, String>,
    ) -> Result<Vec<EcrLogin>, String>;
    /// Asks Amazon's token service, as whom `env` says; the answer is XML.
    ///
    /// # Errors
    /// Why there is no answer.
    fn sts(
        &self,
        request: &StsRequest,
        env: &std::collections::BTreeMap<String, String>,
    ) -> Result<String, String>;
    /// Asks Google for a token.
    ///
    /// # Errors
    /// Why there is none.
    fn google_token(&self, request: &GoogleRequest) -> Result<String, String>;
    /// Gives a report to code scanning, of the repository and at the API that `env` names; the answer is the
    /// upload's name, or why the repository does not take it.
    ///
    /// # Errors
    /// Why it is not there.
    fn upload_sarif(
        &self,
        upload: &SarifUpload,
        env: &std::collections::BTreeMap<String, String>,
    ) -> Result<Result<String, String>, String>;
    /// What can be built here: `linux/amd64` and so on, the host's own first.
    fn platforms(&self) -> Vec<String>;
}
