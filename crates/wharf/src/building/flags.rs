//! The flags of `docker buildx build`, and what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_build::plan::{Network, NoCache};
use wharf_build::{BuildRequest, ContextSource, DockerfileSource, HostCa, NamedContext, Secret};
use wharf_oci::{Platform, Reference};

use super::annotations;
use super::attestations::AttestFlags;
use super::caches::CacheFlags;
use super::call::{Call, Method};
use super::limits::LimitFlags;
use super::outputs::{self, Push};
use crate::exit::{Failure, OrFail};
use crate::remote::Verbatim;
use crate::settings::host;

/// Flags of `docker buildx build`, with docker's meaning.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The Dockerfile [default: CONTEXT/Dockerfile]; `-` reads it from standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// A name for the image
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<Reference>,
    /// Build this stage
    #[arg(long)]
    target: Option<String>,
    /// Set a build argument
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// A further context: a directory, docker-image://, oci-layout:// or a URL
    #[arg(long, value_name = "NAME=SOURCE")]
    build_context: Vec<String>,
    /// Show a secret to RUN: `id=ID[,src=FILE|,env=NAME]`
    #[arg(long, value_name = "SPEC")]
    secret: Vec<String>,
    /// Show an SSH agent to RUN: `default` or `ID[=SOCKET]`
    #[arg(long, value_name = "SPEC")]
    ssh: Vec<String>,
    /// Build for this platform; several give an index
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// What to make of the result: `type=oci,dest=FILE`, a directory, or `-`
    #[arg(short, long, value_name = "SPEC")]
    output: Vec<String>,
    #[command(flatten)]
    caches: CacheFlags,
    #[command(flatten)]
    attestations: AttestFlags,
    /// Take nothing from the cache
    #[arg(long)]
    no_cache: bool,
    /// Take nothing from the cache for these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Ask registries for base images even when they are here
    #[arg(long)]
    pull: bool,
    /// Set a label
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Set an annotation: of the manifest, or of what stands before a colon, such as `index:NAME=VALUE`
    #[arg(long, value_name = "[LEVEL:]NAME=VALUE")]
    annotation: Vec<String>,
    /// The network of RUN: `default`, `none` or `host`
    #[arg(long, value_name = "MODE", default_value = "default")]
    network: String,
    /// A name and its address for RUN
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    #[command(flatten)]
    limits: LimitFlags,
    /// Allow `network.host` or `security.insecure` to the Dockerfile
    #[arg(long, value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    /// Trust the host's certificate authorities in RUN: `auto`, `on` or `off`
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    host_ca: String,
    #[command(flatten)]
    pub(crate) builder: crate::builders::flags::Flags,
    /// Keep the image in the store with all its layers; without --push it always is
    #[arg(long)]
    load: bool,
    /// Push the image under its names
    #[arg(long)]
    push: bool,
    /// Write what was built as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Write the image ID
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Show where the time went
    #[arg(long)]
    pub(crate) timings: bool,
    /// Run the checks and build nothing; exit code 1 where they find something
    #[arg(long)]
    check: bool,
    /// What to do: `build`, `check`, `outline` or `targets`, with `,format=json` as a document
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// Print the image ID only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The context: a directory, a git URL, a tar's URL, or `-` for standard input
    context: String,
}

/// What the flags ask for.
pub(crate) struct Asked {
    /// The build.
    pub(crate) request: BuildRequest,
    /// What is to be pushed.
    pub(crate) pushes: Vec<Push>,
    /// The image's inventory is wanted beside it.
    pub(crate) inventory: bool,
    /// What a person should know of the flags.
    pub(crate) warnings: Vec<String>,
}

impl Flags {
    /// What is asked of the Dockerfile.
    pub(crate) fn call(&self) -> Result<Call, Failure> {
        let call = Call::read(self.call.as_deref().unwrap_or_default())?;
        match (self.check, call.method) {
            (true, Method::Build) => Ok(Call { method: Method::Check, ..call }),
            (true, Method::Outline | Method::Targets) => {
                Err(Failure::usage("--check is short for --call=check, and another --call is given, too"))
            }
            _ => Ok(call),
        }
    }

