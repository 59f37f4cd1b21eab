//! Texts to items, items to fields.

use super::RulesError;
use super::csv::{self, Dialect};
use crate::javascript::trim;

/// The items of a list input: one a line, commas stay.
pub(crate) fn items(text: &str) -> Result<Vec<String>, RulesError> {
    let records = csv::parse(text, Dialect::Relaxed).map_err(|error| RulesError::new(text, error))?;
    let items = records.into_iter().map(|record| record.join(",")).filter(|item| !item.is_empty());
    Ok(items.map(|item| trim(&item).to_owned()).collect())
}

/// The comma-separated fields of an item.
pub(super) fn fields(item: &str) -> Result<Vec<String>, RulesError> {
    let records = csv::parse(item, Dialect::Strict).map_err(|error| RulesError::new(item, error))?;
    records.into_iter().next().ok_or_else(|| RulesError::new(item, "nothing but blanks"))
}

/// `key=value`, cut at every `=` with what follows the second one dropped; none without `=`.
pub(super) fn pair(field: &str) -> Option<(String, String)> {
    let mut parts = field.split('=').map(trim);
    let key = parts.next()?;
    Some((key.to_lowercase(), parts.next()?.to_owned()))
}

/// `key=value`, cut at the first `=`; none without `=` or with nothing before it.
pub(super) fn first_pair(field: &str) -> Option<(String, String)> {
    let (key, value) = field.split_once('=').filter(|(key, _)| !key.is_empty())?;
    Some((trim(key).to_lowercase(), trim(value).to_owned()))
}
