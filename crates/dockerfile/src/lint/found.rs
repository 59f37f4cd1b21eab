//! What single checks find, for who has looked: each function knows when its check has something to say, and
//! the words for it.

use wharf_oci::Platform;

use super::{Finding, rules};
use crate::expose::Ports;
use crate::{
    CommandLine, Expansion, IgnorePatterns, Instruction, InstructionKind, KeyValue, Span, Stage, suggest,
};

/// A variable that is not set is used; `known` are the names that are.
pub fn undefined_var<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, span: Span) -> Finding {
    let suggestion = suggest::nearest(name, known).map(|near| format!(" (did you mean ${near}?)"));
    let message = format!("Usage of undefined variable '${name}'{}", suggestion.unwrap_or_default());
    Finding::new(&rules::UNDEFINED_VAR, message, span)
}

/// `FROM` uses a variable that is not declared; `known` are the names that are.
pub fn undefined_arg_in_from<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    span: Span,
) -> Finding {
    let suggestion = suggest::nearest(name, known).map(|near| format!(" (did you mean {near}?)"));
    let message = format!("FROM argument '{name}' is not declared{}", suggestion.unwrap_or_default());
    Finding::new(&rules::UNDEFINED_ARG_IN_FROM, message, span)
}

/// `FROM base` names no image once the global arguments have their defaults; `base` is as it is written.
pub fn invalid_default_arg_in_from(base: &str, span: Span) -> Finding {
    let message = format!("Default value for ARG {base} results in empty or invalid base image name");
    Finding::new(&rules::INVALID_DEFAULT_ARG_IN_FROM, message, span)
}

/// The platform of a `FROM` is written as `$TARGETPLATFORM`, whose value is `target`.
pub fn redundant_target_platform(
    stage: &Stage,
    platform: &Expansion,
    target: Option<&str>,
) -> Option<Finding> {
    let is_it_alone = platform.unset.is_empty() && platform.used.iter().eq(["TARGETPLATFORM"]);
    let written =
        stage.platform.as_deref().filter(|_| is_it_alone && target == Some(platform.text.as_str()))?;
    let message = format!(
        "Setting platform to predefined {written} in FROM is redundant as this is the default behavior"
    );
    Some(Finding::new(&rules::REDUNDANT_TARGET_PLATFORM, message, stage.span))
}

/// The platform of a `FROM` is a constant, and the stage's name does not say that it is about a platform.
pub fn constant_platform(stage: &Stage, platform: &Expansion) -> Option<Finding> {
    if !platform.used.is_empty() || !platform.unset.is_empty() {
        return None;
    }
    let parsed: Platform = platform.text.parse().ok()?;
    let name = stage.name.as_deref().unwrap_or_default();
    if name.contains(&parsed.os) || name.contains(&parsed.architecture) {
        return None;
    }
    let message = format!("FROM --platform flag should not use constant value {:?}", platform.text);
    Some(Finding::new(&rules::FROM_PLATFORM_FLAG_CONST_DISALLOWED, message, stage.span))
}

/// The image that `FROM` names is not for the platform that was asked for.
pub fn base_platform(image: &str, expected: &Platform, actual: &Platform, span: Span) -> Option<Finding> {
    if expected.os == actual.os && expected.architecture == actual.architecture {
        return None;
    }
    let (expected, actual) = (expected.to_string(), actual.to_string());
    let message = format!(
        "Base image {image} was pulled with platform {actual:?}, expected {expected:?} for current build"
    );
    Some(Finding::new(&rules::INVALID_BASE_IMAGE_PLATFORM, message, span))
}

/// A name of `ARG` or `ENV` sounds like a secret; `instruction` is one of the two in upper case.
pub fn secret(instruction: &str, name: &str, span: Span) -> Option<Finding> {
    const SECRETS: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    if !has(&SECRETS) || has(&HARMLESS) {
        return None;
    }
    let message = format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {name:?})");
    Some(Finding::new(&rules::SECRETS_USED_IN_ARG_OR_ENV, message, span))
}

/// A pair of `ENV` or `LABEL` is written without `=`.
pub fn legacy_pair(pair: &KeyValue, instruction: &Instruction) -> Option<Finding> {
    let name = &instruction.keyword;
    let message =
        format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
    pair.legacy.then(|| Finding::new(&rules::LEGACY_KEY_VALUE_FORMAT, message, instruction.span))
}

/// A stage has the instruction a second time; `before` is where it stood first, which is what is reported,
/// because that one is without effect.
pub fn repeated(before: Option<Span>, instruction: &Instruction) -> Option<Finding> {
    let message = format!(
        "Multiple {} instructions should not be used in the same stage because only the last one will be used",
        instruction.keyword
    );
    before.map(|span| Finding::new(&rules::MULTIPLE_INSTRUCTIONS_DISALLOWED, message, span))
}

/// `CMD` or `ENTRYPOINT` is in shell form, in a stage for which no `SHELL` was chosen.
pub fn shell_form(instruction: &Instruction) -> Option<Finding> {
    use InstructionKind::{Cmd, Entrypoint};
    if !matches!(&instruction.kind, Cmd(CommandLine::Shell(_)) | Entrypoint(CommandLine::Shell(_))) {
        return None;
    }
    let message = format!(
        "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
        instruction.keyword
    );
    Some(Finding::new(&rules::JSON_ARGS_RECOMMENDED, message, instruction.span))
}

/// A word of `EXPOSE` says more than a port, or says it loudly.
pub fn ports(word: &str, ports: &Ports, span: Span) -> impl Iterator<Item = Finding> {
    let casing = ports.odd_protocol.then(|| {
        let message = format!("Defined protocol '{word}' in EXPOSE instruction should be lowercase");
        Finding::new(&rules::EXPOSE_PROTO_CASING, message, span)
    });
    let format = ports.host_part.then(|| {
        let message = format!(
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{word}'"
        );
        Finding::new(&rules::EXPOSE_INVALID_FORMAT, message, span)
    });
    casing.into_iter().chain(format)
}

/// The first `WORKDIR` of a stage and the stages below it is relative.
pub fn relative_workdir(dir: &str, span: Span) -> Option<Finding> {
    let message = format!("Relative workdir {dir:?} can have unexpected results if the base image changes");
    (!dir.starts_with('/')).then(|| Finding::new(&rules::WORKDIR_RELATIVE_PATH, message, span))
}

/// A source of `COPY` or `ADD` is left out by the ignore file. Where that has exceptions, nothing is said.
pub fn ignored_source(source: &str, instruction: &Instruction, ignore: &IgnorePatterns) -> Option<Finding> {
    if ignore.has_exceptions() {
        return None;
    }
    let source = crate::ignore::clean(source);
    let is_root = matches!(source.as_str(), "." | "/");
    let is_ignored = if is_root { ignore.ignores_root() } else { ignore.matches(&source) };
    if !is_ignored {
        return None;
    }
    let verb = if matches!(instruction.kind, InstructionKind::Add(_)) { "Add" } else { "Copy" };
    let message = format!("Attempting to {verb} file {source:?} that is excluded by .dockerignore");
    Some(Finding::new(&rules::COPY_IGNORED_FILE, message, instruction.span))
}
