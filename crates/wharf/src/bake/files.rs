//! Which files there are, and reading each by its kind.

use std::path::Path;

use super::{BakeError, Definition, compose, hcl};

/// Docker's own order: each that exists is read, the later over the earlier.
const NAMES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// The files of a directory that bake reads by itself.
pub(crate) fn found(directory: &Path) -> Vec<String> {
    NAMES.iter().filter(|name| directory.join(name).is_file()).map(|name| (*name).to_owned()).collect()
}

/// Reads texts under the names of their files; `variable` is the environment.
pub(crate) fn read(
    files: &[(String, String)],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Definition, BakeError> {
    let mut definition = Definition::default();
    let mut bodies = Vec::new();
    for (name, text) in files {
        let file = |why: String| BakeError::File { file: name.clone(), why };
        let plain = name.to_ascii_lowercase();
        if plain.ends_with(".yml") || plain.ends_with(".yaml") {
            compose::add(text, variable, &mut definition).map_err(file)?;
        } else if plain.ends_with(".json") || (!plain.ends_with(".hcl") && text.trim_start().starts_with('{'))
        {
            bodies.push((name.clone(), hcl::parse_json(text).map_err(file)?));
        } else {
            bodies.push((name.clone(), hcl::parse(text).map_err(file)?));
        }
    }
    hcl::add(&bodies, variable, &mut definition)?;
    Ok(definition)
}
