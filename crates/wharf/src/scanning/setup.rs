//! From flags and settings to how a scan is done: flags over `wharf.toml` over conventions.

use std::path::{Path, PathBuf};

use anyhow::Context;
use wharf_scan::{
    Checks, Database, Finding, Kind, Options, Policy, Report, SecretRules, Severity, Shelf, Suppressions,
    Thresholds, Unfixed, eol,
};

use super::advisories;
use super::engines::Engine;
use crate::exit::{Exit, Failure, OrFail};
use crate::settings::project;
use crate::world::{self, World};

/// Ignore files that are read where they lie beside `wharf.toml`.
const IGNORE_FILES: [&str; 4] = [".wharfignore", ".trivyignore", ".trivyignore.yaml", ".trivyignore.yml"];

/// What was typed over the settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Look for these only.
    pub(crate) only: Vec<Kind>,
    pub(crate) fail_on: Option<Severity>,
    pub(crate) unfixed: Option<Unfixed>,
    pub(crate) eol: Option<Unfixed>,
    pub(crate) allow: Vec<String>,
    pub(crate) db: Option<String>,
    pub(crate) ignore_files: Vec<PathBuf>,
    pub(crate) vex: Vec<PathBuf>,
    pub(crate) secret_rules: Vec<PathBuf>,
    pub(crate) no_cache: bool,
    /// Scanners to ask.
    pub(crate) engines: Vec<Engine>,
    /// Findings of these only; none is all.
    pub(crate) severities: Vec<Severity>,
}

/// How a scan is done.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) policy: Policy,
    pub(crate) database: Database,
    pub(crate) shelf: Shelf,
    /// Scanners to ask; none is the built-in one alone.
    pub(crate) engines: Vec<Engine>,
    answers: Answers,
    /// Paths and texts; what they say may depend on the image.
    vex: Vec<(PathBuf, String)>,
    staleness: advisories::Staleness,
    /// Findings of these only; none is all.
    severities: Vec<Severity>,
    today: String,
}

impl Setup {
    /// `directory` is the project's; paths of the settings start there.
    pub(crate) fn new(
        asked: &Asked,
        settings: &project::Scan,
        directory: &Path,
        world: &World,
    ) -> Result<Self, Failure> {
        let checks = checks(&asked.only, settings);
        let mut allow = [settings.allow.clone(), settings.pickle.allow.clone()].concat();
        allow.extend(asked.allow.iter().cloned());
        let database = match checks.vulnerabilities {
            true => advisories::open(asked.db.as_deref(), settings.db.as_deref(), directory, world)?,
            false => Database::default(),
        };
        let answers = Answers::read(directory, &asked.ignore_files)?;
        let in_settings = settings.vex.iter().map(|path| directory.join(path));
        let vex = in_settings.chain(asked.vex.iter().cloned());
        let vex = vex.map(|path| read(&path).map(|text| (path, text))).collect::<Result<Vec<_>, _>>()?;
        let in_settings = settings.secret.rules.iter().map(|path| directory.join(path));
        let secrets =
            secret_rules(&in_settings.chain(asked.secret_rules.iter().cloned()).collect::<Vec<_>>())?;
        let shelf = if asked.no_cache { Shelf::default() } else { Shelf::at(world.data_dir.join("scan")) };
        let today = world::now().strftime("%Y-%m-%d").to_string();
        Ok(Self {
            options: Options { checks, allow, licences: settings.licence.rules(), secrets },
            policy: policy(asked, settings)?,
            database,
            shelf,
            engines: engines(asked, settings)?,
            answers,
            vex,
            staleness: advisories::Staleness::of(settings)?,
            severities: asked.severities.clone(),
            today,
        })
    }

    /// A scan that judges nothing.
    pub(crate) fn bare(options: Options, shelf: Shelf) -> Self {
        Self {
            options,
            policy: Policy::default(),
            database: Database::default(),
            shelf,
            engines: Vec::new(),
            answers: Answers::default(),
            vex: Vec::new(),
            staleness: advisories::Staleness::default(),
            severities: Vec::new(),
            today: world::now().strftime("%Y-%m-%d").to_string(),
        }
    }

    /// What depends on the day and on other people's word.
    pub(crate) fn finish(&self, report: &mut Report) -> Result<(), Failure> {
        if report.checks.config {
            eol::check(report, &self.today);
        }
        let mut answers = self.answers.0.clone();
        for (path, text) in &self.vex {
            answers.add_vex(path, text, report.subject.digest.as_deref()).or_usage()?;
        }
        answers.apply(report, &self.today);
        if report.checks.vulnerabilities && !self.database.is_empty() {
            self.staleness.check(&self.database, &self.today, report);
        }
        if !self.severities.is_empty() {
            // What has a policy of its own stays.
            let speaks = |finding: &Finding| {
                self.severities.contains(&finding.severity) || finding.rule == eol::EOL_RULE
            };
            report.findings.retain(speaks);
        }
        Ok(())
    }
}

