//! Git addresses among the sources of `ADD`: `https://host/repo.git#ref:dir`, `git@host:repo`, `ssh://`, `git://`.

use super::GitSource;

/// A git address, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GitAddress {
    /// What git is given: neither query nor fragment.
    pub(super) remote: String,
    /// Branch, tag or commit; empty for the remote's HEAD.
    pub(super) reference: String,
    /// Directory in the repository; empty for all of it.
    pub(super) subdir: String,
    /// The commit that `reference` must be.
    pub(super) checksum: Option<String>,
    /// Whether `.git` is kept, where the address says.
    pub(super) keep_git_dir: Option<bool>,
    /// Whether submodules are fetched, where the address says.
    pub(super) submodules: Option<bool>,
}

impl GitSource {
    /// Reads the address of a repository that is a build context; `None` if it is none. Branches, tags and
    /// directories come after `#`.
    ///
    /// # Errors
    /// BuildKit's sentence, for an address whose query or fragment makes no sense.
    pub fn parse(address: &str) -> Result<Option<Self>, String> {
        Ok(parse(address, true)?.map(|address| Self {
            remote: address.remote,
            reference: address.reference,
            subdir: address.subdir,
            checksum: address.checksum,
            keep_git_dir: address.keep_git_dir.unwrap_or(false),
            submodules: address.submodules.unwrap_or(true),
        }))
    }
}

/// Reads `source` if it is a git address. An HTTP address is one only when its path ends in `.git`, unless
/// `known` says that a repository is meant.
///
/// # Errors
/// BuildKit's sentence, for an address whose query or fragment makes no sense.
pub(super) fn parse(source: &str, known: bool) -> Result<Option<GitAddress>, String> {
    let (without_fragment, fragment) = source.split_once('#').unwrap_or((source, ""));
    let (remote, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
    if !is_git(remote, known) {
        return Ok(None);
    }
    let mut address = GitAddress { remote: remote.into(), ..GitAddress::default() };
    read_fragment(&mut address, fragment)?;
    read_query(&mut address, query)?;
    Ok(Some(address))
}

fn is_git(remote: &str, known: bool) -> bool {
    let Some((scheme, rest)) = remote.split_once("://") else { return is_scp(remote) };
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            let path = rest.split_once('/').map_or("", |(_, path)| path);
            known || path.ends_with(".git")
        }
        "git" | "ssh" => true,
        _ => false,
    }
}

/// `user@host:path`, the form that `scp` and `ssh` know.
fn is_scp(remote: &str) -> bool {
    let word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || more.contains(&b))
    };
    remote.split_once('@').is_some_and(|(user, rest)| {
        word(user, b"_") && rest.split_once(':').is_some_and(|(host, _)| word(host, b"."))
    })
}

/// `ref:dir`, or after a second `#`, `ref=…,subdir=…,commit=…`.
fn read_fragment(address: &mut GitAddress, fragment: &str) -> Result<(), String> {
    let Some(fields) = fragment.strip_prefix('#') else {
        let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
        address.reference = decode(reference);
        address.subdir = decode(subdir);
        return Ok(());
    };
    for field in fields.split(',').filter(|field| !field.is_empty()) {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"))?;
        match key.to_ascii_lowercase().as_str() {
            "ref" => address.reference = value.into(),
            "subdir" => address.subdir = value.into(),
            "commit" => address.checksum = Some(value.into()),
            key => {
                return Err(format!(
                    "unexpected key '{key}' in '{field}' (supported keys: ref, commit, subdir)"
                ));
            }
        }
    }
    take_checksum_for_reference(address);
    Ok(())
}

