//! Targets and groups, what they inherit, and which of them are built.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::BakeError;
use super::overrides;

/// What files have said, the later over the earlier.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Definition {
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) targets: BTreeMap<String, Map<String, Value>>,
    /// In the order of the files, for those that name no default group.
    pub(crate) order: Vec<String>,
}

/// What is built, each after what it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<(String, Map<String, Value>)>,
    /// Those that were asked for, not only needed by others.
    pub(crate) wanted: Vec<String>,
}

/// Attributes that add up where they meet rather than replace each other.
const MAPS: [&str; 4] = ["args", "labels", "contexts", "extra-hosts"];

impl Definition {
    /// Adds a target of a later file.
    pub(super) fn add_target(&mut self, name: &str, target: Map<String, Value>) {
        if !self.order.iter().any(|known| known == name) {
            self.order.push(name.to_owned());
        }
        let merged = merge(self.targets.remove(name).unwrap_or_default(), target);
        self.targets.insert(name.to_owned(), merged);
    }

    /// The targets that `wanted` names, directly or by groups; the group `default` where nothing is wanted.
    pub(crate) fn plan(&self, wanted: &[String], sets: &[String]) -> Result<Plan, BakeError> {
        let default = ["default".to_owned()];
        let wanted = if wanted.is_empty() { &default } else { wanted };
        let mut plan = Plan { groups: BTreeMap::new(), targets: Vec::new(), wanted: Vec::new() };
        let mut names = Vec::new();
        for name in wanted {
            self.gather(name, &mut names, &mut plan.groups, &mut Vec::new())?;
        }
        let typed: Vec<String> = wanted.iter().filter(|name| *name != "default").cloned().collect();
        if !typed.is_empty() {
            plan.groups.insert("default".into(), typed);
        }
        let sets = overrides::read(sets)?;
        for name in &names {
            self.add(name, &sets, &mut plan, &mut Vec::new())?;
        }
        plan.wanted = names;
        Ok(plan)
    }

