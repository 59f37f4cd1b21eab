//! Which repository and which environment a verb is about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_ledger::LogName;
use wharf_oci::{Digest, Reference};
use wharf_registry::Store;

use super::failure::unreadable;
use crate::exit::{Failure, OrFail};
use crate::settings::{host, project};
use crate::world::World;

/// A repository with logs in it.
pub(crate) struct Place {
    /// Its name, without tag or digest.
    pub(crate) reference: Reference,
    /// The repository at its registry, never a mirror: a mirror may be stale.
    pub(crate) store: Arc<dyn Store>,
    /// The project that it was taken from, if it was.
    pub(crate) project: Option<InProject>,
}

/// A project that names repositories.
#[derive(Clone)]
pub(crate) struct InProject {
    /// Where `wharf.toml` is.
    pub(crate) directory: PathBuf,
    /// What it says.
    pub(crate) settings: project::Project,
}

impl Place {
    /// The repository as people write it.
    pub(crate) fn name(&self) -> String {
        self.reference.familiar_name()
    }

    /// What the project says of an environment.
    pub(crate) fn environment(&self, log: &LogName) -> Option<&project::Environment> {
        self.project.as_ref()?.settings.env.get(&log.to_string())
    }
}

/// The release that a verb is about, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By digest.
    Digest(Digest),
    /// By a tag, a version, or the first digits of a digest.
    Name(String),
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digest(digest) => write!(f, "{digest}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Every repository that a reading verb asks: the one that was typed, else each that the project pushes to.
pub(crate) fn places(world: &World, typed: Option<&str>) -> Result<Vec<Place>, Failure> {
    let project = current_project()?;
    let references = match typed {
        Some(typed) => vec![repository(typed)?],
        None => from_project(project.as_ref())?,
    };
    references.into_iter().map(|reference| open(world, reference, project.clone())).collect()
}

/// The one repository that a writing verb is about.
pub(crate) fn home(world: &World, typed: Option<&str>, log: &LogName) -> Result<Place, Failure> {
    let project = current_project()?;
    if let Some(typed) = typed {
        return open(world, repository(typed)?, project);
    }
    let named = project.as_ref().and_then(|project| project.settings.env.get(&log.to_string()));
    if let Some(named) = named.and_then(|environment| environment.repository.as_deref()) {
        return open(world, repository(named)?, project);
    }
    let mut references = from_project(project.as_ref())?;
    if references.len() > 1 {
        let names: Vec<String> = references.iter().map(Reference::familiar_name).collect();
        return Err(Failure::usage(format!(
            "the project pushes to several repositories, and one of them has the log of `{log}`: {}",
            names.join(", ")
        ))
        .hint(format!(
            "say which: `repository = \"{}\"` in [env.{log}] of wharf.toml, or as an argument",
            names[0]
        )));
    }
    open(world, references.remove(0), project)
}

fn open(world: &World, reference: Reference, project: Option<InProject>) -> Result<Place, Failure> {
    let store = world.client.repository(&reference).map_err(crate::commands::registry_failure)?;
    Ok(Place { reference, store: Arc::new(store), project })
}

fn repository(typed: &str) -> Result<Reference, Failure> {
    let reference: Reference = typed.parse().or_usage()?;
    reference.name().parse().or_usage()
}

/// The project around the working directory, if there is one.
pub(crate) fn current_project() -> Result<Option<InProject>, Failure> {
    let directory = std::env::current_dir()?;
    if !directory.join(project::FILE_NAME).exists() {
        return Ok(None);
    }
    let settings = project::read(&directory)?;
    Ok(Some(InProject { directory, settings }))
}

fn from_project(project: Option<&InProject>) -> Result<Vec<Reference>, Failure> {
    let hint = "say which repository: wharf status registry.example/org/model";
    let Some(project) = project else {
        return Err(Failure::usage("there is no wharf.toml here, and no repository was named").hint(hint));
    };
    let image = image(&project.directory, &project.settings)?;
    let places = crate::ship::places(&project.settings, &image, &host::variable)?;
    if places.is_empty() {
        return Err(Failure::usage("wharf.toml names no registry to ask").hint(hint));
    }
    Ok(places)
}

fn image(directory: &Path, project: &project::Project) -> Result<Reference, Failure> {
    let snapshot = crate::snapshot::capture(directory, &std::env::vars().collect())?;
    crate::ship::image_name(directory, project, &snapshot)
}

/// The environment that was typed. Where the project lists environments, it is one of them.
pub(crate) fn environment(typed: &str) -> Result<LogName, Failure> {
    let log = LogName::environment(typed).or_usage()?;
    if let Some(project) = current_project()? {
        let known = &project.settings.env;
        if !known.is_empty() && !known.contains_key(typed) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let failure = Failure::usage(format!("wharf.toml has no environment `{typed}`"));
            return Err(match nearest(typed, &names) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("it has: {}", names.join(", "))),
            });
        }
    }
    Ok(log)
}

