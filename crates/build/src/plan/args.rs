//! Arguments outside stages: the automatic platform arguments, `ARG` before the first `FROM`, and the
//! build arguments that steer the builder itself.

use std::collections::{BTreeMap, BTreeSet};

use wharf_dockerfile::{Dockerfile, Lexer};
use wharf_oci::Platform;

use super::env::Env;
use super::{EnvVar, PlanError, Problem, Request};

/// Arguments that steer the attestations: declared like others, but no step sees them.
pub(super) const SCAN_CONTEXT: &str = "BUILDKIT_SBOM_SCAN_CONTEXT";
/// See [`SCAN_CONTEXT`].
pub(super) const SCAN_STAGE: &str = "BUILDKIT_SBOM_SCAN_STAGE";
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The arguments that `FROM` sees and that an `ARG` without a default takes its value from.
#[derive(Debug, Clone, Default)]
pub(super) struct GlobalArgs {
    pub(super) env: Env,
    /// Names declared before the first `FROM`, also those without a value.
    pub(super) declared: BTreeSet<String>,
}

impl GlobalArgs {
    /// The platforms and the target, which need no declaration in `FROM`.
    pub(super) fn automatic(request: &Request, target: &str) -> Self {
        let mut env = Env::default();
        let target_platform = request.platform.as_ref().unwrap_or(&request.build_platform);
        for (prefix, platform) in [("BUILD", &request.build_platform), ("TARGET", target_platform)] {
            for (suffix, value) in platform_parts(platform) {
                env.set(&format!("{prefix}{suffix}"), value);
            }
        }
        env.set("TARGETSTAGE", if target.is_empty() { "default" } else { target });
        let overridden: Vec<String> =
            env.names().filter(|name| request.build_args.contains_key(*name)).map(Into::into).collect();
        for name in overridden {
            env.set(&name, request.build_args[&name].as_str());
        }
        Self { env, declared: BTreeSet::new() }
    }

    /// Adds what the Dockerfile declares before its first `FROM`, given values by `build_args`.
    pub(super) fn declare(
        mut self,
        dockerfile: &Dockerfile,
        lexer: Lexer,
        build_args: &BTreeMap<String, String>,
    ) -> Result<Self, PlanError> {
        for instruction in &dockerfile.global_args {
            for arg in &instruction.args {
                let value = match (build_args.get(&arg.name), &arg.default) {
                    (Some(given), _) => Some(given.clone()),
                    (None, Some(default)) => {
                        let expanded = lexer.word(default, self.env.lookup());
                        Some(
                            expanded
                                .map_err(|e| PlanError::from(e).at(instruction.span, &instruction.text))?
                                .text,
                        )
                    }
                    (None, None) => None,
                };
                if let Some(value) = value {
                    self.env.set(&arg.name, value);
                }
                self.declared.insert(arg.name.clone());
            }
        }
        Ok(self)
    }

    /// Whether `FROM` may use the name without a warning.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.declared.contains(name) || self.env.get(name).is_some()
    }

    /// Every name that [`GlobalArgs::knows`].
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(String::as_str).chain(self.env.names())
    }
}

fn platform_parts(platform: &Platform) -> [(&'static str, String); 5] {
    [
        ("PLATFORM", platform.to_string()),
        ("OS", platform.os.clone()),
        ("OSVERSION", platform.os_version.clone().unwrap_or_default()),
        ("ARCH", platform.architecture.clone()),
        ("VARIANT", platform.variant.clone().unwrap_or_default()),
    ]
}

/// Reads `SOURCE_DATE_EPOCH` from the build arguments or the global ones, and leaves it in both as the plain
/// number it stands for, or not at all. `context` asks for the time of a remote context's commit, which a
/// local one does not have.
pub(super) fn take_epoch(
    build_args: &mut BTreeMap<String, String>,
    globals: &mut GlobalArgs,
) -> Result<Option<i64>, PlanError> {
    let given = build_args.get(EPOCH).map(String::as_str).or_else(|| globals.env.get(EPOCH));
    let Some(text) = given.map(str::to_owned) else { return Ok(None) };
    let epoch: Option<i64> = match text.as_str() {
        "" | "context" => None,
        text => Some(text.parse().map_err(|_| Problem::Instruction(format!("invalid {EPOCH}: {text}")))?),
    };
    let in_build_args = build_args.remove(EPOCH).is_some();
    let in_globals = globals.env.get(EPOCH).is_some();
    globals.env.remove(EPOCH);
    if let Some(epoch) = epoch {
        if in_build_args {
            build_args.insert(EPOCH.into(), epoch.to_string());
        }
        if in_globals {
            globals.env.set(EPOCH, epoch.to_string());
        }
    }
    Ok(epoch)
}

/// The proxy variables that every step gets because they were passed as build arguments, in both spellings.
pub(super) fn proxy(build_args: &BTreeMap<String, String>) -> Vec<EnvVar> {
    let mut variables = Vec::new();
    for upper in ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"] {
        // Where both spellings are given, the later one in alphabetical order is the one that counts.
        let given = build_args.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(upper));
        if let Some((_, value)) = given.filter(|(_, value)| !value.is_empty()) {
            for name in [upper.to_owned(), upper.to_ascii_lowercase()] {
                variables.push(EnvVar { name, value: value.clone() });
            }
        }
    }
    variables
}

/// Whether `BUILDKIT_SBOM_SCAN_STAGE` or its sister names this stage: a boolean, or a list of names.
pub(super) fn names_stage(value: &str, stage: &str) -> bool {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        names => names.split(',').any(|name| name == stage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_number_or_nothing() {
        for (text, wanted) in
            [("", Some(None)), ("context", Some(None)), ("0012", Some(Some(12))), ("soon", None)]
        {
            let mut build_args = BTreeMap::from([(EPOCH.to_owned(), text.to_owned())]);
            let epoch = take_epoch(&mut build_args, &mut GlobalArgs::default());
            assert_eq!(epoch.ok(), wanted, "{text}");
        }
        let mut build_args = BTreeMap::from([(EPOCH.to_owned(), "0012".to_owned())]);
        take_epoch(&mut build_args, &mut GlobalArgs::default()).unwrap();
        assert_eq!(build_args[EPOCH], "12");
    }

    #[test]
    fn proxies_are_given_in_both_spellings() {
        let build_args = BTreeMap::from([
            ("http_proxy".to_owned(), "http://p".to_owned()),
            ("NO_PROXY".to_owned(), String::new()),
            ("OTHER".to_owned(), "x".to_owned()),
        ]);
        let names: Vec<_> = proxy(&build_args).into_iter().map(|var| var.name).collect();
        assert_eq!(names, ["HTTP_PROXY", "http_proxy"]);
    }

    #[test]
    fn scanning_is_asked_for_by_yes_or_by_name() {
        assert!(names_stage("true", "a") && names_stage("b,a", "a"));
        assert!(!names_stage("0", "a") && !names_stage("b", "a"));
    }
}
