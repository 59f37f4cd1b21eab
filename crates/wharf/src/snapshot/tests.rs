//! Real repositories, made for each test.

use std::path::Path;
use std::process::Command;

use wharf_metadata::{Git, Variables};

use super::*;

/// A directory with a repository of one commit on `main`.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self::empty();
        fixture.git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
        fixture
    }

    fn empty() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        fixture.git(&["init", "--quiet", "--initial-branch=main"]);
        fixture
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn git(&self, arguments: &[&str]) {
        git_in(self.path(), arguments);
    }

    fn state(&self) -> Git {
        git::capture(self.path()).unwrap().unwrap()
    }
}

fn git_in(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args([
            "-c",
            "user.name=Casey",
            "-c",
            "user.email=casey@example.invalid",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "2024-05-06T07:08:09+02:00")
        .output()
        .unwrap();
    assert!(status.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn a_branch_with_tags() {
    let repository = Fixture::new();
    repository.git(&["tag", "v1.0.0"]);
    repository.git(&["tag", "-a", "-m", "x", "app/v2"]);
    repository.git(&["remote", "add", "origin", "https://user:secret@example.invalid/org/app.git"]);
    let state = repository.state();
    assert_eq!(state.branch.as_deref(), Some("main"));
    assert_eq!(state.tags, ["app/v2", "v1.0.0"]);
    assert_eq!(state.commit.len(), 40);
    assert_eq!(state.commit_date.unwrap().to_string(), "2024-05-06T05:08:09Z");
    assert_eq!(state.remote.as_deref(), Some("https://example.invalid/org/app.git"));
    assert!(!state.dirty && !state.shallow);
}

#[test]
fn a_detached_head_has_no_branch() {
    let repository = Fixture::new();
    repository.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(repository.state().branch, None);
}

#[test]
fn tracked_changes_make_it_dirty_and_new_files_do_not() {
    let repository = Fixture::new();
    std::fs::write(repository.path().join("file"), "one").unwrap();
    assert!(!repository.state().dirty);
    repository.git(&["add", "file"]);
    assert!(repository.state().dirty);
}

#[test]
fn a_shallow_clone_knows_its_default_branch_and_that_it_is_shallow() {
    let repository = Fixture::new();
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "two"]);
    let clones = tempfile::tempdir().unwrap();
    let clone = clones.path().join("clone");
    let url = format!("file://{}", repository.path().display());
    git_in(clones.path(), &["clone", "--quiet", "--depth=1", &url, "clone"]);
    git_in(&clone, &["checkout", "--quiet", "--detach"]);
    let state = git::capture(&clone).unwrap().unwrap();
    assert!(state.shallow);
    assert_eq!(state.branch, None);
    assert_eq!(state.default_branch.as_deref(), Some("main"));
    assert_eq!(state.remote_branches, ["main"]);
}

#[test]
fn a_worktree_has_its_own_branch() {
    let repository = Fixture::new();
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    repository.git(&["worktree", "add", "--quiet", "-b", "feature/x", tree.to_str().unwrap()]);
    let state = git::capture(&tree).unwrap().unwrap();
    assert_eq!(state.branch.as_deref(), Some("feature/x"));
}

#[test]
fn a_submodule_is_a_repository_of_its_own_and_a_change_in_it_makes_the_outer_one_dirty() {
    let inner = Fixture::new();
    let outer = Fixture::new();
    outer.git(&["submodule", "--quiet", "add", inner.path().to_str().unwrap(), "part"]);
    outer.git(&["commit", "--quiet", "-m", "part"]);
    let part = outer.path().join("part");
    assert_eq!(git::capture(&part).unwrap().unwrap().commit, inner.state().commit);
    assert!(!outer.state().dirty);
    git_in(&part, &["commit", "--quiet", "--allow-empty", "-m", "more"]);
    assert!(outer.state().dirty);
}

#[test]
fn a_subdirectory_is_part_of_the_repository() {
    let repository = Fixture::new();
    let inside = repository.path().join("a/b");
    std::fs::create_dir_all(&inside).unwrap();
    assert_eq!(git::capture(&inside).unwrap().unwrap().commit, repository.state().commit);
}

#[test]
fn no_repository_is_no_error_but_one_without_commits_is() {
    let bare = tempfile::tempdir().unwrap();
    assert_eq!(git::capture(bare.path()).unwrap(), None);
    let failure = git::capture(Fixture::empty().path()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.error.to_string().ends_with("has no commits"), "{}", failure.error);
}

#[test]
fn a_ref_that_is_not_utf_8_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let repository = Fixture::new();
    let heads = repository.path().join(".git/refs/tags");
    let name = std::ffi::OsStr::from_bytes(b"v\xff");
    std::fs::write(heads.join(name), format!("{}\n", repository.state().commit)).unwrap();
    let failure = git::capture(repository.path()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.error.to_string().contains("not UTF-8"), "{}", failure.error);
}

#[test]
fn source_date_epoch_must_be_a_number() {
    let with = |value: &str| clock(&Variables::from([("SOURCE_DATE_EPOCH".to_owned(), value.to_owned())]));
    assert_eq!(with("1714972089").unwrap().source_date_epoch.unwrap().to_string(), "2024-05-06T05:08:09Z");
    assert_eq!(with("").unwrap().source_date_epoch, None);
    assert_eq!(with("yesterday").unwrap_err().exit, Exit::Usage);
}

#[test]
fn a_missing_or_broken_event_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("event.json");
    let job = Variables::from([
        ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
        ("GITHUB_EVENT_PATH".to_owned(), path.to_str().unwrap().to_owned()),
    ]);
    assert_eq!(capture(directory.path(), &job).unwrap_err().exit, Exit::Usage);
    std::fs::write(&path, "{").unwrap();
    assert_eq!(capture(directory.path(), &job).unwrap_err().exit, Exit::Usage);
    std::fs::write(&path, "{}").unwrap();
    assert!(capture(directory.path(), &job).unwrap().event.is_some());
}
