//! The outputs, from rules to texts.

use serde_json::{Map, Value, json};

use super::documents::{bake_arguments, bake_file, label_object};
use super::{ActionError, Inputs, Job};
use crate::evaluate::{Evaluated, Outcome, evaluate, sanitize};
use crate::label::{Described, labels};
use crate::rules::{Flavor, ImageRule, parse_images, parse_tags};

/// What the action writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Names and values, in order; the bake files' paths come after them.
    pub texts: Vec<(&'static str, String)>,
    /// The bake files, in the order of their outputs.
    pub bake_files: Vec<BakeFile>,
    /// Whether the outputs also become environment variables.
    pub export: bool,
    /// What the action warns of.
    pub warnings: Vec<String>,
}

/// A bake file and the output that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BakeFile {
    /// The output.
    pub output: &'static str,
    /// The file's name, without a directory.
    pub file_name: &'static str,
    /// JSON.
    pub content: String,
}

/// Tags of all rules together.
struct Tags {
    version: Option<String>,
    /// Without image names, the version first.
    names: Vec<String>,
}

/// Applies the inputs to the job. `repository` is the forge's description of it, `now` is in milliseconds since
/// 1970.
///
/// # Errors
/// A rule that cannot be read or applied.
pub fn outputs(inputs: &Inputs, job: &Job, repository: &Value, now: i64) -> Result<Outputs, ActionError> {
    let edge_branch = repository["default_branch"].as_str().map(str::to_owned);
    let subject = job.subject(inputs, edge_branch, now);
    let images = image_names(&parse_images(&inputs.images)?);
    let rules = parse_tags(&inputs.tags)?;
    let flavor = Flavor::parse(&inputs.flavor)?;
    let evaluated = evaluate(&rules, &flavor, &subject)?;
    let tags = combine(&evaluated, &flavor);

    let described =
        describe(repository, &tags, subject.commit.as_ref().map_or("", |commit| &commit.value), now);
    let labels = labels(&described, &inputs.labels, &subject)?;
    let annotations = self::labels(&described, &inputs.annotations, &subject)?;
    let texts = Texts { inputs, images, tags, labels, annotations };
    Ok(Outputs {
        texts: texts.outputs(),
        bake_files: texts.bake_files(),
        export: inputs.export,
        warnings: texts.warnings(&evaluated),
    })
}

fn image_names(images: &[ImageRule]) -> Vec<String> {
    images.iter().filter(|image| image.enable).map(|image| image.name.clone()).collect()
}

/// The first tag is the version; the others follow once each; `latest` comes last, even where it is there already.
fn combine(evaluated: &[Evaluated<'_>], flavor: &Flavor) -> Tags {
    let produced = || {
        evaluated.iter().filter_map(|evaluated| match &evaluated.outcome {
            Outcome::Tag(produced) => Some(produced),
            Outcome::Nothing(_) => None,
        })
    };
    let mut names: Vec<String> = Vec::new();
    for tag in produced().map(|produced| sanitize(&produced.text)) {
        if !names.contains(&tag) {
            names.push(tag);
        }
    }
    let version = names.first().cloned();
    if produced().next().is_some_and(|first| first.latest) {
        let prefix = if flavor.prefix_on_latest { flavor.prefix.as_str() } else { "" };
        let suffix = if flavor.suffix_on_latest { flavor.suffix.as_str() } else { "" };
        names.push(sanitize(&format!("{prefix}latest{suffix}")));
    }
    Tags { version, names }
}

fn describe(repository: &Value, tags: &Tags, commit: &str, now: i64) -> Described {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Described {
        title: text(&repository["name"]),
        description: text(&repository["description"]),
        url: text(&repository["html_url"]),
        source: text(&repository["html_url"]),
        version: tags.version.clone().unwrap_or_default(),
        created: now,
        revision: commit.to_owned(),
        licenses: text(&repository["license"]["spdx_id"]),
    }
}

/// Everything that the outputs are made of.
struct Texts<'a> {
    inputs: &'a Inputs,
    images: Vec<String>,
    tags: Tags,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

impl Texts<'_> {
    fn outputs(&self) -> Vec<(&'static str, String)> {
        let inputs = self.inputs;
        let tags = self.full_tags();
        let levels: Vec<&str> = inputs.annotation_levels.split(',').collect();
        let annotations = self.levelled_annotations(&levels);
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let json = json!({
            "tags": tags,
            "tag-names": self.tags.names,
            "labels": label_object(&self.labels),
            "annotations": annotations,
        });
        vec![
            ("version", self.tags.version.clone().unwrap_or_default()),
            ("tags", tags.join(&inputs.tag_separator)),
            ("tag-names", self.tags.names.join(&inputs.tag_separator)),
            ("labels", labels.join(&inputs.label_separator)),
            ("annotations", annotations.join(&inputs.annotation_separator)),
            ("json", json.to_string()),
        ]
    }

    /// Tags with the image names, or bare where no image is enabled.
    fn full_tags(&self) -> Vec<String> {
        let named = |image: &String| {
            let prefix = if image.is_empty() { String::new() } else { format!("{image}:") };
            self.tags.names.iter().map(move |name| format!("{prefix}{name}"))
        };
        match self.images.as_slice() {
            [] => self.tags.names.clone(),
            images => images.iter().flat_map(named).collect(),
        }
    }

    fn levelled_annotations(&self, levels: &[&str]) -> Vec<String> {
        let at = |level: &&str| {
            let level = (*level).to_owned();
            self.annotations.iter().map(move |(key, value)| format!("{level}:{key}={value}"))
        };
        levels.iter().flat_map(at).collect()
    }

    fn bake_files(&self) -> Vec<BakeFile> {
        let arguments = bake_arguments(&self.images, self.tags.version.as_deref());
        // Here, unlike in the other outputs, the levels end at a colon.
        let levels = self.inputs.annotation_levels.split(':').next().unwrap_or_default();
        let annotations = self.levelled_annotations(&levels.split(',').collect::<Vec<_>>());
        let tags = ("tags", Value::from(self.full_tags()));
        let labels = ("labels", label_object(&self.labels));
        let arguments = ("args", arguments);
        let file = |output, file_name, fields: &[&(&str, Value)]| {
            let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
            BakeFile {
                output,
                file_name,
                content: bake_file(&self.inputs.bake_target, fields.collect::<Map<_, _>>()),
            }
        };
        vec![
            file("bake-file-tags", "docker-metadata-action-bake-tags.json", &[&tags, &arguments]),
            file("bake-file-labels", "docker-metadata-action-bake-labels.json", &[&labels]),
            file(
                "bake-file-annotations",
                "docker-metadata-action-bake-annotations.json",
                &[&("annotations", Value::from(annotations))],
            ),
            file("bake-file", "docker-metadata-action-bake.json", &[&tags, &labels, &arguments]),
        ]
    }

    fn warnings(&self, evaluated: &[Evaluated<'_>]) -> Vec<String> {
        let mut warnings: Vec<String> =
            evaluated.iter().flat_map(|evaluated| evaluated.warnings.clone()).collect();
        if self.tags.version.is_none() {
            warnings.push("No Docker image version has been generated. Check tags input.".to_owned());
        }
        if self.full_tags().is_empty() {
            warnings.push("No Docker tag has been generated. Check tags input.".to_owned());
        }
        warnings
    }
}