    /// What a builder elsewhere is told as it was typed.
    pub(crate) fn verbatim(&self) -> Result<Verbatim, Failure> {
        let (cache_from, cache_to) = self.caches.verbatim()?;
        Ok(Verbatim { cache_from, cache_to, attestations: self.attestations.verbatim()? })
    }

    /// What they ask for.
    pub(crate) fn request(&self) -> Result<Asked, Failure> {
        let mut request = BuildRequest::new(context(&self.context, self.file.as_deref())?);
        if let Some(file) = &self.file {
            request.dockerfile = dockerfile(file, &request.context)?;
        }
        self.set_options(&mut request)?;
        request.platforms = self.platform.clone();
        request.contexts = pairs(&self.build_context, "--build-context", named_context)?;
        request.secrets = self.secret.iter().map(|spec| secret(spec)).collect::<Result<_, _>>()?;
        request.ssh = self.ssh.iter().map(|spec| ssh(spec)).collect::<Result<_, _>>()?;
        request.host_ca = match self.host_ca.as_str() {
            "auto" => HostCa::Auto,
            "on" => HostCa::On,
            "off" => HostCa::Off,
            other => return Err(Failure::usage(format!("--host-ca is `{other}`: expected auto, on or off"))),
        };
        request.proxies = super::proxies();
        request.extra_hosts = self.add_host.iter().map(|spec| extra_host(spec)).collect::<Result<_, _>>()?;
        request.pull = self.pull;
        request.tags = self.tag.clone();
        let mut warnings = Vec::new();
        self.limits.apply(&mut request, &mut warnings)?;
        self.caches.apply(&mut request, &mut warnings)?;
        let annotations = annotations::of_flags(&self.annotation)?;
        let pushes = outputs::apply(&self.output, self.push, &annotations, &mut request, &mut warnings)?;
        request.remote = !pushes.is_empty() && !self.load;
        let attested = self.attestations.asked(&mut warnings)?;
        request.attestations = attested.attestations;
        Ok(Asked { request, pushes, inventory: attested.inventory, warnings })
    }

    fn set_options(&self, request: &mut BuildRequest) -> Result<(), Failure> {
        let options = &mut request.options;
        options.target = self.target.clone();
        options.build_args = self.build_arg.iter().filter_map(|spec| build_arg(spec)).collect();
        if let Some(epoch) = host::variable("SOURCE_DATE_EPOCH") {
            options.build_args.entry("SOURCE_DATE_EPOCH".into()).or_insert(epoch);
        }
        // As in docker, a name alone is a label without a value.
        let label = |spec: &String| {
            let (name, value) = spec.split_once('=').unwrap_or((spec, ""));
            (name.to_owned(), value.to_owned())
        };
        options.labels = self.label.iter().map(label).collect();
        options.no_cache = match (self.no_cache, self.no_cache_filter.as_slice()) {
            (true, _) => NoCache::All,
            (false, []) => NoCache::Off,
            (false, stages) => NoCache::Stages(stages.to_vec()),
        };
        options.network = match self.network.as_str() {
            "default" | "bridge" => Network::Default,
            "none" => Network::None,
            "host" => Network::Host,
            other => {
                return Err(Failure::usage(format!(
                    "--network is `{other}`: expected default, none or host"
                )));
            }
        };
        options.allow = self.allow.clone();
        Ok(())
    }
}

/// Where the files are. A context on standard input may be a tar, or, with no file asked for, a Dockerfile.
fn context(text: &str, file: Option<&str>) -> Result<ContextSource, Failure> {
    if text == "-" {
        if file == Some("-") {
            return Err(Failure::usage(
                "the Dockerfile and the context cannot both come from standard input",
            ));
        }
        return Ok(ContextSource::Archive("/dev/stdin".into()));
    }
    Ok(match remote(text) {
        Some(remote) => remote,
        None if Path::new(text).is_dir() => ContextSource::Directory(text.into()),
        None if Path::new(text).exists() => {
            return Err(Failure::usage(format!("the context `{text}` is a file, and must be a directory"))
                .hint("a tar goes in on standard input: wharf build - < context.tar"));
        }
        None => return Err(Failure::usage(format!("the context `{text}` does not exist"))),
    })
}

