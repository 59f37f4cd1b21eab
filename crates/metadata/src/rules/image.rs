//! Image rules: `org/app`, or `name=org/app,enable=true`.

use super::list::{fields, pair};
use super::{RulesError, one_of};
use crate::javascript::trim;

/// An image to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageRule {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) enable: bool,
}

/// Reads image rules. A single item without any `=` is a list of names.
pub(crate) fn parse_images(items: &[String]) -> Result<Vec<ImageRule>, RulesError> {
    if let [only] = items {
        let names = fields(only)?;
        if names.iter().all(|name| !name.contains('=')) {
            let image = |name: &String| ImageRule { name: trim(name).to_lowercase(), enable: true };
            return Ok(names.iter().map(image).collect());
        }
    }
    items.iter().map(|item| parse_image(item)).collect()
}

fn parse_image(item: &str) -> Result<ImageRule, RulesError> {
    let mut image = ImageRule { name: String::new(), enable: true };
    for field in fields(item)? {
        match pair(&field) {
            None => image.name = trim(&field).to_lowercase(),
            Some((key, value)) if key == "name" => image.name = value.to_lowercase(),
            Some((key, value)) if key == "enable" => {
                let enable = one_of(&[("true", true), ("false", false)], &value);
                let problem = || format!("`enable` is `{value}`; it must be `true` or `false`");
                image.enable = enable.ok_or_else(|| RulesError::new(item, problem()))?;
            }
            Some((key, _)) => {
                return Err(RulesError::new(
                    item,
                    format!("unknown attribute `{key}`; there are `name` and `enable`"),
                ));
            }
        }
    }
    if image.name.is_empty() {
        return Err(RulesError::new(item, "no image name"));
    }
    Ok(image)
}
