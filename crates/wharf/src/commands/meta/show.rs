//! The result as a table, as JSON, as variables for a shell, and as a bake file.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wharf_metadata::{Metadata, Motion, Snapshot};

use crate::exit::Failure;
use crate::output::table;

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One document; `tags`, `tag-names`, `labels` and `annotations` are those of docker/metadata-action
    Json,
    /// `DOCKER_METADATA_OUTPUT_*=…` lines, quoted for a POSIX shell
    Env,
    /// A definition for `docker buildx bake --file`
    Bake,
}

impl Format {
    /// Whether explanations are part of the result; else they go to standard error.
    pub(super) fn explains(self) -> bool {
        matches!(self, Self::Table | Self::Json)
    }
}

/// What is shown.
pub(super) struct Shown<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) snapshot: &'a Snapshot,
    pub(super) explain: bool,
    /// The bake target's name.
    pub(super) target: &'a str,
}

impl Shown<'_> {
    pub(super) fn render(&self, format: Format) -> Result<String, Failure> {
        match format {
            Format::Table => Ok(self.table()),
            Format::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&self.document())?)),
            Format::Env => Ok(self.variables()),
            Format::Bake => Ok(format!("{}\n", serde_json::to_string_pretty(&self.bake())?)),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.metadata.tags.iter().map(|tag| tag.name.as_str()).collect()
    }

    fn tags(&self) -> Vec<String> {
        let names = self.names();
        let of_image =
            |image: &String| names.iter().map(move |name| format!("{image}:{name}")).collect::<Vec<_>>();
        self.metadata.images.iter().flat_map(of_image).collect()
    }

    /// `manifest:key=value`, as the action writes them.
    fn annotations(&self) -> Vec<String> {
        self.metadata.annotations.iter().map(|(key, value)| format!("manifest:{key}={value}")).collect()
    }

    fn table(&self) -> String {
        let metadata = self.metadata;
        let row = |image: &str, tag: &wharf_metadata::Tag| {
            [format!("{image}:{}", tag.name), moves(tag.motion).to_owned()]
        };
        let rows: Vec<[String; 2]> = metadata
            .images
            .iter()
            .flat_map(|image| metadata.tags.iter().map(move |tag| row(image, tag)))
            .collect();
        let mut sections = vec![
            format!("version  {}\n", metadata.version.as_deref().unwrap_or("none")),
            table::render(["TAG", "MOVES"], &rows),
            pairs("LABEL", &metadata.labels),
        ];
        let own: BTreeMap<_, _> = metadata
            .annotations
            .iter()
            .filter(|(key, value)| metadata.labels.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !own.is_empty() {
            sections.push(pairs("ANNOTATION (beside the labels)", &own));
        }
        if self.explain {
            sections.push(self.explanation());
        }
        sections.join("\n")
    }

    /// Each rule, what it gave, and why.
    pub(super) fn explanation(&self) -> String {
        let mut rows: Vec<[String; 3]> = vec![];
        for explained in &self.metadata.explain {
            let tag = explained.tag.clone().unwrap_or_else(|| "-".to_owned());
            rows.push([explained.rule.clone(), tag, explained.reason.clone()]);
        }
        format!("{}\n{}", self.seen(), table::render(["RULE", "TAG", "WHY"], &rows))
    }

    /// What is being built, and where each fact was read.
    fn seen(&self) -> String {
        let event = self.snapshot.event.clone().unwrap_or_default();
        let system = if event.system.is_empty() { "no CI; git says what is built" } else { event.system };
        let facts = [
            ("event", event.name),
            ("ref", event.reference),
            ("commit", event.commit),
            ("base", event.base),
            ("default", event.default_branch),
        ];
        let mut rows = vec![["system".to_owned(), system.to_owned(), String::new()]];
        let known = facts.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
        rows.extend(known.map(|(name, fact)| [name.to_owned(), fact.value, fact.origin]));
        if let Some(git) = &self.snapshot.git {
            let state = [(git.dirty, "with uncommitted changes"), (git.shallow, "shallow")];
            let state: Vec<&str> = state.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            let branch = git.branch.as_deref().unwrap_or("detached HEAD");
            rows.push(["git".to_owned(), format!("{branch} at {}", git.commit), state.join(", ")]);
            if !git.tags.is_empty() {
                rows.push(["git tags".to_owned(), git.tags.join(" "), "at HEAD".to_owned()]);
            }
        }
        table::render(["FACT", "VALUE", "FROM"], &rows)
    }

    fn document(&self) -> Value {
        let metadata = self.metadata;
        let motions: Map<String, Value> =
            metadata.tags.iter().map(|tag| (tag.name.clone(), moves(tag.motion).into())).collect();
        let mut document = json!({
            "version": metadata.version,
            "release": metadata.release,
            "images": metadata.images,
            "tags": self.tags(),
            "tag-names": self.names(),
            "moves": motions,
            "labels": metadata.labels,
            "annotations": self.annotations(),
            "warnings": metadata.warnings,
        });
        if self.explain {
            let explained = metadata.explain.iter().map(|explained| {
                json!({ "rule": explained.rule, "tag": explained.tag, "reason": explained.reason })
            });
            document["explain"] = explained.collect();
        }
        document
    }

    /// The action's outputs under the names that it exports them with.
    fn variables(&self) -> String {
        let labels = self.metadata.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let values = [
            ("VERSION", self.metadata.version.clone().unwrap_or_default()),
            ("TAGS", self.tags().join("\n")),
            ("TAG_NAMES", self.names().join("\n")),
            ("LABELS", labels.collect::<Vec<_>>().join("\n")),
            ("ANNOTATIONS", self.annotations().join("\n")),
            ("JSON", self.document().to_string()),
        ];
        let line =
            |(name, value): &(&str, String)| format!("DOCKER_METADATA_OUTPUT_{name}={}\n", quoted(value));
        values.iter().map(line).collect()
    }

    fn bake(&self) -> Value {
        let mut arguments = Map::new();
        arguments.insert("DOCKER_META_IMAGES".into(), self.metadata.images.join(",").into());
        if let Some(version) = &self.metadata.version {
            arguments.insert("DOCKER_META_VERSION".into(), version.as_str().into());
        }
        json!({ "target": { self.target: {
            "tags": self.tags(),
            "labels": self.metadata.labels,
            "annotations": self.annotations(),
            "args": arguments,
        } } })
    }
}

/// How a tag moves once a registry has it, in a word.
fn moves(motion: Motion) -> &'static str {
    match motion {
        Motion::Free => "freely",
        Motion::Rolling => "forward",
        Motion::Immutable => "never",
    }
}

fn pairs(title: &str, pairs: &BTreeMap<String, String>) -> String {
    let rows: Vec<[String; 2]> = pairs.iter().map(|(key, value)| [key.clone(), value.clone()]).collect();
    table::render([title, "VALUE"], &rows)
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_words_of_a_shell() {
        assert_eq!(quoted("org/app:1.2.3"), "org/app:1.2.3");
        assert_eq!(quoted(""), "");
        assert_eq!(quoted("it's\n$HOME"), "'it'\\''s\n$HOME'");
    }
}
