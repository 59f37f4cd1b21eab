//! Labels and annotations as lists of `key=value`, in the order of the action's output.

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorPreferences};

use crate::moment;
use crate::rules::RulesError;
use crate::subject::Subject;

/// What the predefined OCI keys (image-spec, annotations) say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) url: String,
    pub(crate) source: String,
    pub(crate) version: String,
    pub(crate) created: i64,
    pub(crate) revision: String,
    pub(crate) licenses: String,
}

impl Described {
    /// The predefined keys with their values.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let created = moment::iso(self.created);
        let values = [
            ("title", &self.title),
            ("description", &self.description),
            ("url", &self.url),
            ("source", &self.source),
            ("version", &self.version),
            ("created", &created),
            ("revision", &self.revision),
            ("licenses", &self.licenses),
        ];
        let key = |name: &str| format!("org.opencontainers.image.{name}");
        values.iter().map(|(name, value)| (key(name), (*value).clone())).collect()
    }
}

/// `lines` (`key=value`, expanded) over `described`, sorted by key. A later value for the same key wins; a line
/// without `=` says nothing.
pub(crate) fn labels(
    described: &Described,
    lines: &[String],
    subject: &Subject,
) -> Result<Vec<(String, String)>, RulesError> {
    let mut labels = described.pairs();
    for line in lines {
        let expanded = subject.expand(line).map_err(|problem| RulesError::new(line, problem))?;
        let Some((key, value)) = expanded.split_once('=') else { continue };
        match labels.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value.to_owned(),
            None => labels.push((key.to_owned(), value.to_owned())),
        }
    }
    sort(&mut labels);
    Ok(labels)
}

/// Sorts by key as `localeCompare` does, which is not the order of bytes: `_ - , . digits letters`, `a A b`.
fn sort(labels: &mut [(String, String)]) {
    // The root collation is part of the binary, so there always is one.
    let collator = Collator::try_new(CollatorPreferences::default(), CollatorOptions::default()).ok();
    labels.sort_by(|(a, _), (b, _)| {
        collator.as_ref().map_or_else(|| a.cmp(b), |collator| collator.compare(a, b))
    });
}

#[cfg(test)]
pub(crate) fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    let collator = Collator::try_new(CollatorPreferences::default(), CollatorOptions::default());
    collator.unwrap().compare(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_words_do() {
        let keys = ["b", "A", "a", "Z", "1", "10", "2", "a.b", "a-b", "a_b", "a,b", "é", "z", ""];
        let mut labels: Vec<_> = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        sort(&mut labels);
        let sorted: Vec<_> = labels.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(sorted, ["", "1", "10", "2", "a", "A", "a_b", "a-b", "a,b", "a.b", "b", "é", "z", "Z"]);
    }
}