/// A git repository or a download, as docker tells them from paths.
fn remote(text: &str) -> Option<ContextSource> {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    let path = text.split(['#', '?']).next().unwrap_or_default();
    let is_git = text.starts_with("git://")
        || text.starts_with("ssh://")
        || text.starts_with("git@")
        || text.starts_with("github.com/")
        || (is_http && path.ends_with(".git"));
    match (is_git, is_http) {
        (true, _) => Some(ContextSource::Git(text.to_owned())),
        (false, true) => Some(ContextSource::Url(text.to_owned())),
        (false, false) => None,
    }
}

fn dockerfile(file: &str, context: &ContextSource) -> Result<DockerfileSource, Failure> {
    Ok(match context {
        _ if file == "-" => {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)?;
            DockerfileSource::Inline(text)
        }
        ContextSource::Directory(_) => DockerfileSource::File(file.into()),
        // As in docker: beside a remote context, a whole path is one of this machine.
        ContextSource::Git(_) | ContextSource::Url(_) if Path::new(file).is_absolute() => {
            DockerfileSource::File(file.into())
        }
        _ => DockerfileSource::InContext(file.to_owned()),
    })
}

/// `NAME=VALUE`; `NAME` alone takes the variable of wharf's own environment, and nothing where it is not set.
fn build_arg(spec: &str) -> Option<(String, String)> {
    match spec.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((spec.to_owned(), std::env::var(spec).ok()?)),
    }
}

fn pairs<T>(
    specs: &[String],
    flag: &str,
    read: impl Fn(&str, &str) -> Result<T, Failure>,
) -> Result<BTreeMap<String, T>, Failure> {
    specs
        .iter()
        .map(|spec| {
            let (name, value) = spec
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| Failure::usage(format!("{flag} is `{spec}`: expected NAME=VALUE")))?;
            Ok((name.to_owned(), read(name, value)?))
        })
        .collect()
}

fn named_context(_name: &str, source: &str) -> Result<NamedContext, Failure> {
    if let Some(image) = source.strip_prefix("docker-image://") {
        return Ok(match image {
            "scratch" => NamedContext::Scratch,
            image => NamedContext::Image(image.parse().or_usage()?),
        });
    }
    if let Some(layout) = source.strip_prefix("oci-layout://") {
        let (path, name) = layout_name(layout);
        return Ok(NamedContext::Layout { path, name });
    }
    Ok(NamedContext::Files(context(source, None)?))
}

/// `path[:tag][@digest]`.
fn layout_name(text: &str) -> (PathBuf, Option<String>) {
    if let Some((path, digest)) = text.split_once('@') {
        let path = path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(path, |(path, _)| path);
        return (path.into(), Some(digest.to_owned()));
    }
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path.into(), Some(tag.to_owned())),
        _ => (text.into(), None),
    }
}

/// `id=ID[,src=FILE][,env=NAME][,type=file|env]`; with neither, the variable of that name, else the file.
fn secret(spec: &str) -> Result<(String, Secret), Failure> {
    let wrong = |why: &str| Failure::usage(format!("--secret is `{spec}`: {why}"));
    let (mut id, mut source, mut env, mut kind) = (None, None, None, None);
    for part in spec.split(',') {
        match part.split_once('=') {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("src" | "source", value)) => source = Some(value.to_owned()),
            Some(("env", value)) => env = Some(value.to_owned()),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value.to_owned()),
            _ => return Err(wrong("expected id=ID and src=FILE or env=NAME")),
        }
    }
    let id =
        id.or_else(|| source.clone()).filter(|id| !id.is_empty()).ok_or_else(|| wrong("it has no id"))?;
    if kind.as_deref() == Some("env") && env.is_none() {
        env = source.take();
    }
    let variable = |name: &str| {
        let value =
            std::env::var_os(name).ok_or_else(|| wrong(&format!("the variable `{name}` is not set")))?;
        Ok::<_, Failure>(Secret::Value(std::os::unix::ffi::OsStringExt::into_vec(value)))
    };
    let secret = match (source, env) {
        (Some(path), _) => Secret::File(path.into()),
        (None, Some(name)) => variable(&name)?,
        (None, None) if kind.as_deref() != Some("file") && std::env::var_os(&id).is_some() => variable(&id)?,
        (None, None) => Secret::File(id.clone().into()),
    };
    match &secret {
        Secret::File(path) if !path.is_file() => Err(wrong(&format!("there is no file {}", path.display()))),
        _ => Ok((id, secret)),
    }
}

