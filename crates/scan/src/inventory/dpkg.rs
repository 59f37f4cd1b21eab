//! dpkg's database: `var/lib/dpkg/status`, and one stanza per file in `status.d` (distroless images).

use super::{Found, SourcePackage, System};

/// Who else publishes packages for dpkg, by what stands in `Maintainer`, in lower case. The control file has no field for where a
/// package comes from, and those who build for Debian are people with addresses everywhere.
const OTHERS: &str = "\
    @amd.com | @anydesk.com | @azul.com | @bell-sw.com | @circleci.com | @cloudflare.com | @confluent.io | \
    @datadoghq.com | @docker.com | @elastic.co | @f5.com | @fluentbit.io | @gitlab.com | @grafana.com | \
    @hashicorp.com | @influxdb.com | @influxdata.com | @intel.com | @jfrog.com | @k6.io | @microsoft.com | \
    @mongodb.com | @newrelic.com | @nginx.com | @nodesource.com | @nvidia.com | @percona.com | @redis.com | \
    @redis.io | @slack-corp.com | @splunk.com | @tailscale.com | @vmware.com | @yarnpkg.com | amazon | adoptium | \
    bazel | chromium-dev@ | clickhouse | code.google.com | cudatools | datadog | elasticsearch | erlang solutions | \
    github | google cloud | google llc | google, inc | hashicorp | influxdata | kubernetes | mariadb developers | \
    microsoft | mongodb | mysql release | nodesource | nvidia | oracle | postman | puppet | rabbitmq | temurin | \
    yarn developers";
/// What others append to the versions of packages that they build anew.
const OTHER_BUILDS: &str =
    "nodesource | .pgdg | ~++20 | +deb.sury | rl1~ | ppa | +bionic | +focal | +jammy | +noble";

/// The installed packages that a status file speaks of, and what is wrong with the file.
pub(crate) fn parse(text: &str) -> (Vec<Found>, Option<String>) {
    let mut packages = Vec::new();
    let mut broken = 0;
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        match paragraph(block) {
            Some(paragraph) => packages.extend(read(&paragraph)),
            None => broken += 1,
        }
    }
    let damage = match broken {
        0 => None,
        1 => Some("1 paragraph is no package".to_owned()),
        several => Some(format!("{several} paragraphs are no packages")),
    };
    (packages, damage)
}

/// The fields of one paragraph that matter here; continuation lines do not.
#[derive(Default)]
struct Paragraph<'a> {
    package: &'a str,
    status: Option<&'a str>,
    version: &'a str,
    source: Option<&'a str>,
    architecture: Option<&'a str>,
    maintainer: &'a str,
}

/// The paragraph in `block`; `None` where it is none about a package, or about an installed one without a version.
fn paragraph(block: &str) -> Option<Paragraph<'_>> {
    let mut paragraph = Paragraph::default();
    for (name, value) in block.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name {
            "Package" => paragraph.package = value,
            "Status" => paragraph.status = Some(value),
            "Version" => paragraph.version = value,
            "Source" => paragraph.source = Some(value),
            "Architecture" => paragraph.architecture = Some(value),
            "Maintainer" => paragraph.maintainer = value,
            _ => {}
        }
    }
    let is_whole =
        !paragraph.package.is_empty() && (!paragraph.version.is_empty() || !is_installed(&paragraph));
    is_whole.then_some(paragraph)
}

/// `deinstall ok config-files` leaves only configuration; a stanza without a status is a distroless one.
fn is_installed(paragraph: &Paragraph<'_>) -> bool {
    paragraph.status.is_none_or(|status| status.ends_with(" installed"))
}

/// Whether it was built by somebody else than the distribution.
fn is_foreign(paragraph: &Paragraph<'_>) -> bool {
    let maintainer = paragraph.maintainer.to_lowercase();
    let is_debian = ["debian", "ubuntu"].iter().any(|name| maintainer.contains(name));
    !is_debian && OTHERS.split(" | ").any(|other| maintainer.contains(other))
        || OTHER_BUILDS.split(" | ").any(|mark| paragraph.version.contains(mark))
}

