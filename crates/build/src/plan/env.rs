//! Environments that remember the order in which variables were last set.

use std::collections::{BTreeMap, HashMap};

use super::EnvVar;

/// Where nothing else says, programs are found here.
pub(super) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a step sees. Setting a variable again moves it to the end, as in BuildKit.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    values: BTreeMap<String, (usize, String)>,
    settings: usize,
    length: usize,
}

impl Env {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        self.remove(name);
        self.settings += 1;
        self.length += name.len() + value.len();
        self.values.insert(name.into(), (self.settings, value));
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some((_, value)) = self.values.remove(name) {
            self.length -= name.len() + value.len();
        }
    }

    /// The bytes of all names and values.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The values as [`wharf_dockerfile::Lexer`] asks for them.
    pub(super) fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.get(name).map(str::to_owned)
    }

    /// The variables in the order in which they were last set.
    pub(super) fn to_list(&self) -> Vec<EnvVar> {
        let mut ordered: Vec<_> = self.values.iter().collect();
        ordered.sort_by_key(|(_, (setting, _))| *setting);
        ordered
            .into_iter()
            .map(|(name, (_, value))| EnvVar { name: name.clone(), value: value.clone() })
            .collect()
    }
}

/// `Env` of an image config: setting a variable again leaves it in its place.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigEnv {
    lines: Vec<String>,
    places: HashMap<String, usize>,
}

impl ConfigEnv {
    pub(super) fn new(lines: Vec<String>) -> Self {
        let mut places = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            places.entry(split(line).0.to_owned()).or_insert(place);
        }
        Self { lines, places }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let line = format!("{name}={value}");
        match self.places.get(name) {
            Some(&place) => self.lines[place] = line,
            None => {
                self.places.insert(name.into(), self.lines.len());
                self.lines.push(line);
            }
        }
    }

    /// Name and value of each line, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|line| split(line))
    }

    pub(super) fn to_lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}

/// The arguments that a stage and those below it have declared, in the order of their first declaration.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    order: Vec<String>,
    values: HashMap<String, Option<String>>,
}

impl Declared {
    /// Adds an argument; `None` stands for one that has no value, which takes none away.
    pub(super) fn declare(&mut self, name: &str, value: Option<String>) {
        match self.values.get_mut(name) {
            Some(known) => *known = value.or(known.take()),
            None => {
                self.order.push(name.into());
                self.values.insert(name.into(), value);
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_deref()
    }

    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }
}

/// Name and value of a line of an image config; a line without `=` has an empty value.
pub(super) fn split(line: &str) -> (&str, &str) {
    line.split_once('=').unwrap_or((line, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_sees_what_was_set_last_at_the_end() {
        let mut env = Env::default();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            env.set(name, value);
        }
        let names: Vec<_> =
            env.to_list().into_iter().map(|var| format!("{}={}", var.name, var.value)).collect();
        assert_eq!(names, ["B=2", "A=3"]);
    }

    #[test]
    fn an_argument_keeps_its_place_and_its_last_value() {
        let mut declared = Declared::default();
        for (name, value) in [("A", Some("1")), ("B", None), ("A", Some("2")), ("A", None)] {
            declared.declare(name, value.map(Into::into));
        }
        assert_eq!(declared.names().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!((declared.get("A"), declared.get("B")), (Some("2"), None));
        assert!(declared.contains("B") && !declared.contains("C"));
    }

    #[test]
    fn an_image_keeps_the_place_of_a_variable() {
        let mut env = ConfigEnv::new(vec!["A=1".into(), "NOVALUE".into()]);
        env.set("B", "2");
        env.set("A", "x=y");
        assert_eq!(env.to_lines(), ["A=x=y", "NOVALUE", "B=2"]);
        assert!(env.contains("NOVALUE") && !env.contains("C"));
    }
}