/// The one of `names` that was probably meant.
pub(crate) fn nearest<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(typed, name), *name)).min()?;
    (near.0 <= 2 && near.0 < typed.len()).then_some(near.1)
}

/// An environment that a repository must have; the error says which it has.
pub(crate) fn unknown_environment(world: &World, place: &Place, log: &LogName) -> Failure {
    let logs = match world.runtime.block_on(wharf_ledger::logs(place.store.as_ref())) {
        Ok(logs) => logs,
        Err(error) => return unreadable(error),
    };
    let names: Vec<String> = logs.iter().filter(|log| !log.is_ship()).map(ToString::to_string).collect();
    let failure = Failure::usage(format!("{} has no environment `{log}`", place.name()));
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    match (nearest(&log.to_string(), &known), names.is_empty()) {
        (Some(near), _) => failure.hint(format!("did you mean `{near}`? it has: {}", names.join(", "))),
        (None, false) => failure.hint(format!("it has: {}", names.join(", "))),
        (None, true) => failure.hint(format!(
            "the first promotion makes one: wharf promote {}:VERSION --env {log}",
            place.name()
        )),
    }
}

/// Splits what was typed for a release into a repository, if it names one, and the release.
pub(crate) fn split(typed: &str) -> Result<(Option<String>, Option<Wanted>), Failure> {
    if typed.starts_with("sha256:") || typed.starts_with("sha512:") {
        return Ok((None, Some(wanted(typed)?)));
    }
    if !typed.contains(['/', ':', '@']) {
        return Ok((None, Some(Wanted::Name(typed.into()))));
    }
    let reference: Reference = typed.parse().or_usage()?;
    let release = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Some(Wanted::Digest(digest.clone())),
        (None, Some(tag)) => Some(Wanted::Name(tag.into())),
        (None, None) => None,
    };
    Ok((Some(reference.name()), release))
}

/// A release by what was typed without a repository.
pub(crate) fn wanted(typed: &str) -> Result<Wanted, Failure> {
    match typed.split_once(':') {
        Some(_) => Ok(Wanted::Digest(typed.parse().or_usage()?)),
        None => Ok(Wanted::Name(typed.into())),
    }
}

/// `[REPO] WHAT` in either order, or `REPO:TAG` alone.
pub(crate) fn repository_and(typed: &[String]) -> Result<(Option<String>, Wanted), Failure> {
    let missing = || {
        Failure::usage(format!("`{}` names no release", typed.join(" ")))
            .hint("say a tag, a version or a digest: registry.example/org/model:1.2.0")
    };
    match typed {
        [one] => {
            let (repository, release) = split(one)?;
            Ok((repository, release.ok_or_else(missing)?))
        }
        [repository, what] => {
            let (repository, what) = if what.contains('/') && !repository.contains('/') {
                (what, repository)
            } else {
                (repository, what)
            };
            Ok((Some(repository.clone()), wanted(what)?))
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_split_from_its_repository() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let name = |text: &str| Some(Wanted::Name(text.into()));
        for (typed, repository, release) in [
            ("1.4.2", None, name("1.4.2")),
            ("localhost:5000/a/b:1.4.2", Some("localhost:5000/a/b"), name("1.4.2")),
            ("localhost:5000/a/b", Some("localhost:5000/a/b"), None),
            (digest.as_str(), None, Some(Wanted::Digest(digest.parse().unwrap()))),
        ] {
            let (found, wanted) = split(typed).unwrap();
            assert_eq!((found.as_deref(), wanted), (repository, release), "{typed}");
        }
    }

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("prdo", &["prod", "staging"]), Some("prod"));
        assert_eq!(nearest("qa", &["prod", "staging"]), None);
    }
}
