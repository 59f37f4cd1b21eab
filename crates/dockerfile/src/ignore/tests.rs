//! Pattern lists against paths. The verdicts are those of moby's matcher.

use super::*;

fn ignored(patterns: &[&str], path: &str) -> bool {
    IgnorePatterns::new(patterns).unwrap().matches(path)
}

#[test]
fn one_pattern() {
    for (pattern, path, expected) in [
        ("a", "a", true),
        ("a", "a/b/c", true),
        ("a", "ab", false),
        ("a/", "a/b", true),
        ("a/../b", "b", true),
        ("a/b", "a", false),
        ("*", "dir/file", true),
        ("*.go", "x.go", true),
        ("*.go", "dir/x.go", false),
        ("*/x", "dir/x", true),
        ("**", "dir/file", true),
        ("**/dir", "dir", true),
        ("**/dir", "a/dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/**", "dir/dir2/dir3/file", true),
        ("**file", "dir/my-file", true),
        ("**/file", "dir/my-file", false),
        ("**/**/*.txt", "file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt**", "a/file.txt", true),
        ("dir/**", "dir", false),
        ("dir/**", "dir/x/y", true),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("**/.foo", "bar.foo", false),
        ("a(b)c/def", "a(b)c/def", true),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (r"a\*b", "a*b", true),
        (r"a\*b", "axb", false),
        ("*.py[co]", "x.pyc", true),
        ("é*", "éa", true),
        ("a", ".", false),
        ("*", "", false),
    ] {
        assert_eq!(ignored(&[pattern], path), expected, "{pattern} {path}");
    }
}

#[test]
fn the_last_match_decides() {
    for (patterns, path, expected) in [
        (&["docs", "!docs/README.md"][..], "docs/README.md", false),
        (&["docs/*", "!docs/README.md"], "docs/README.md", false),
        (&["!x.go", "*.go"], "x.go", true),
        (&["*.go", "!x.go"], "x.go", false),
        (&["**", "!util/docker/web"], "util/docker/web/foo", false),
        (&["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", true),
        (&["*", "!dist/*.whl"], "dist/a+b.whl", false),
        (&["*", "!dist"], "dist/x/y", false),
        (&["*.md", "!README*.md", "README-secret.md"], "README-secret.md", true),
        (&["  docs", " !docs/a  ", ""], "docs/a", false),
    ] {
        assert_eq!(ignored(patterns, path), expected, "{patterns:?} {path}");
    }
}

#[test]
fn an_exception_of_a_directory_counts_only_where_it_was_asked() {
    // Nothing was ignored yet when `a` was asked, so the exception is not handed down.
    assert!(ignored(&["a/b/c", "!a"], "a/b/c"));
}

#[test]
fn files_are_read_as_docker_reads_them() {
    let text = b"\xef\xbb\xbf# comment\r\n/build\r\n  node_modules/  \n\n  #not-a-comment\n! /build/keep\n./tmp/../cache\n";
    let patterns = IgnorePatterns::parse(text).unwrap();
    for (path, expected) in [
        ("build/x", true),
        ("build/keep", false),
        ("node_modules/x/y", true),
        ("#not-a-comment", true),
        ("cache", true),
        ("# comment", false),
        ("tmp", false),
    ] {
        assert_eq!(patterns.matches(path), expected, "{path}");
    }
    assert!(patterns.has_exceptions() && !patterns.ignores_root());
    assert!(IgnorePatterns::parse(b"").unwrap().is_empty());
    assert!(IgnorePatterns::parse(b"a\n**\n").unwrap().ignores_root());
}

#[test]
fn what_is_no_pattern_is_an_error() {
    assert_eq!(IgnorePatterns::parse(b"!\n").unwrap_err(), PatternError::Nothing);
    for bad in ["[", "a[", "[]a]", r"a\", "*[z-a]"] {
        assert!(IgnorePatterns::new([bad]).is_err(), "{bad}");
    }
}

#[test]
fn only_hopeless_directories_are_skipped() {
    let patterns = IgnorePatterns::new(["*", "!src/**/*.rs", "!docs/README.md", "!a", "node*"]).unwrap();
    for (dir, expected) in [
        ("target", true),
        ("src", false),
        ("src/deep", false),
        ("docs", false),
        ("docs/img", true),
        ("a", false),
        ("node_modules", true),
    ] {
        assert_eq!(patterns.may_skip_dir(dir), expected, "{dir}");
    }
    let everywhere = IgnorePatterns::new(["*", "!**/keep"]).unwrap();
    assert!(!everywhere.may_skip_dir("target"));
}

#[test]
fn a_walker_hears_the_same_as_a_single_question() {
    let patterns = IgnorePatterns::new(["a", "!a/b", "a/b/c", "**/x", "!a/b/x/y"]).unwrap();
    for path in ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/x", "a/b/x/y", "z/x/y"] {
        let mut above = None;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            above = Some(patterns.check(&path[..end], above.as_ref()));
        }
        assert_eq!(above.unwrap().ignored, patterns.matches(path), "{path}");
    }
}