    /// The targets that a name stands for, and the groups on the way to them.
    fn gather(
        &self,
        name: &str,
        names: &mut Vec<String>,
        groups: &mut BTreeMap<String, Vec<String>>,
        above: &mut Vec<String>,
    ) -> Result<(), BakeError> {
        if above.iter().any(|group| group == name) {
            return Err(BakeError::Target(format!("the group {name} contains itself")));
        }
        if let Some(members) = self.groups.get(name) {
            groups.insert(name.to_owned(), members.clone());
            above.push(name.to_owned());
            for member in members {
                self.gather(member, names, groups, above)?;
            }
            above.pop();
            return Ok(());
        }
        if !self.targets.contains_key(name) {
            let known: Vec<&str> =
                self.groups.keys().chain(self.targets.keys()).map(String::as_str).collect();
            return Err(BakeError::Target(format!(
                "failed to find target {name}; there are {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        }
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
        Ok(())
    }

    /// Adds a target, after those whose results are its contexts.
    fn add(
        &self,
        name: &str,
        sets: &[overrides::Set],
        plan: &mut Plan,
        above: &mut Vec<String>,
    ) -> Result<(), BakeError> {
        if plan.targets.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        if above.iter().any(|other| other == name) {
            return Err(BakeError::Target(format!("the target {name} needs itself as a context")));
        }
        let mut target = self.resolved(name, &mut Vec::new())?;
        for set in sets {
            set.apply(name, &mut target);
        }
        above.push(name.to_owned());
        for needed in needs(&target) {
            self.add(&needed, sets, plan, above)?;
        }
        above.pop();
        plan.targets.push((name.to_owned(), target));
        Ok(())
    }

    /// A target with what it inherits, in order, and its own attributes over that.
    fn resolved(&self, name: &str, above: &mut Vec<String>) -> Result<Map<String, Value>, BakeError> {
        if above.iter().any(|other| other == name) {
            return Err(BakeError::Target(format!("infinite loop from {name} in what it inherits")));
        }
        let own = self.targets.get(name);
        let own = own.ok_or_else(|| BakeError::Target(format!("failed to find target {name}")))?;
        above.push(name.to_owned());
        let mut target = Map::new();
        for parent in strings(own.get("inherits")) {
            target = merge(target, self.resolved(&parent, above)?);
        }
        above.pop();
        let mut target = merge(target, own.clone());
        target.remove("inherits");
        Ok(target)
    }
}

/// The targets whose results this one takes for contexts.
fn needs(target: &Map<String, Value>) -> Vec<String> {
    let contexts = target.get("contexts").and_then(Value::as_object);
    let sources = contexts.into_iter().flat_map(|contexts| contexts.values().filter_map(Value::as_str));
    sources.filter_map(|source| source.strip_prefix("target:")).map(str::to_owned).collect()
}

/// `over` over `base`.
fn merge(mut base: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in over {
        let both = (base.get_mut(&key).and_then(Value::as_object_mut), value.as_object());
        match both {
            (Some(known), Some(new)) if MAPS.contains(&key.as_str()) => {
                known.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            // Nothing said is nothing changed.
            _ if value.is_null() => {}
            _ => {
                base.insert(key, value);
            }
        }
    }
    base
}

/// The texts of a list, or the one text.
pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl Plan {
    /// As `bake --print` shows it.
    pub(crate) fn document(&self) -> Value {
        let groups: Map<String, Value> =
            self.groups.iter().map(|(name, members)| (name.clone(), json!({ "targets": members }))).collect();
        let mut targets: Vec<&(String, Map<String, Value>)> = self.targets.iter().collect();
        targets.sort_by(|a, b| a.0.cmp(&b.0));
        let target = |(name, target): &(String, Map<String, Value>)| {
            let mut shown = target.clone();
            shown.entry("context").or_insert_with(|| ".".into());
            shown.entry("dockerfile").or_insert_with(|| "Dockerfile".into());
            (name.clone(), Value::Object(shown))
        };
        let targets: Map<String, Value> = targets.into_iter().map(target).collect();
        json!({ "group": groups, "target": targets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let mut definition = Definition::default();
        let add = |definition: &mut Definition, name: &str, value: Value| {
            definition.add_target(name, value.as_object().unwrap().clone());
        };
        add(&mut definition, "base", json!({ "args": { "A": "1", "B": "2" }, "dockerfile": "base.df" }));
        add(
            &mut definition,
            "app",
            json!({
                "inherits": ["base"], "args": { "B": "3" }, "tags": ["x:1"], "contexts": { "lib": "target:lib" },
            }),
        );
        add(&mut definition, "lib", json!({ "target": "lib" }));
        definition.groups.insert("default".into(), vec!["all".into()]);
        definition.groups.insert("all".into(), vec!["app".into(), "lib".into()]);
        definition
    }

    #[test]
    fn targets_inherit_and_come_after_what_they_need() {
        let plan = definition().plan(&[], &["app.args.C=4".into(), "*.platform=linux/arm64".into()]).unwrap();
        let names: Vec<&str> = plan.targets.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["lib", "app"]);
        let app = &plan.targets[1].1;
        assert_eq!(app["args"], json!({ "A": "1", "B": "3", "C": "4" }));
        assert_eq!((&app["dockerfile"], &app["platforms"]), (&json!("base.df"), &json!(["linux/arm64"])));
        let groups = &plan.document()["group"];
        assert_eq!(groups["default"]["targets"], json!(["all"]));
        assert_eq!(groups["all"]["targets"], json!(["app", "lib"]));
    }

    #[test]
    fn a_later_file_adds_to_maps_and_replaces_the_rest() {
        let mut definition = definition();
        let later = json!({ "args": { "A": "9" }, "tags": ["y:1"] });
        definition.add_target("app", later.as_object().unwrap().clone());
        let plan = definition.plan(&["app".into()], &[]).unwrap();
        let app = &plan.targets[1].1;
        assert_eq!((&app["args"], &app["tags"]), (&json!({ "A": "9", "B": "3" }), &json!(["y:1"])));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let mut definition = definition();
        assert!(
            definition
                .plan(&["nope".into()], &[])
                .unwrap_err()
                .to_string()
                .contains("failed to find target nope")
        );
        definition.groups.insert("all".into(), vec!["default".into()]);
        assert!(definition.plan(&[], &[]).unwrap_err().to_string().contains("contains itself"));
        definition.add_target("base", json!({ "inherits": ["app"] }).as_object().unwrap().clone());
        assert!(definition.plan(&["app".into()], &[]).unwrap_err().to_string().contains("infinite loop"));
    }
}
