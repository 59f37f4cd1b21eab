//! What native actions stand on: processes of this very binary.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use wharf_workflow::engine::{
    EcrLogin, EcrRequest, Engine, GoogleRequest, Invocation, SarifUpload, Scan, StsRequest,
};

use super::{ecr, google, sts};
use crate::exit::Failure;
use crate::scanning::github::{GitHub, Uploaded};

/// wharf, for actions.
pub(crate) struct Wharf {
    program: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Wharf {
    /// This binary.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            program: std::env::current_exe().context("finding wharf's own program")?,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
        })
    }

    /// Where async work runs.
    pub(crate) fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    fn call(&self, verb: &[&str], flags: Vec<String>) -> Invocation {
        let mut args = vec!["--progress".to_owned(), "plain".into()];
        args.extend(verb.iter().map(|word| (*word).to_owned()));
        args.extend(flags);
        Invocation { program: self.program.clone(), args, stdin: None }
    }
}

impl Engine for Wharf {
    fn build(&self, flags: Vec<String>) -> Invocation {
        self.call(&["build"], flags)
    }

    fn bake(&self, flags: Vec<String>) -> Invocation {
        let mut args = vec!["docker".to_owned(), "buildx".into(), "bake".into()];
        args.extend(flags);
        Invocation { program: self.program.clone(), args, stdin: None }
    }

    fn login(&self, registry: &str, username: &str, password: &str) -> Invocation {
        let flags = ["--username", username, "--password-stdin", registry].map(str::to_owned);
        Invocation { stdin: Some(password.to_owned()), ..self.call(&["login"], flags.to_vec()) }
    }

    fn logout(&self, registry: &str) -> Invocation {
        self.call(&["logout"], vec![registry.to_owned()])
    }

    fn ship(&self, flags: Vec<String>) -> Invocation {
        self.call(&["ship"], flags)
    }

    fn pull(&self, image: &str) -> Invocation {
        self.call(&["pull"], vec![image.to_owned()])
    }

    fn scan(&self, scan: &Scan) -> Invocation {
        let mut flags = vec!["--format".to_owned(), scan.format.clone()];
        if !scan.only.is_empty() {
            flags.extend(["--only".into(), scan.only.join(",")]);
        }
        if let Some(output) = &scan.output {
            flags.extend(["--output".into(), output.display().to_string()]);
        }
        if !scan.severities.is_empty() {
            flags.extend(["--severity".into(), scan.severities.join(",")]);
        }
        flags.extend(["--fail-on".into(), "info".into()]);
        for file in &scan.ignore_files {
            flags.extend(["--ignore-file".into(), file.display().to_string()]);
        }
        let unfixed = if scan.ignore_unfixed { "ignore" } else { "fail" };
        flags.extend(["--unfixed".into(), unfixed.into()]);
        if !scan.fail {
            flags.push("--report-only".into());
        }
        flags.push(scan.target.clone());
        self.call(&["scan"], flags)
    }

    fn ecr_logins(
        &self,
        request: &EcrRequest,
        env: &BTreeMap<String, String>,
    ) -> Result<Vec<EcrLogin>, String> {
        self.runtime.block_on(ecr::logins(request, env)).map_err(|error| format!("{error:#}"))
    }

    fn sts(&self, request: &StsRequest, env: &BTreeMap<String, String>) -> Result<String, String> {
        self.runtime.block_on(sts::ask(request, env)).map_err(|error| format!("{error:#}"))
    }

    fn google_token(&self, request: &GoogleRequest) -> Result<String, String> {
        self.runtime.block_on(google::token(request)).map_err(|error| format!("{error:#}"))
    }

    fn upload_sarif(
        &self,
        upload: &SarifUpload,
        env: &BTreeMap<String, String>,
    ) -> Result<Result<String, String>, String> {
        let api = env.get("GITHUB_API_URL").cloned().unwrap_or_default();
        let repository = env.get("GITHUB_REPOSITORY").cloned().unwrap_or_default();
        let github = GitHub::at(&api, repository, upload.token.clone());
        let uploaded = github.and_then(|github| {
            self.runtime.block_on(github.upload_of(&upload.sarif, &upload.sha, &upload.git_ref))
        });
        match uploaded.map_err(|error| format!("{error:#}"))? {
            Uploaded::Done { id } => Ok(Ok(id)),
            Uploaded::Refused { why } => Ok(Err(why)),
        }
    }

    fn platforms(&self) -> Vec<String> {
        let host = wharf_oci::Platform::host().to_string();
        let mut platforms = vec![host];
        for (entry, platform) in [
            ("qemu-x86_64", "linux/amd64"),
            ("qemu-aarch64", "linux/arm64"),
            ("qemu-arm", "linux/arm/v7"),
            ("qemu-riscv64", "linux/riscv64"),
            ("qemu-ppc64le", "linux/ppc64le"),
            ("qemu-s390x", "linux/s390x"),
            ("qemu-i386", "linux/386"),
        ] {
            let registered = std::path::Path::new("/proc/sys/fs/binfmt_misc").join(entry).exists();
            if registered && !platforms.iter().any(|known| known == platform) {
                platforms.push(platform.to_owned());
            }
        }
        platforms
    }
}
