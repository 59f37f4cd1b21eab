//! Paths inside images: strings with slashes, whatever the host thinks of paths.

/// The shortest equal path, by its spelling alone: no `.`, no inner `..`, no doubled or trailing slash.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// `path` below the root, clean: what a source of a copy or a mount means. It never leaves the root.
pub(super) fn rooted(path: &str) -> String {
    clean(&format!("/{path}"))
}

/// `path` seen from the directory `dir`, clean and absolute.
pub(super) fn resolve(dir: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { rooted(&format!("{dir}/{path}")) }
}

/// The working directory after `WORKDIR path`. An absolute path is kept as it was written, because that is
/// what ends up in the image config.
pub(super) fn workdir(current: &str, path: &str) -> String {
    match path {
        "" if current.is_empty() => "/".into(),
        "" => current.into(),
        path if path.starts_with('/') => path.into(),
        path => rooted(&format!("{current}/{path}")),
    }
}

/// The destination of a copy: absolute and clean, and with a trailing slash where it says that it is a
/// directory.
pub(super) fn destination(dir: &str, path: &str) -> String {
    let mut resolved = resolve(dir, path);
    let is_dir = path.is_empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
    if is_dir && !resolved.ends_with('/') {
        resolved.push('/');
    }
    resolved
}

/// The last part of a path, as Go's `path.Base` has it.
pub(super) fn base(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        trimmed => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cleaning_follows_go() {
        for (given, wanted) in [
            ("", "."),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("a/../..", ".."),
            ("../../a", "../../a"),
            ("/../../a", "/a"),
            ("/a/./b/../c", "/a/c"),
            ("./a", "a"),
        ] {
            assert_eq!(clean(given), wanted, "{given:?}");
        }
    }

    #[test]
    fn working_directories_join_or_replace() {
        assert_eq!(workdir("/a", "b/../c"), "/a/c");
        assert_eq!(workdir("", "b"), "/b");
        assert_eq!(workdir("/a", "../../../b"), "/b");
        assert_eq!(workdir("/a", "/b/"), "/b/");
        assert_eq!(workdir("/a", ""), "/a");
    }

    #[test]
    fn a_destination_keeps_its_slash() {
        assert_eq!(destination("/w", "x"), "/w/x");
        assert_eq!(destination("/w", "x/"), "/w/x/");
        assert_eq!(destination("/w", "."), "/w/");
        assert_eq!(destination("/w", "x/."), "/w/x/");
        assert_eq!(destination("/w", "/"), "/");
        assert_eq!(destination("", "./"), "/");
        assert_eq!(destination("/w", "../../../x"), "/x");
    }

    #[test]
    fn the_last_part_is_the_name() {
        for (given, wanted) in [("", "."), ("/", "/"), ("/a/b", "b"), ("a/", "a"), ("x", "x")] {
            assert_eq!(base(given), wanted, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_root(path in "[./a-c]{0,20}") {
            let rooted = rooted(&path);
            prop_assert!(rooted.starts_with('/') && !rooted.split('/').any(|part| part == ".."));
            prop_assert_eq!(clean(&rooted), rooted.clone());
        }
    }
}
