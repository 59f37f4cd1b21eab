//! Looks names up among the named contexts, as references are compared: `alpine` is `alpine:latest` and
//! `docker.io/library/alpine`.

use std::collections::BTreeMap;

use wharf_oci::Reference;

use super::{ContextKind, Problem, Request};

/// The named contexts of a request.
#[derive(Debug)]
pub(super) struct Contexts<'a> {
    /// From the short name to the name as typed and what it is.
    by_name: BTreeMap<String, (&'a str, &'a ContextKind)>,
}

impl<'a> Contexts<'a> {
    pub(super) fn new(request: &'a Request) -> Result<Self, Problem> {
        let mut by_name = BTreeMap::new();
        for (name, kind) in &request.contexts {
            by_name.insert(short(name)?, (name.as_str(), kind));
        }
        Ok(Self { by_name })
    }

    /// The context of this name, as typed. `scratch` and `context` are never looked up.
    pub(super) fn find(&self, name: &str) -> Result<Option<&'a str>, Problem> {
        if ["scratch", "context"].iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Ok(None);
        }
        Ok(self.by_name.get(&short(name)?).map(|(typed, _)| *typed))
    }

    /// What the context is that was typed like this.
    pub(super) fn kind(&self, typed: &str) -> Option<&'a ContextKind> {
        self.by_name.values().find(|(name, _)| *name == typed).map(|(_, kind)| *kind)
    }
}

fn short(name: &str) -> Result<String, Problem> {
    let reference: Reference =
        name.parse().map_err(|source| Problem::ContextName { name: name.into(), source })?;
    let familiar = reference.to_string();
    Ok(familiar.strip_suffix(":latest").map(str::to_owned).unwrap_or(familiar))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::Platform;

    #[test]
    fn names_are_compared_as_references() {
        let mut request = Request::new(Platform::host());
        request.contexts.insert("alpine".into(), ContextKind::Image);
        request.contexts.insert("scratch".into(), ContextKind::Files);
        let contexts = Contexts::new(&request).unwrap();
        for name in ["alpine", "alpine:latest", "docker.io/library/alpine:latest"] {
            assert_eq!(contexts.find(name).unwrap(), Some("alpine"), "{name}");
        }
        assert_eq!(contexts.find("alpine:3").unwrap(), None);
        assert_eq!(contexts.find("Scratch").unwrap(), None);
        assert!(contexts.find("bad-").is_err());
        assert_eq!(contexts.kind("alpine"), Some(&ContextKind::Image));
    }
}
