//! actions/checkout: a clean copy of the commit.

use super::call::Call;
use super::{Input, Native};
use crate::run::{Checkout, Fail, Git, copy};

pub(crate) const ACTION: Native = Native {
    name: "actions/checkout",
    inputs: &[
        Input("repository", "", 1),
        Input("ref", "", 1),
        Input("token", "", 1),
        Input("ssh-key", "", 2),
        Input("ssh-known-hosts", "", 2),
        Input("ssh-strict", "true", 2),
        Input("ssh-user", "git", 4),
        Input("persist-credentials", "true", 2),
        Input("path", "", 1),
        Input("clean", "true", 1),
        Input("filter", "", 3),
        Input("sparse-checkout", "", 3),
        Input("sparse-checkout-cone-mode", "true", 3),
        Input("fetch-depth", "1", 1),
        Input("fetch-tags", "false", 3),
        Input("show-progress", "true", 3),
        Input("lfs", "false", 1),
        Input("submodules", "false", 1),
        Input("set-safe-directory", "true", 3),
        Input("github-server-url", "", 3),
        Input("allow-unsafe-pr-checkout", "false", 2),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let setup = call.leg.setup;
    let event = &setup.event;
    let repository = call.text("repository");
    if !repository.is_empty() && !repository.eq_ignore_ascii_case(&event.repository) {
        return Err(Fail::Refused(format!(
            "it checks out `{repository}`, and wharf runs with this repository only; make it a submodule, or clone it in a step"
        )));
    }
    let into = call.path(call.text("path"));
    if !into.starts_with(&call.leg.workspace) {
        return Err(Fail::Because(format!(
            "Repository path '{}' is not under '{}'",
            into.display(),
            call.leg.workspace.display()
        )));
    }
    if !setup.is_git {
        copy(&setup.repository, &into, &[&setup.scratch, &setup.results, &setup.state])?;
        call.say("copied the folder, which is no git repository");
        return Ok(());
    }
    let depth = call.text("fetch-depth").parse::<u32>().unwrap_or(0);
    let git = call.leg.git(call.deadline)?;
    let asked = call.text("ref");
    let (git_ref, sha) = if asked.is_empty() {
        (event.git_ref.clone(), event.sha.clone())
    } else {
        resolve(&git, call, asked)?
    };
    let url = format!("https://github.com/{}", event.repository);
    let submodules = match call.text("submodules").to_ascii_lowercase().as_str() {
        "true" => "true",
        "recursive" => "recursive",
        _ => "false",
    };
    let what = Checkout {
        from: &setup.repository,
        git_ref: &git_ref,
        sha: &sha,
        depth,
        tags: call.flag("fetch-tags")?,
        sparse: call.lines("sparse-checkout"),
        cone: call.flag("sparse-checkout-cone-mode")?,
        submodules,
        url: &url,
    };
    git.checkout(&what, &into)?;
    let head = git.run(&into, &["log", "-1", "--format=%H %s"])?;
    call.say(&format!("HEAD is now at {head}"));
    if call.flag("lfs")? && git.run(&into, &["grep", "-q", "filter=lfs", "--", ".gitattributes"]).is_ok() {
        call.warn("wharf does not bring files of Git LFS; they are pointers in the workspace");
    }
    call.output("ref", git_ref);
    call.output("commit", sha);
    Ok(())
}

/// A branch, a tag, a full ref or a commit.
fn resolve(git: &Git, call: &Call<'_, '_>, asked: &str) -> Result<(String, String), Fail> {
    let from = &call.leg.setup.repository;
    let candidates = if asked.starts_with("refs/") {
        vec![(asked.to_owned(), asked.to_owned())]
    } else {
        vec![
            (format!("refs/heads/{asked}"), format!("refs/heads/{asked}")),
            (format!("refs/heads/{asked}"), format!("refs/remotes/origin/{asked}")),
            (format!("refs/tags/{asked}"), format!("refs/tags/{asked}")),
            (String::new(), asked.to_owned()),
        ]
    };
    for (name, place) in candidates {
        let full = format!("{place}^{{commit}}");
        if let Ok(sha) = git.run(from, &["rev-parse", "--verify", "--quiet", &full]) {
            return Ok((name, sha.trim().to_owned()));
        }
    }
    let event = &call.leg.setup.event;
    if asked == event.git_ref || asked == event.ref_name() || asked == event.head_ref {
        return Ok((event.git_ref.clone(), event.sha.clone()));
    }
    Err(Fail::Because(format!("A branch or tag with the name '{asked}' could not be found")))
}
