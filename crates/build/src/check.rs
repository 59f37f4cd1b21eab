//! The checks of a Dockerfile, without a build.

use std::sync::{Mutex, PoisonError};

use wharf_dockerfile::Dockerfile;
use wharf_dockerfile::lint::{Finding, rules};
use wharf_oci::{ImageConfig, digest};

use crate::bases::Bases;
use crate::build;
use crate::contexts::Contexts;
use crate::engine::Engine;
use crate::error::BuildError;
use crate::event::Events;
use crate::plan::{self, BaseImage, BaseRef, Outline, PlanError, ResolveError};
use crate::request::BuildRequest;
use crate::work::WorkDirectory;

/// What the checks say of a Dockerfile.
#[derive(Debug)]
pub struct Checked {
    /// The Dockerfile, as it is called in messages.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
    /// What was found, in the order of the file.
    pub findings: Vec<Finding>,
    /// Why it has no plan, where it has none.
    pub error: Option<PlanError>,
    /// The base images that could not be looked at, and why; what depends on them was not judged.
    pub unknown: Vec<(String, String)>,
}

/// A Dockerfile, read.
#[derive(Debug)]
pub struct Described {
    /// What it is called in messages.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
    /// What it says.
    pub dockerfile: Dockerfile,
}

/// Checks what `request` would build.
pub(crate) fn check(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<Checked, BuildError> {
    let work = WorkDirectory::create(&engine.data.join("work"))?;
    let contexts = Contexts::new(engine, &work, request, events);
    let bases = Bases::new(engine, request);
    let (name, text) = contexts.dockerfile()?;
    let options = build::options(request, &contexts)?;
    check_text(name, text, &options, &|references| bases.resolve(references))
}

/// What can be given to a build of what `request` names, and the Dockerfile it is about.
pub(crate) fn outline(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<(Outline, Described), BuildError> {
    let work = WorkDirectory::create(&engine.data.join("work"))?;
    let contexts = Contexts::new(engine, &work, request, events);
    let bases = Bases::new(engine, request);
    let described = describe_with(&contexts)?;
    let options = build::options(request, &contexts)?;
    let outline = plan::outline(&described.dockerfile, &options, &|references| bases.resolve(references));
    let outline = outline.map_err(|source| BuildError::Plan { name: described.name.clone(), source })?;
    Ok((outline, described))
}

/// The Dockerfile that `request` would build, read and not planned.
pub(crate) fn describe(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<Described, BuildError> {
    let work = WorkDirectory::create(&engine.data.join("work"))?;
    describe_with(&Contexts::new(engine, &work, request, events))
}

fn describe_with(contexts: &Contexts<'_>) -> Result<Described, BuildError> {
    let (name, text) = contexts.dockerfile()?;
    let parsed = wharf_dockerfile::parse(&text);
    let dockerfile = parsed.map_err(|source| BuildError::Parse { name: name.clone(), source })?;
    Ok(Described { name, text, dockerfile })
}

/// Checks a text of which nothing is known but itself: no base image is looked at.
///
/// # Errors
/// Fails when the text is no Dockerfile.
pub fn check_alone(name: String, text: Vec<u8>, options: &plan::Request) -> Result<Checked, BuildError> {
    let nothing = |_: &BaseRef| Err(ResolveError::from("base images are not looked at here"));
    check_text(name, text, options, &|references| references.iter().map(nothing).collect())
}

fn check_text(
    name: String,
    text: Vec<u8>,
    options: &plan::Request,
    resolve: plan::Resolve<'_>,
) -> Result<Checked, BuildError> {
    let dockerfile =
        wharf_dockerfile::parse(&text).map_err(|source| BuildError::Parse { name: name.clone(), source })?;
    let unknown = Mutex::new(Vec::new());
    let lenient = |references: &[BaseRef]| {
        let answers = resolve(references).into_iter();
        let known = answers.zip(references).map(|(answer, base)| {
            answer.or_else(|error| {
                let mut unknown = unknown.lock().unwrap_or_else(PoisonError::into_inner);
                unknown.push((base.to_string(), error.to_string()));
                Ok(nobody_knows(base))
            })
        });
        known.collect()
    };
    let (mut findings, error) = plan::check(&dockerfile, options, &lenient);
    let unknown = unknown.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !unknown.is_empty() {
        // The image may set it.
        findings.retain(|finding| finding.rule != &rules::UNDEFINED_VAR);
    }
    Ok(Checked { name, text, findings, error, unknown })
}

/// Stands in for an image that cannot be had.
fn nobody_knows(base: &BaseRef) -> BaseImage {
    let (BaseRef::Image { platform, .. } | BaseRef::Context { platform, .. }) = base;
    BaseImage { digest: digest::sha256(b""), config: ImageConfig::empty(platform) }
}

#[cfg(test)]
mod tests {
    use wharf_oci::Platform;

    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let options = plan::Request::new(Platform::host());
        let checked = check_alone("Dockerfile".into(), text.into(), &options).unwrap();
        checked.findings.iter().map(|finding| finding.rule.name).collect()
    }

    #[test]
    fn a_variable_is_judged_only_where_everything_is_known() {
        assert_eq!(names("FROM scratch\nENV A=$NOBODY\n"), ["UndefinedVar"]);
        assert!(names("FROM python\nENV A=$NOBODY\n").is_empty());
        assert_eq!(names("FROM python AS Base\nENV A=$NOBODY\n"), ["StageNameCasing"]);
    }

    #[test]
    fn what_is_no_dockerfile_is_an_error() {
        let options = plan::Request::new(Platform::host());
        assert!(check_alone("Dockerfile".into(), b"FRUM x\n".to_vec(), &options).is_err());
    }
}
