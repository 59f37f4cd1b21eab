//! CPython where it is no package, as in the official python images: its own header says which release it is.

use super::{Found, System};

/// The release that `include/python3.N/patchlevel.h` defines.
pub(crate) fn parse(header: &str) -> Option<Found> {
    let line = header.lines().find_map(|line| line.trim().strip_prefix("#define PY_VERSION "))?;
    let version = line.trim().trim_matches('"').trim_end_matches('+');
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| Found::new(System::CPython, "cpython", version))
}

/// Whether this is such a header.
pub(crate) fn is_header(directory: &str, name: &str) -> bool {
    let above = directory.rsplit('/').next().unwrap_or_default();
    name == "patchlevel.h" && above.starts_with("python") && directory.contains("include/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_the_release() {
        let header = "#define PY_MAJOR_VERSION 3\n/* Version as a string */\n#define PY_VERSION              \"3.9.18\"\n";
        assert_eq!(parse(header).unwrap().version, "3.9.18");
        assert!(parse("#define PY_VERSION_HEX 1").is_none());
        assert!(is_header("usr/local/include/python3.9", "patchlevel.h"));
        assert!(!is_header("usr/include/ruby", "patchlevel.h"));
    }
}
