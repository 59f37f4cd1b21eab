//! What the libraries that models are made with have by the thousand, from their own lists: functions of numbers, which models
//! name as activations, metrics and distances, and classes that hold state.
//!
//! A class here is harmless when a pickle restores it. Its constructor may do more, so what it is made of is looked at.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

type Table = HashMap<&'static str, HashSet<&'static str>>;

/// `functions.txt` and `restored.txt`: lines of a module and names in it.
fn table(text: &'static str) -> Table {
    let mut table = Table::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        if let Some(module) = words.next() {
            table.entry(module).or_default().extend(words);
        }
    }
    table
}

static FUNCTIONS: LazyLock<Table> = LazyLock::new(|| table(include_str!("functions.txt")));
static RESTORED: LazyLock<Table> = LazyLock::new(|| table(include_str!("restored.txt")));

/// Under this module, functions whose module pickle finds by looking through all of them, so that it may be any that imports them.
const ANYWHERE: &str = "*";

/// Whether a name in a library of models is a function of numbers.
pub(super) fn is_of_numbers(module: &str, name: &str) -> bool {
    let listed = |module: &str| FUNCTIONS.get(module).is_some_and(|names| names.contains(name));
    listed(ANYWHERE) || listed(module)
}

/// Whether a library has a class of this name in this module.
pub(super) fn is_restored_class(module: &str, name: &str) -> bool {
    RESTORED.get(module).is_some_and(|names| names.contains(name)) || is_of_transformers(module, name)
}

/// The models of transformers are in modules that say what they hold: `transformers.models.bert.modeling_bert`. There are too many to
/// list, and new ones every week.
fn is_of_transformers(module: &str, name: &str) -> bool {
    const KINDS: [&str; 7] = [
        "modeling_",
        "modular_",
        "configuration_",
        "tokenization_",
        "image_processing_",
        "feature_extraction_",
        "processing_",
    ];
    let file = module
        .strip_prefix("transformers.models.")
        .and_then(|rest| rest.rsplit_once('.'))
        .map(|(_, file)| file);
    file.is_some_and(|file| KINDS.iter().any(|kind| file.starts_with(kind)))
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