fn read(paragraph: &Paragraph<'_>) -> Option<Found> {
    if !is_installed(paragraph) {
        return None;
    }
    let source = match paragraph.source.map(|source| source.split_once(" (")) {
        None => None,
        Some(Some((name, version))) => {
            Some(SourcePackage { name: name.into(), version: version.trim_end_matches(')').into() })
        }
        Some(None) => Some(SourcePackage {
            name: paragraph.source.unwrap_or_default().into(),
            version: paragraph.version.into(),
        }),
    };
    Some(Found {
        system: System::Dpkg,
        name: paragraph.package.into(),
        version: paragraph.version.into(),
        source,
        architecture: paragraph.architecture.map(Into::into),
        licences: Vec::new(),
        foreign: is_foreign(paragraph),
    })
}

/// The package whose files the list at `path` tells: `info/libc6:amd64.list`, `status.d/tzdata.md5sums`.
pub(crate) fn listed(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.trim_end_matches(".list").trim_end_matches(".md5sums");
    stem.split(':').next().unwrap_or(stem)
}

/// The files of a package, as `info/NAME.list` tells them, or the sums beside a stanza of `status.d`.
pub(crate) fn files(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(|line| match line.split_once("  ") {
        Some((sum, path)) if sum.len() == 32 => path,
        _ => line.trim_start_matches('/'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.11-1\n\
        Description: x\n y: z\n .\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: libgcc-s1\nStatus: install ok installed\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+b1\n\n\nnonsense\n\n\
        Package: bash\nStatus: hold ok installed\nVersion: 5.2.15-2\n";

    #[test]
    fn sources_and_states_are_understood() {
        let (found, damage) = parse(STATUS);
        assert_eq!(damage.as_deref(), Some("1 paragraph is no package"));
        let brief: Vec<_> = found
            .iter()
            .map(|f| {
                (
                    f.name.as_str(),
                    f.version.as_str(),
                    f.source.as_ref().map(|s| (s.name.as_str(), s.version.as_str())),
                )
            })
            .collect();
        assert_eq!(
            brief,
            [
                ("libssl3", "3.0.11-1", Some(("openssl", "3.0.11-1"))),
                ("libgcc-s1", "12.2.0-14+b1", Some(("gcc-12", "12.2.0-14"))),
                ("bash", "5.2.15-2", None),
            ]
        );
    }

    #[test]
    fn a_stanza_without_a_status_is_installed() {
        assert_eq!(parse("Package: base-files\nVersion: 12.4+deb12u5\n").0.len(), 1);
        let (found, damage) = parse("Package: base-files\n");
        assert!(found.is_empty() && damage.is_some());
    }

    #[test]
    fn what_others_build_is_known() {
        let foreign = |version: &str, maintainer: &str| {
            let text = format!("Package: x\nVersion: {version}\nMaintainer: {maintainer}\n");
            parse(&text).0[0].foreign
        };
        assert!(foreign("20.20.2-1nodesource1", "x <y@example.org>"));
        assert!(foreign("1:528.0.0-0", "Kubernetes Authors <kubernetes-dev+release@googlegroups.com>"));
        assert!(foreign("5:27.0-1~debian.12~bookworm", "Docker <support@docker.com>"));
        assert!(foreign("3.12.1-1+jammy1", "Matthias Klose <doko@debian.org>"));
        assert!(!foreign("1.47.0-2", "Theodore Y. Ts'o <tytso@mit.edu>"));
        assert!(!foreign(
            "7.23.0-1",
            "Puppet Package Maintainers <pkg-puppet-devel@alioth-lists.debian.net>"
        ));
        assert!(!foreign("1.20-1", "Debian Kubernetes Team <x@lists.debian.org>"));
    }

    #[test]
    fn files_are_told_in_both_ways() {
        let list = "/.\n/usr/lib/six.egg-info\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n";
        assert_eq!(files(list).collect::<Vec<_>>(), [".", "usr/lib/six.egg-info", "usr/bin/x"]);
    }
}