fn read_query(address: &mut GitAddress, query: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    let (mut tag, mut branch) = (None, None);
    for field in query.split('&').filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let (key, value) = (decode(key), decode(value));
        if seen.contains(&key) {
            return Err(format!("query {key:?} has multiple values"));
        }
        match key.as_str() {
            "submodules" => address.submodules = Some(flag(&key, &value)?),
            "keep-git-dir" => address.keep_git_dir = Some(flag(&key, &value)?),
            _ if value.is_empty() => return Err(format!("query {key:?} has no value")),
            "ref" => set(&mut address.reference, "ref", value)?,
            "subdir" => set(&mut address.subdir, "subdir", value)?,
            "checksum" | "commit" => address.checksum = Some(value),
            "tag" => tag = Some(qualified("refs/tags/", value)),
            "branch" => branch = Some(qualified("refs/heads/", value)),
            _ => return Err(format!("unexpected query {key:?}")),
        }
        seen.push(key);
    }
    if tag.is_some() && branch.is_some() {
        return Err("branch conflicts with tag".into());
    }
    if let Some(reference) = tag.or(branch) {
        set(&mut address.reference, "ref", reference)?;
    }
    take_checksum_for_reference(address);
    Ok(())
}

fn take_checksum_for_reference(address: &mut GitAddress) {
    if let (true, Some(checksum)) = (address.reference.is_empty(), &address.checksum) {
        address.reference.clone_from(checksum);
    }
}

fn set(field: &mut String, name: &str, value: String) -> Result<(), String> {
    if !field.is_empty() && *field != value {
        return Err(format!("{name} conflicts: {field:?} vs {value:?}"));
    }
    *field = value;
    Ok(())
}

fn qualified(prefix: &str, name: String) -> String {
    if name.starts_with(prefix) { name } else { format!("{prefix}{name}") }
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("invalid {name} value: {value:?}")),
    }
}

/// Replaces `%xx`; what is no valid escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.first_chunk::<2>()).flatten().and_then(hex_pair);
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.into())
}

fn hex_pair(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(remote: &str) -> GitAddress {
        GitAddress { remote: remote.into(), ..GitAddress::default() }
    }

    #[test]
    fn addresses_of_repositories() {
        let hub = "https://github.com/o/r.git";
        for (source, wanted) in [
            (hub.into(), address(hub)),
            ("git@github.com:o/r".into(), address("git@github.com:o/r")),
            ("git://h/r".into(), address("git://h/r")),
            ("ssh://git@h:22/r".into(), address("ssh://git@h:22/r")),
            (
                format!("{hub}#release/1:a/b"),
                GitAddress { reference: "release/1".into(), subdir: "a/b".into(), ..address(hub) },
            ),
            (format!("{hub}#:a"), GitAddress { subdir: "a".into(), ..address(hub) }),
            (
                format!("{hub}##ref=v1,subdir=x"),
                GitAddress { reference: "v1".into(), subdir: "x".into(), ..address(hub) },
            ),
            (
                format!("{hub}?tag=v1&keep-git-dir&submodules=false"),
                GitAddress {
                    reference: "refs/tags/v1".into(),
                    keep_git_dir: Some(true),
                    submodules: Some(false),
                    ..address(hub)
                },
            ),
            (
                format!("{hub}?checksum=abc"),
                GitAddress { reference: "abc".into(), checksum: Some("abc".into()), ..address(hub) },
            ),
        ] {
            assert_eq!(parse(&source, false), Ok(Some(wanted)), "{source}");
        }
    }

    #[test]
    fn everything_else_is_a_path_or_a_download() {
        for source in [
            "https://h/r",
            "https://h.git",
            "https://h/r.git/",
            "a.git",
            "./x.git",
            "ftp://h/r.git",
            "h:r",
            "@:x",
        ] {
            assert_eq!(parse(source, false), Ok(None), "{source}");
        }
        assert!(parse("https://h/r", true).unwrap().is_some());
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        for query in ["nope=1", "ref=", "ref=a&ref=b", "tag=a&branch=b", "submodules=maybe", "ref=a#b"] {
            assert!(parse(&format!("https://h/r.git?{query}"), false).is_err(), "{query}");
        }
        assert!(parse("https://h/r.git##nope=1", false).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(source in "(https://|git@)?[a-z.:/@#?&=%0-9,]{0,40}") {
            let _ = parse(&source, false);
        }
    }
}
