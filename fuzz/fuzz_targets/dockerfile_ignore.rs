//! An ignore file and a path, divided by a zero byte. A directory that may be skipped has nothing below it
//! that is not ignored.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_dockerfile::IgnorePatterns;
use wharf_dockerfile::ignore::glob_match;

fuzz_target!(|text: &str| {
    let (patterns, path) = text.split_once('\0').unwrap_or((text, "a/b"));
    let _ = glob_match(patterns, path);
    let Ok(patterns) = IgnorePatterns::parse(patterns.as_bytes()) else { return };
    let ignored = patterns.matches(path);
    if let Some((dir, _)) = path.trim_matches('/').split_once('/') {
        assert!(ignored || !patterns.may_skip_dir(dir));
    }
});
