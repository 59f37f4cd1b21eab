//! What is being built, as rules see it, and the expressions that speak of it.

use crate::javascript::{is_line_end, prefix, string_to_number};
use crate::moment::{self, Instant, Zone};
use crate::snapshot::Fact;
use crate::template::{self, Call, Function, TemplateError, Value};

/// What is being built, and why.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The event's name, in GitHub's words; empty where unknown.
    pub(crate) event: String,
    /// The full ref.
    pub(crate) reference: Option<Fact>,
    /// The commit.
    pub(crate) commit: Option<Fact>,
    /// When the commit was made.
    pub(crate) commit_date: Instant,
    /// When the image is made.
    pub(crate) now: i64,
    /// The branch that a pull request goes into, or that a tag was pushed from; empty where unknown.
    pub(crate) base: String,
    /// Whether the default branch is being built; none where nothing tells.
    pub(crate) on_default_branch: Option<bool>,
    /// The branch that `type=edge` means without an attribute.
    pub(crate) edge_branch: Option<String>,
    /// How long a short commit id is, as written; none for seven.
    pub(crate) short_commit_length: Option<String>,
}

/// The expressions that every rule may use.
pub(crate) const EXPRESSIONS: [Function; 8] = [
    Function { name: "branch", arity: 0 },
    Function { name: "tag", arity: 0 },
    Function { name: "sha", arity: 0 },
    Function { name: "base_ref", arity: 0 },
    Function { name: "commit_date", arity: 2 },
    Function { name: "is_default_branch", arity: 0 },
    Function { name: "is_not_default_branch", arity: 0 },
    Function { name: "date", arity: 2 },
];
/// Those that the pattern of `type=schedule` may use.
pub(crate) const DATE_EXPRESSIONS: [Function; 2] =
    [Function { name: "date", arity: 2 }, Function { name: "commit_date", arity: 2 }];

impl Subject {
    /// The branch, when a branch is being built.
    pub(crate) fn branch(&self) -> Option<&str> {
        self.under("refs/heads/")
    }

    /// The git tag, when a tag is being built.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.under("refs/tags/")
    }

    /// `12/merge` or the like, when a pull request is being built.
    pub(crate) fn pull_request(&self) -> Option<&str> {
        self.under("refs/pull/")
    }

    fn under(&self, folder: &str) -> Option<&str> {
        self.reference.as_ref()?.value.strip_prefix(folder)
    }

    /// The commit's short id.
    ///
    /// # Errors
    /// There is no commit, or the configured length is not a number.
    pub(crate) fn short_commit(&self) -> Result<String, TemplateError> {
        let length = match self.short_commit_length.as_deref() {
            None | Some("") => 7.0,
            Some(text) => string_to_number(text).ok_or_else(|| {
                TemplateError::new(format!("DOCKER_METADATA_SHORT_SHA_LENGTH is not a valid number: {text}"))
            })?,
        };
        let commit = self.commit.as_ref().ok_or_else(|| TemplateError::new("there is no commit"))?;
        Ok(prefix(&commit.value, length as usize).to_owned())
    }

    /// Expands the expressions of `text`.
    pub(crate) fn expand(&self, text: &str) -> Result<String, TemplateError> {
        template::expand(text, Value::functions(&EXPRESSIONS), &|call| self.answer(call))
    }

    /// Expands the dates of `text`; other expressions are empty.
    pub(crate) fn expand_dates(&self, text: &str) -> Result<String, TemplateError> {
        template::expand(text, Value::functions(&DATE_EXPRESSIONS), &|call| self.answer(call))
    }

    fn answer(&self, call: &Call<'_>) -> Result<Value, TemplateError> {
        let text = |text: Option<&str>| Ok(Value::text(text.unwrap_or_default()));
        match call.name {
            "branch" => text(self.branch()),
            "tag" => text(self.tag()),
            "sha" => Ok(Value::text(&self.short_commit()?)),
            "base_ref" => text(Some(&self.base)),
            "commit_date" => date(self.commit_date, call),
            "date" => date(Some(self.now), call),
            name => {
                let on = self.on_default_branch.ok_or_else(|| TemplateError::new("there is no ref"))?;
                Ok(Value::text(if on == (name == "is_default_branch") { "true" } else { "false" }))
            }
        }
    }
}

/// `{{date 'format' tz='zone'}}`
fn date(instant: Instant, call: &Call<'_>) -> Result<Value, TemplateError> {
    let [format] = call.params else {
        return Err(TemplateError::new(format!("`{}` takes one format, in quotes", call.name)));
    };
    if let Some((key, _)) = call.hash.iter().find(|(key, _)| key != "tz") {
        return Err(TemplateError::new(format!("`{}` has no `{key}`; there is `tz`", call.name)));
    }
    let zone = match call.hash.first() {
        None => Zone::named("UTC"),
        Some((_, Value::Text(name))) if !name.is_empty() => Zone::named(name),
        Some(_) => return Err(TemplateError::new("`tz` must be the name of a time zone")),
    };
    let format = match format {
        Value::Text(format) => format.to_string(),
        value if !value.is_truthy() => String::new(),
        _ if instant.is_none() => String::new(),
        value => return Err(TemplateError::new(format!("`{}` is not a format", value.to_text()))),
    };
    if instant.is_some() && !format.is_empty() && format.chars().all(is_line_end) {
        return Err(TemplateError::new("the format is empty lines"));
    }
    Ok(Value::text(&moment::format(instant, &format, &zone)))
}
