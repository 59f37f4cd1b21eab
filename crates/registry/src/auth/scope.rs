//! What a token must allow (distribution's token specification, "Requesting a Token").

use std::collections::{BTreeMap, BTreeSet};

/// Actions by resource: `repository:org/model` → `pull`, `push`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// `actions` on `repository`.
    pub(crate) fn repository(repository: &str, actions: &[&str]) -> Self {
        Self::default().and(format!("repository:{repository}"), actions)
    }

    /// The list of all repositories.
    pub(crate) fn catalogue() -> Self {
        Self::default().and("registry:catalog".into(), &["*"])
    }

    /// Also pull from another repository, as mounting from it needs.
    pub(crate) fn and_pull(self, repository: &str) -> Self {
        self.and(format!("repository:{repository}"), &["pull"])
    }

    fn and(mut self, resource: String, actions: &[&str]) -> Self {
        self.0.entry(resource).or_default().extend(actions.iter().map(|&action| action.to_owned()));
        self
    }

    /// The scopes of a challenge: `type:name:action,action`, several separated by blanks.
    pub(crate) fn parse(text: &str) -> Self {
        text.split_whitespace().filter_map(|scope| scope.rsplit_once(':')).fold(
            Self::default(),
            |scopes, (resource, actions)| {
                scopes.and(resource.to_owned(), &actions.split(',').collect::<Vec<_>>())
            },
        )
    }

    /// Everything that either allows.
    pub(crate) fn merge(mut self, other: &Self) -> Self {
        for (resource, actions) in &other.0 {
            self.0.entry(resource.clone()).or_default().extend(actions.iter().cloned());
        }
        self
    }

    /// Whether everything in `wanted` is in here too.
    pub(crate) fn cover(&self, wanted: &Self) -> bool {
        wanted.0.iter().all(|(resource, actions)| {
            self.0.get(resource).is_some_and(|allowed| allowed.contains("*") || actions.is_subset(allowed))
        })
    }

    /// Whether the two speak of a common resource.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        self.0.keys().any(|resource| other.0.contains_key(resource))
    }

    /// One text for each resource, as the token server wants them.
    pub(crate) fn to_texts(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_serves_whatever_it_covers() {
        let push = Scopes::repository("a/b", &["pull", "push"]);
        let pull = Scopes::repository("a/b", &["pull"]);
        assert!(push.cover(&pull) && !pull.cover(&push));
        assert!(!push.cover(&push.clone().and_pull("base")));
        assert!(Scopes::parse("repository:a/b:*").cover(&push));
    }

    #[test]
    fn scopes_are_merged_and_written_in_order() {
        let merged = Scopes::parse("repository:a/b:push registry:catalog:*")
            .merge(&Scopes::repository("a/b", &["pull"]))
            .merge(&Scopes::repository("host:5000/x", &["pull"]));
        assert_eq!(
            merged.to_texts().collect::<Vec<_>>(),
            ["registry:catalog:*", "repository:a/b:pull,push", "repository:host:5000/x:pull"]
        );
        assert!(
            merged.touches(&Scopes::repository("a/b", &[])) && !merged.touches(&Scopes::repository("c", &[]))
        );
    }
}
