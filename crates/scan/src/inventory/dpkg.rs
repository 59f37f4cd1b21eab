//! dpkg's database: `var/lib/dpkg/status`, and one stanza per file in `status.d` (distroless images).

use super::{Found, SourcePackage, System};

/// The installed packages that a status file speaks of. Stanzas that are not paragraphs of a control file
/// are passed over.
pub(crate) fn parse(text: &str) -> Vec<Found> {
    paragraphs(text).filter_map(|paragraph| read(&paragraph)).collect()
}

/// The fields of one paragraph that matter here; continuation lines do not.
#[derive(Default)]
struct Paragraph<'a> {
    package: &'a str,
    status: Option<&'a str>,
    version: &'a str,
    source: Option<&'a str>,
    architecture: Option<&'a str>,
}

fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    text.split("\n\n").map(|block| {
        let mut paragraph = Paragraph::default();
        for (name, value) in block.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name {
                "Package" => paragraph.package = value,
                "Status" => paragraph.status = Some(value),
                "Version" => paragraph.version = value,
                "Source" => paragraph.source = Some(value),
                "Architecture" => paragraph.architecture = Some(value),
                _ => {}
            }
        }
        paragraph
    })
}

fn read(paragraph: &Paragraph<'_>) -> Option<Found> {
    // `deinstall ok config-files` leaves only configuration; a stanza without a status is a distroless one.
    let installed = paragraph.status.is_none_or(|status| status.ends_with(" installed"));
    if !installed || paragraph.package.is_empty() || paragraph.version.is_empty() {
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
    })
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
        let found = parse(STATUS);
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
        assert_eq!(parse("Package: base-files\nVersion: 12.4+deb12u5\n").len(), 1);
        assert!(parse("Package: base-files\n").is_empty());
    }

    #[test]
    fn files_are_told_in_both_ways() {
        let list = "/.\n/usr/lib/six.egg-info\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n";
        assert_eq!(files(list).collect::<Vec<_>>(), [".", "usr/lib/six.egg-info", "usr/bin/x"]);
    }
}
