//! `--filter name=value`: what is listed.

use crate::exit::Failure;

/// The conditions of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads `name=value` forms; only `known` names are taken.
    pub(crate) fn parse(specs: &[String], known: &[&str]) -> Result<Self, Failure> {
        let mut filters = Vec::new();
        for spec in specs {
            let (name, value) = spec.split_once('=').ok_or_else(|| {
                Failure::usage(format!(
                    "invalid argument \"{spec}\" for \"-f, --filter\" flag: expected name=value"
                ))
            })?;
            let name = name.trim().to_ascii_lowercase();
            if !known.contains(&name.as_str()) {
                return Err(Failure::usage(format!("invalid filter '{name}'"))
                    .hint(format!("the filters here are {}", known.join(", "))));
            }
            filters.push((name, value.trim().to_owned()));
        }
        Ok(Self(filters))
    }

    /// The values of one name.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether one of the values of `name` fits, or there is none to fit.
    pub(crate) fn any(&self, name: &str, fits: impl FnMut(&str) -> bool) -> bool {
        let mut values = self.values(name).peekable();
        values.peek().is_none() || values.any(fits)
    }

    /// Whether all values of `label` fit: `key` alone, or `key=value`.
    pub(crate) fn labels(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        let fits = |wanted: &str| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
            None => labels.contains_key(wanted),
        };
        self.values("label").all(fits) && !self.values("label!").any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_of_a_name_are_alternatives_and_labels_are_not() {
        let specs = ["name=a", "name=b", "label=x", "label=y=2"].map(str::to_owned);
        let filters = Filters::parse(&specs, &["name", "label", "status"]).unwrap();
        assert!(filters.any("name", |value| value == "b") && !filters.any("name", |value| value == "c"));
        assert!(filters.any("status", |_| false));
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert!(filters.labels(&labels(&[("x", "1"), ("y", "2")])));
        assert!(
            !filters.labels(&labels(&[("y", "2")])) && !filters.labels(&labels(&[("x", "1"), ("y", "3")]))
        );
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(Filters::parse(&["nope=1".into()], &["name"]).is_err());
        assert!(Filters::parse(&["name".into()], &["name"]).is_err());
    }
}
