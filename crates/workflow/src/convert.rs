//! The same pipeline in wharf's own words: a `wharf.toml`, and a workflow of five lines that ships by it.

use crate::actions;
use crate::explain::{Surroundings, plan_names};
use crate::expr::{Expr, ExprKind, Operator, parse, text};
use crate::model::{Body, Entry, Step, StepKind, Workflow};
use crate::template::{Part, Template};

/// Both files, and what could not be said in them.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Converted {
    /// `wharf.toml`.
    pub settings: String,
    /// The workflow.
    pub workflow: String,
    /// What has no word in wharf.toml, with its line.
    pub left: Vec<String>,
}

/// One place that images go to.
#[derive(Debug, PartialEq, Eq)]
struct Push {
    registry: String,
    repository: String,
    tags: Vec<String>,
    when: Option<String>,
}

/// What was found on the way.
#[derive(Debug, Default)]
struct Found {
    name: Option<String>,
    rules: Vec<String>,
    flavor: Vec<String>,
    build: Vec<(String, String)>,
    args: Vec<String>,
    sarif: Option<String>,
    fail_on: Option<String>,
    scans: bool,
    /// Where a tag that follows the commit was pushed to.
    of_commit: Vec<usize>,
    pushes: Vec<Push>,
    left: Vec<String>,
}

/// Says a workflow in wharf's words.
pub fn convert(workflow: &Workflow, around: &Surroundings) -> Converted {
    let mut found = Found::default();
    for job in &workflow.jobs {
        let Body::Steps(steps) = &job.body else {
            found.left.push(format!(
                "line {}: the job `{}` is another workflow",
                workflow.source.place(job.span.start).line,
                job.id
            ));
            continue;
        };
        for step in steps {
            let condition = [job.condition.as_ref(), step.condition.as_ref()];
            found.step(workflow, around, step, &condition);
        }
    }
    found.note_commit_tags();
    Converted { settings: found.settings(workflow), workflow: short(workflow), left: found.left }
}

