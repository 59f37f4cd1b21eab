//! `docker build` and `docker buildx build`: wharf's own build, less what only docker's engine has a use for.

use std::ffi::OsString;

use clap::CommandFactory;

use super::buildx::builders;
use super::{arguments, translate};
use crate::cli::{Cli, Globals};
use crate::exit::Outcome;

/// Flags that say nothing to wharf, and whether the next word is their value where none is attached.
const SILENT: [(&str, bool); 12] = [
    ("--rm", false),
    ("--force-rm", false),
    ("--compress", false),
    ("--disable-content-trust", false),
    ("--isolation", true),
    ("--cgroup-parent", true),
    ("--cpu-period", true),
    ("--cpu-shares", true),
    ("--cpuset-cpus", true),
    ("--cpuset-mems", true),
    ("--memory-swap", true),
    ("-D", false),
];

/// What is left of the words, and what docker would have done with the rest.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sorted {
    words: Vec<String>,
    builder: Option<String>,
}

/// Builds. A build prints what it does on standard error and, unless it is asked for the ID, nothing else.
pub(super) fn run(words: &[String], globals: &Globals) -> Outcome {
    let sorted = sort(words);
    let elsewhere = builders::address(sorted.builder.as_deref(), globals)?;
    let elsewhere = elsewhere.map(|address| format!("--builder={address}"));
    // Go's switches take values, and wharf's do not.
    let typed = ["wharf".to_owned(), "build".into(), "--as-docker".into()];
    let typed = typed.into_iter().chain(elsewhere).chain(sorted.words);
    let plain = arguments::plain_switches(&mut Cli::command(), typed.map(OsString::from).collect());
    let plain: Vec<String> = plain.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    translate::run(&[], &plain, globals)
}

fn sort(words: &[String]) -> Sorted {
    let mut sorted = Sorted::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let (flag, value) =
            word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
        match flag {
            "--builder" => {
                sorted.builder = value.map(str::to_owned).or_else(|| words.next().cloned());
            }
            _ => match SILENT.iter().find(|(known, _)| *known == flag) {
                Some((_, true)) if value.is_none() => drop(words.next()),
                Some(_) => {}
                None => sorted.words.push(word.clone()),
            },
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(words: &str) -> Sorted {
        sort(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_only_docker_needs_is_sorted_out() {
        let sorted = sorted("--provenance=false --rm=true --cpu-shares 5 --sbom=true -t a --builder=ci .");
        assert_eq!(sorted.words.join(" "), "--provenance=false --sbom=true -t a .");
        assert_eq!(sorted.builder.as_deref(), Some("ci"));
    }
}