/// `default` or `ID[=SOCKET]`; without a socket, the agent of the environment.
fn ssh(spec: &str) -> Result<(String, PathBuf), Failure> {
    let (id, socket) = spec.split_once('=').unwrap_or((spec, ""));
    let socket = match socket {
        "" => host::variable("SSH_AUTH_SOCK").ok_or_else(|| {
            Failure::usage(format!("--ssh {spec} wants an agent, and SSH_AUTH_SOCK is not set"))
                .hint("start one: eval \"$(ssh-agent)\" && ssh-add")
        })?,
        socket => socket.to_owned(),
    };
    Ok((id.to_owned(), socket.into()))
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`.
fn extra_host(spec: &str) -> Result<(String, String), Failure> {
    let (name, address) = spec
        .split_once('=')
        .or_else(|| spec.split_once(':'))
        .ok_or_else(|| Failure::usage(format!("--add-host is `{spec}`: expected NAME:ADDRESS")))?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = if address == "host-gateway" { "127.0.0.1" } else { address };
    match address.parse::<std::net::IpAddr>() {
        Ok(_) => Ok((name.to_owned(), address.to_owned())),
        Err(_) => Err(Failure::usage(format!("--add-host is `{spec}`: `{address}` is not an address"))),
    }
}

/// `64m`, `2g`, `1048576`: docker's sizes, in powers of 1024.
pub(crate) fn bytes(text: &str, flag: &str) -> Result<u64, Failure> {
    let lower = text.to_ascii_lowercase();
    let plain = lower.trim_end_matches("ib").trim_end_matches('b');
    let (number, shift) = match plain.strip_suffix(['k', 'm', 'g', 't']) {
        Some(number) => (number, 10 * (1 + "kmgt".find(&plain[number.len()..]).unwrap_or(0))),
        None => (plain, 0),
    };
    let count = number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_shl(shift as u32).filter(|n| n >> shift == count));
    count
        .ok_or_else(|| Failure::usage(format!("{flag} is `{text}`: expected a number of bytes, such as 64m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_docker_sizes() {
        for (text, count) in
            [("64m", 64 << 20), ("2G", 2 << 30), ("1024", 1024), ("1kb", 1024), ("1KiB", 1024)]
        {
            assert_eq!(bytes(text, "--memory").unwrap(), count, "{text}");
        }
        for bad in ["", "m", "1x", "-1", "99999999999999t"] {
            assert!(bytes(bad, "--memory").is_err(), "{bad}");
        }
    }

    #[test]
    fn contexts_are_told_apart_as_docker_does() {
        assert!(matches!(remote("https://example.com/a.git#main:dir"), Some(ContextSource::Git(_))));
        assert!(matches!(remote("git@github.com:a/b.git"), Some(ContextSource::Git(_))));
        assert!(matches!(remote("https://example.com/a.tar.gz"), Some(ContextSource::Url(_))));
        assert!(remote("./dir").is_none());
        assert!(context("-", Some("-")).is_err());
        assert!(context("/no/such/place", None).is_err());
    }

    #[test]
    fn layouts_are_named_by_tag_or_digest() {
        assert_eq!(layout_name("/a/b:1.2"), ("/a/b".into(), Some("1.2".into())));
        assert_eq!(layout_name("/a/b"), ("/a/b".into(), None));
        assert_eq!(layout_name("/a/b@sha256:1"), ("/a/b".into(), Some("sha256:1".into())));
    }

    #[test]
    fn secrets_come_from_files_and_variables_that_exist() {
        assert!(matches!(secret("id=a,src=/etc/hostname").unwrap(), (id, Secret::File(_)) if id == "a"));
        assert!(matches!(secret("id=PATH").unwrap().1, Secret::Value(_)));
        for bad in ["", "id=a", "src", "id=a,env=NO_SUCH_VARIABLE_HERE", "id=a,src=/no/such/file"] {
            assert!(secret(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_need_an_address() {
        assert_eq!(extra_host("db:10.0.0.1").unwrap(), ("db".into(), "10.0.0.1".into()));
        assert_eq!(extra_host("v6=[::1]").unwrap().1, "::1");
        assert!(extra_host("db").is_err() && extra_host("db:nowhere").is_err());
    }
}