impl Found {
    fn step(
        &mut self,
        workflow: &Workflow,
        around: &Surroundings,
        step: &Step,
        conditions: &[Option<&Template>],
    ) {
        let line = workflow.source.place(step.span.start).line;
        match &step.kind {
            StepKind::Uses { action, with, .. } => {
                let input = |name: &str| with.iter().find(|entry| entry.name == name);
                let filled =
                    |name: &str| input(name).map(|entry| filled(workflow, &entry.value)).unwrap_or_default();
                match action.split('@').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "actions/checkout"
                    | "docker/setup-buildx-action"
                    | "docker/setup-qemu-action"
                    | "actions/cache"
                    | "aws-actions/amazon-ecr-login"
                    | "aws-actions/configure-aws-credentials"
                    | "google-github-actions/auth"
                    | "docker/login-action"
                    | "github/codeql-action/upload-sarif" => {}
                    "docker/metadata-action" => {
                        self.rules.extend(input("tags").map(|entry| rules(&entry.value)).unwrap_or_default());
                        self.flavor.extend(actions::lines(&filled("flavor")));
                        for image in actions::lines(&filled("images")) {
                            self.image(&image, None);
                        }
                    }
                    "docker/build-push-action" => self.build(workflow, with, &filled, conditions, line),
                    "aquasecurity/trivy-action" => {
                        self.scans = true;
                        if filled("format") == "sarif" {
                            self.sarif = Some(filled("output")).filter(|path| !path.is_empty());
                        }
                        let least = ["LOW", "MEDIUM", "HIGH", "CRITICAL"]
                            .into_iter()
                            .find(|word| filled("severity").contains(word));
                        if !["", "0"].contains(&filled("exit-code").as_str()) {
                            self.fail_on = least.map(str::to_lowercase);
                        }
                    }
                    _ => self.left.push(format!("line {line}: `{action}` has no counterpart; keep the step")),
                }
            }
            StepKind::Run { script, .. } => {
                let pushed = plan_names(workflow, around, step);
                for name in &pushed {
                    let when = self.condition(conditions, line);
                    self.pushed(name, when);
                }
                let docker = script.raw.lines().all(|line| {
                    line.trim().is_empty()
                        || line.trim().starts_with("docker ")
                        || line.trim().starts_with('#')
                });
                if !docker {
                    self.left.push(format!(
                        "line {line}: the script `{}` has no counterpart; keep the step",
                        step.title()
                    ));
                }
            }
        }
    }

    fn build(
        &mut self,
        workflow: &Workflow,
        with: &[Entry],
        filled_input: &dyn Fn(&str) -> String,
        conditions: &[Option<&Template>],
        line: usize,
    ) {
        for (input, key) in
            [("file", "dockerfile"), ("context", "context"), ("target", "target"), ("platforms", "platform")]
        {
            let value = filled_input(input);
            if !value.is_empty() && value != "." {
                self.build.push((key.into(), value));
            }
        }
        self.args.extend(actions::lines(&filled_input("build-args")));
        let push = with.iter().find(|entry| entry.name == "push").map(|entry| &entry.value);
        if push.is_none_or(|push| push.raw.trim() == "false") {
            return;
        }
        let always = push.filter(|push| push.raw.trim() != "true");
        let when = self.condition(&[conditions, &[always]].concat(), line);
        let tags = with
            .iter()
            .find(|entry| entry.name == "tags")
            .map(|entry| filled(workflow, &entry.value))
            .unwrap_or_default();
        let own = actions::values(&tags);
        for tag in own.iter().filter(|tag| !tag.contains("steps.")) {
            self.pushed(tag, when.clone());
        }
        for push in &mut self.pushes {
            if push.when.is_none() {
                push.when.clone_from(&when);
            }
        }
        for secret in ["secrets", "secret-files", "ssh"] {
            if !filled_input(secret).is_empty() {
                self.left.push(format!(
                    "line {line}: `{secret}` is given on the command line: wharf build --secret"
                ));
            }
        }
    }

    /// A name that is pushed: its tag becomes a rule where it follows the commit, else a tag of the place.
    fn pushed(&mut self, name: &str, when: Option<String>) {
        let at = name.rfind('/').map_or(0, |at| at + 1);
        let (image, tag) = match name[at..].split_once(':') {
            Some((_, tag)) => (&name[..name.len() - tag.len() - 1], tag),
            None => (name, "latest"),
        };
        let push = self.image(image, when);
        match tag {
            "{sha}" | "${{ github.sha }}" => {
                let rule = "type=sha,format=long,prefix=".to_owned();
                if !self.rules.contains(&rule) {
                    self.rules.push(rule);
                }
                self.of_commit.push(push);
            }
            tag => {
                let tags = &mut self.pushes[push].tags;
                if !tags.contains(&tag.to_owned()) {
                    tags.push(tag.to_owned());
                }
            }
        }
    }

    /// The place of an image; the first one's name is the project's.
    fn image(&mut self, image: &str, when: Option<String>) -> usize {
        let (registry, repository) = match image.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':', '$']) || host == "localhost" => (host, rest),
            _ => ("docker.io", image),
        };
        self.name.get_or_insert_with(|| repository.to_owned());
        if let Some(at) =
            self.pushes.iter().position(|push| push.registry == registry && push.repository == repository)
        {
            return at;
        }
        self.pushes.push(Push {
            registry: registry.into(),
            repository: repository.into(),
            tags: Vec::new(),
            when,
        });
        self.pushes.len() - 1
    }

    /// Rules are for every place, so that a tag of one place is found in the others too.
    fn note_commit_tags(&mut self) {
        let others = |of: &Vec<usize>| (0..self.pushes.len()).find(|at| !of.contains(at));
        if let (Some(first), Some(other)) = (self.of_commit.first(), others(&self.of_commit)) {
            self.left.push(format!(
                "only {} has a tag of the commit; by `type=sha` {} gets it too, as rules are for every registry",
                self.pushes[*first].registry, self.pushes[other].registry
            ));
        }
    }

    fn condition(&mut self, conditions: &[Option<&Template>], line: usize) -> Option<String> {
        let mut parts = Vec::new();
        for condition in conditions.iter().flatten() {
            let [Part::Expr(expr, _)] = condition.parts.as_slice() else { continue };
            match word(expr) {
                Some(text) => parts.push(text),
                None => self.left.push(format!(
                    "line {line}: the condition `{}` has no counterpart in `when`",
                    condition.raw.trim()
                )),
            }
        }
        parts.dedup();
        (!parts.is_empty()).then(|| parts.join(" && "))
    }

    fn settings(&self, workflow: &Workflow) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let list = |texts: &[String]| {
            format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
        };
        let mut out = format!("# From {}.\n[image]\n", workflow.source.name);
        if let Some(name) = &self.name {
            out.push_str(&format!("name = {}\n", quoted(name)));
        }
        if !self.rules.is_empty() {
            let rules: String = self.rules.iter().map(|rule| format!("    {},\n", quoted(rule))).collect();
            out.push_str(&format!("tags = [\n{rules}]\n"));
        }
        if !self.flavor.is_empty() {
            out.push_str(&format!("flavor = {}\n", list(&self.flavor)));
        }
        if !self.build.is_empty() || !self.args.is_empty() {
            out.push_str("\n[build]\n");
            self.build.iter().for_each(|(key, value)| out.push_str(&format!("{key} = {}\n", quoted(value))));
            let args = self.args.iter().filter_map(|arg| arg.split_once('='));
            let args: Vec<String> =
                args.map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
            if !args.is_empty() {
                out.push_str(&format!("args = {{ {} }}\n", args.join(", ")));
            }
        }
        if self.scans {
            out.push_str("\n# The image that was built is scanned, before any registry has it.\n[scan]\n");
            if let Some(fail_on) = &self.fail_on {
                out.push_str(&format!("fail-on = {}\n", quoted(fail_on)));
            }
            if let Some(sarif) = &self.sarif {
                out.push_str(&format!("sarif = {}\n", quoted(sarif)));
            }
        }
        for push in &self.pushes {
            out.push_str(&format!("\n[[push]]\nregistry = {}\n", quoted(&push.registry)));
            if Some(&push.repository) != self.name.as_ref() {
                out.push_str(&format!("repository = {}\n", quoted(&push.repository)));
            }
            if !push.tags.is_empty() {
                out.push_str(&format!("tags = {}\n", list(&push.tags)));
            }
            if let Some(when) = &push.when {
                out.push_str(&format!("when = {}\n", quoted(when)));
            }
        }
        for left in &self.left {
            out.push_str(&format!("\n# not converted: {left}"));
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// Tag rules; one whose `enable` compares with the default branch says so in the rules' own words.
fn rules(template: &Template) -> Vec<String> {
    let mut whole = String::new();
    for part in &template.parts {
        match part {
            Part::Literal(value) => whole.push_str(&text(value)),
            Part::Expr(expr, _) => match word(expr).as_deref() {
                Some(
                    "ref == \"refs/heads/main\""
                    | "ref == \"refs/heads/master\""
                    | "branch == \"main\""
                    | "branch == \"master\"",
                ) => {
                    whole.push_str("{{is_default_branch}}");
                }
                _ => whole.push_str("true"),
            },
        }
    }
    actions::lines(&whole).into_iter().filter(|line| !line.starts_with('#')).collect()
}

/// A text with `env` filled in; other expressions stay as they are written.
fn filled(workflow: &Workflow, template: &Template) -> String {
    let mut out = String::new();
    for part in &template.parts {
        match part {
            Part::Literal(value) => out.push_str(&text(value)),
            Part::Expr(expr, at) => {
                let path = expr.path().unwrap_or_default();
                let known = path.first().is_some_and(|first| first == "env");
                let value = workflow
                    .env
                    .iter()
                    .filter(|_| known)
                    .find(|entry| Some(&entry.name.to_lowercase()) == path.get(1));
                match value {
                    Some(entry) => out.push_str(&entry.value.raw),
                    None if path == ["github", "sha"] => out.push_str("{sha}"),
                    None if path.first().is_some_and(|first| first == "secrets" || first == "vars") => {
                        out.push_str(&format!(
                            "${}",
                            path.get(1).map(|name| name.to_uppercase()).unwrap_or_default()
                        ));
                    }
                    None => out.push_str(
                        workflow
                            .source
                            .text
                            .get(at + expr.span.start..at + expr.span.end)
                            .unwrap_or_default(),
                    ),
                }
            }
        }
    }
    out.trim().to_owned()
}

/// An expression in the language of `when`, where it has the words.
fn word(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(format!("\"{}\"", value.as_str()?)),
        ExprKind::Not(inner) => Some(format!("!({})", word(inner)?)),
        ExprKind::Binary(operator, left, right) => {
            let sign = match operator {
                Operator::Or => "||",
                Operator::And => "&&",
                Operator::Equal => "==",
                Operator::NotEqual => "!=",
                _ => return None,
            };
            let inner = |expr: &Expr| {
                let text = word(expr)?;
                let loose = matches!(expr.kind, ExprKind::Binary(Operator::Or, ..)) && sign == "&&";
                Some(if loose { format!("({text})") } else { text })
            };
            Some(format!("{} {sign} {}", inner(left)?, inner(right)?))
        }
        _ => Some(match expr.path()?.join(".").as_str() {
            "github.event_name" => "event".into(),
            "github.ref" => "ref".into(),
            "github.ref_name" => "branch".into(),
            "github.event.repository.default_branch" => "default".into(),
            _ => return None,
        }),
    }
}

