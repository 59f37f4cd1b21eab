//! The commit that carries a change: what else is in the tree stays, and a push that loses a race is made again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_deploy::{Destination, GitError, Repository};

fn git(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A bare repository, and a clone with two files in it.
fn clones() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (bare, work) = (directory.path().join("bare"), directory.path().join("work"));
    git(directory.path(), &["init", "--quiet", "--bare", "--initial-branch", "main", "bare"]);
    git(directory.path(), &["clone", "--quiet", "bare", "work"]);
    git(&work, &["checkout", "--quiet", "-B", "main"]);
    std::fs::write(work.join("prod.yaml"), "image: a:1\r\n").unwrap();
    std::fs::write(work.join("other.txt"), "one\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "one"]);
    git(&work, &["push", "--quiet", "origin", "main"]);
    (directory, bare, work)
}

fn renew(_: &Path, text: &str) -> Result<Option<String>, String> {
    Ok(text.contains("a:1").then(|| text.replace("a:1", "a:2")))
}

fn files() -> Vec<PathBuf> {
    vec!["prod.yaml".into()]
}

#[test]
fn the_commit_has_the_change_and_nothing_else() {
    let (_directory, _, work) = clones();
    std::fs::write(work.join("other.txt"), "two\n").unwrap();
    git(&work, &["add", "other.txt"]);
    let repository = Repository::around(&work).unwrap();
    let commit =
        repository.commit(&files(), "prod: 2\n\nWharf-Ledger: prod@2 x\n", &Destination::Here, None, &renew);
    let commit = commit.unwrap().unwrap();
    assert_eq!(git(&work, &["rev-parse", "HEAD"]), commit.id);
    assert_eq!(git(&work, &["show", "--name-only", "--format=", "HEAD"]), "prod.yaml");
    assert_eq!(git(&work, &["log", "-1", "--format=%(trailers:key=Wharf-Ledger,valueonly)"]), "prod@2 x");
    assert_eq!(std::fs::read_to_string(work.join("prod.yaml")).unwrap(), "image: a:2\r\n");
    assert_eq!(git(&work, &["status", "--porcelain"]), "M  other.txt", "what was staged is staged");
    assert!(repository.commit(&files(), "again", &Destination::Here, None, &renew).unwrap().is_none());
}

#[test]
fn a_file_with_changes_of_its_own_is_refused() {
    let (_directory, _, work) = clones();
    std::fs::write(work.join("prod.yaml"), "image: a:1\nmine: 1\n").unwrap();
    let repository = Repository::around(&work).unwrap();
    let error = repository.commit(&files(), "x", &Destination::Here, None, &renew).unwrap_err();
    assert!(matches!(error, GitError::Dirty(_)), "{error}");
}

#[test]
fn another_branch_and_a_patch_leave_the_tree_alone() {
    let (_directory, bare, work) = clones();
    let repository = Repository::around(&work).unwrap();
    let branch = Destination::Branch("deploy/prod".into());
    let commit = repository.commit(&files(), "prod: 2", &branch, Some("origin"), &renew).unwrap().unwrap();
    assert_eq!(git(&bare, &["rev-parse", "refs/heads/deploy/prod"]), commit.id);
    assert_eq!(git(&work, &["show", "deploy/prod:prod.yaml"]), "image: a:2");
    let patch = repository.commit(&files(), "prod: 2", &Destination::Patch, None, &renew).unwrap().unwrap();
    assert!(patch.patch.unwrap().contains("+image: a:2"));
    assert_eq!(git(&work, &["status", "--porcelain"]), "");
    assert_eq!(std::fs::read_to_string(work.join("prod.yaml")).unwrap(), "image: a:1\r\n");
}

#[test]
fn a_push_that_loses_its_race_is_made_again_on_what_won() {
    let (directory, bare, work) = clones();
    git(directory.path(), &["clone", "--quiet", "bare", "rival"]);
    let rival = directory.path().join("rival");
    std::fs::write(rival.join("prod.yaml"), "# theirs\r\nimage: a:1\r\n").unwrap();
    git(&rival, &["commit", "--quiet", "-am", "theirs"]);
    git(&rival, &["push", "--quiet", "origin", "main"]);

    let repository = Repository::around(&work).unwrap();
    let commit =
        repository.commit(&files(), "prod: 2", &Destination::Here, Some("origin"), &renew).unwrap().unwrap();
    assert_eq!(git(&bare, &["rev-parse", "main"]), commit.id);
    assert_eq!(git(&bare, &["show", "main:prod.yaml"]), "# theirs\r\nimage: a:2");
    assert_eq!(git(&work, &["rev-parse", "HEAD"]), commit.id, "the work tree comes along");
    assert_eq!(std::fs::read_to_string(work.join("prod.yaml")).unwrap(), "# theirs\r\nimage: a:2\r\n");
}

#[test]
fn branches_that_went_different_ways_are_not_forced() {
    let (directory, _, work) = clones();
    git(directory.path(), &["clone", "--quiet", "bare", "rival"]);
    let rival = directory.path().join("rival");
    git(&rival, &["commit", "--quiet", "--allow-empty", "-m", "theirs"]);
    git(&rival, &["push", "--quiet", "origin", "main"]);
    git(&work, &["commit", "--quiet", "--allow-empty", "-m", "ours"]);
    let before = git(&work, &["rev-parse", "HEAD"]);
    let repository = Repository::around(&work).unwrap();
    let error = repository.commit(&files(), "x", &Destination::Here, Some("origin"), &renew).unwrap_err();
    assert!(matches!(error, GitError::Diverged { .. }), "{error}");
    assert_eq!(git(&work, &["rev-parse", "HEAD"]), before);
    assert_eq!(git(&work, &["status", "--porcelain"]), "");
}
