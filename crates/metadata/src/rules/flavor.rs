//! The flavor: what holds for all tags.

use super::list::{fields, pair};
use super::{RulesError, one_of, spellings};

/// Whether `latest` is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Latest {
    /// As the rule with the highest priority says.
    #[default]
    Auto,
    Always,
    Never,
}

/// What holds for all tags that do not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flavor {
    pub(crate) latest: Latest,
    pub(crate) prefix: String,
    /// Whether `latest` gets the prefix too.
    pub(crate) prefix_on_latest: bool,
    pub(crate) suffix: String,
    /// Whether `latest` gets the suffix too.
    pub(crate) suffix_on_latest: bool,
}

const LATEST: [(&str, Latest); 3] =
    [("auto", Latest::Auto), ("true", Latest::Always), ("false", Latest::Never)];
const SWITCH: [(&str, bool); 2] = [("true", true), ("false", false)];

/// Which affix `onlatest` speaks of: the one named before it in the same item.
#[derive(Clone, Copy)]
enum Affix {
    Prefix,
    Suffix,
}

impl Flavor {
    /// Reads flavor items; later ones override earlier ones.
    pub(crate) fn parse(items: &[String]) -> Result<Self, RulesError> {
        let mut flavor = Self::default();
        for item in items {
            flavor.read(item)?;
        }
        Ok(flavor)
    }

    fn read(&mut self, item: &str) -> Result<(), RulesError> {
        let mut affix = None;
        for field in fields(item)? {
            let (key, value) =
                pair(&field).ok_or_else(|| RulesError::new(item, format!("`{field}` has no `=`")))?;
            match key.as_str() {
                "latest" => self.latest = choose(item, &key, &value, &LATEST)?,
                "prefix" => {
                    self.prefix = value;
                    affix = Some(Affix::Prefix);
                }
                "suffix" => {
                    self.suffix = value;
                    affix = Some(Affix::Suffix);
                }
                "onlatest" => {
                    let on = choose(item, &key, &value, &SWITCH)?;
                    match affix {
                        Some(Affix::Prefix) => self.prefix_on_latest = on,
                        Some(Affix::Suffix) => self.suffix_on_latest = on,
                        None => {}
                    }
                }
                _ => {
                    let known = "`latest`, `prefix`, `suffix`, `onlatest`";
                    return Err(RulesError::new(
                        item,
                        format!("unknown attribute `{key}`; there are {known}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn choose<T: Copy>(item: &str, key: &str, value: &str, choices: &[(&str, T)]) -> Result<T, RulesError> {
    one_of(choices, value).ok_or_else(|| {
        RulesError::new(item, format!("`{key}` is `{value}`; it must be one of {}", spellings(choices)))
    })
}