/// The workflow that ships by the settings: the same events, five lines of work.
fn short(workflow: &Workflow) -> String {
    let text = &workflow.source.text;
    let start = text
        .lines()
        .position(|line| line.starts_with("on:") || line.starts_with("\"on\":") || line.starts_with("'on':"));
    let on: Vec<&str> = match start {
        Some(start) => {
            let rest = text
                .lines()
                .skip(start + 1)
                .take_while(|line| line.is_empty() || line.starts_with([' ', '-', '#']));
            text.lines().skip(start).take(1).chain(rest).filter(|line| !line.is_empty()).collect()
        }
        None => vec!["on: push"],
    };
    format!(
        "name: {}\n{}\njobs:\n  ship:\n    runs-on: ubuntu-latest\n    steps: [{{uses: actions/checkout@v4}}, {{uses: wharf/wharf@v1}}]\n",
        serde_json::to_string(&workflow.name).unwrap_or_default(),
        on.join("\n")
    )
}

/// A condition as `when` says it.
///
/// # Errors
/// It does not read, or has no counterpart.
pub fn when(condition: &str) -> Result<String, String> {
    let expr = parse(condition).map_err(|fault| fault.message)?;
    word(&expr).ok_or_else(|| format!("`{condition}` has no counterpart in `when`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_words() {
        for (condition, expected) in [
            ("github.event_name != 'pull_request'", "event != \"pull_request\""),
            (
                "github.ref == 'refs/heads/main' && (github.event_name == 'push' || github.ref_name == 'x')",
                "ref == \"refs/heads/main\" && (event == \"push\" || branch == \"x\")",
            ),
            ("!(github.ref == 'x')", "!(ref == \"x\")"),
        ] {
            assert_eq!(when(condition).as_deref(), Ok(expected));
        }
        assert!(when("startsWith(github.ref, 'refs/tags/')").is_err());
    }
}