/// What ignore files say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Suppressions);

impl Answers {
    /// Those of the files that lie beside `wharf.toml`.
    pub(crate) fn beside(directory: &Path) -> Result<Self, Failure> {
        Self::read(directory, &[])
    }

    fn read(directory: &Path, more: &[PathBuf]) -> Result<Self, Failure> {
        let mut answers = Suppressions::default();
        let conventional = IGNORE_FILES.iter().map(|name| directory.join(name)).filter(|path| path.is_file());
        for path in conventional.chain(more.iter().cloned()) {
            let shown = path.strip_prefix(directory).unwrap_or(&path);
            answers.add_ignore_file(shown, &read(&path)?).or_usage()?;
        }
        Ok(Self(answers))
    }

    /// The findings that nobody has answered for.
    pub(crate) fn open(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut report = Report { findings, ..Report::default() };
        self.0.apply(&mut report, &world::now().strftime("%Y-%m-%d").to_string());
        report.findings.retain(|finding| finding.suppressed.is_none());
        report.findings
    }
}

/// The built-in rules and those of these files.
fn secret_rules(paths: &[PathBuf]) -> Result<SecretRules, Failure> {
    let texts = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    SecretRules::with(&texts)
        .map_err(|(number, why)| Failure::usage(format!("{}: {}", paths[number].display(), why.trim_end())))
}

/// The engines that were asked for, unless it is the built-in one alone.
fn engines(asked: &Asked, settings: &project::Scan) -> Result<Vec<Engine>, Failure> {
    let mut engines = asked.engines.clone();
    if engines.is_empty() {
        for name in &settings.engines {
            let engine = <Engine as clap::ValueEnum>::from_str(name, true);
            let unknown = |_| {
                Failure::usage(format!(
                    "`engines` in [scan]: `{name}` is none of builtin, trivy, grype, snyk"
                ))
            };
            engines.push(engine.map_err(unknown)?);
        }
    }
    Ok(if engines == [Engine::Builtin] { Vec::new() } else { engines })
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()));
    text.map_err(|error| Failure::new(Exit::Usage, error))
}

fn checks(only: &[Kind], settings: &project::Scan) -> Checks {
    let default = Checks::default();
    let wanted = |kind: Kind, said: Option<bool>, default: bool| match only.is_empty() {
        true => said.unwrap_or(default),
        false => only.contains(&kind),
    };
    let denies = !settings.licence.deny.is_empty() || !settings.licence.allow.is_empty();
    Checks {
        vulnerabilities: wanted(Kind::Vulnerability, settings.vuln.enabled, default.vulnerabilities),
        models: wanted(Kind::Model, settings.pickle.enabled, default.models),
        secrets: wanted(Kind::Secret, settings.secret.enabled, default.secrets),
        licences: wanted(Kind::Licence, settings.licence.enabled, default.licences || denies),
        config: wanted(Kind::Config, settings.config.enabled, default.config),
        packages: only.is_empty(),
    }
}

fn policy(asked: &Asked, settings: &project::Scan) -> Result<Policy, Failure> {
    let how = |key: &str, text: &Option<String>| {
        let how = text.as_deref().map(str::parse::<Unfixed>).transpose();
        how.map_err(|why| Failure::usage(format!("`{key}` in [scan]: {why}")))
    };
    let general = settings.fail_on.as_deref().map(|text| threshold("[scan]", text)).transpose()?;
    let mut fail_on = match general {
        Some(Some(severity)) => Thresholds::all(severity),
        Some(None) => never(),
        None => Thresholds::default(),
    };
    let by_kind = [
        (Kind::Vulnerability, &settings.vuln.fail_on),
        (Kind::Model, &settings.pickle.fail_on),
        (Kind::Secret, &settings.secret.fail_on),
        (Kind::Licence, &settings.licence.fail_on),
        (Kind::Config, &settings.config.fail_on),
    ];
    for (kind, said) in by_kind {
        if let Some(text) = said {
            *fail_on.of_mut(kind) = threshold(&format!("[scan.{}]", kind.as_str()), text)?;
        }
    }
    if let Some(severity) = asked.fail_on {
        fail_on = Thresholds::all(severity);
    }
    let default = Policy::default();
    Ok(Policy {
        fail_on,
        unfixed: asked.unfixed.or(how("unfixed", &settings.unfixed)?).unwrap_or(default.unfixed),
        eol: asked.eol.or(how("eol", &settings.eol)?).unwrap_or(default.eol),
    })
}

fn never() -> Thresholds {
    Thresholds { vulnerabilities: None, models: None, secrets: None, licences: None, config: None }
}

/// A severity, or `never`.
fn threshold(place: &str, text: &str) -> Result<Option<Severity>, Failure> {
    match text {
        "never" => Ok(None),
        text => {
            let severity = text.parse::<Severity>();
            severity.map(Some).map_err(|why| Failure::usage(format!("`fail-on` in {place}: {why}, never")))
        }
    }
}
