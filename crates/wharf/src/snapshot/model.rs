//! The project's model, as far as it says something of itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use wharf_metadata::{Artifact, Model};

use crate::building::file_digest;
use crate::exit::{Failure, OrFail};
use crate::settings::project::Project;

/// Notes beside a model are small.
const NOTE_MAX: u64 = 1 << 20;

/// The model that `[model]` names; none where nothing is named, or where it is not there yet.
pub(crate) fn of_project(directory: &Path, project: &Project) -> Result<Option<Model>, Failure> {
    let Some(model) = &project.model else { return Ok(None) };
    let path = directory.join(&model.artifact);
    if !path.exists() {
        return Ok(None);
    }
    let what = || format!("reading the model {}", path.display());
    let hint = "`artifact` in [model] of wharf.toml says where it is";
    let read = read(directory, &model.artifact).with_context(what).or_usage();
    read.map(Some).map_err(|failure| failure.hint(hint))
}

fn read(directory: &Path, artifact: &Path) -> io::Result<Model> {
    let path = directory.join(artifact);
    let digest = file_digest(&path)?;
    let mut head = Vec::new();
    File::open(&path)?.take(Artifact::HEAD as u64).read_to_end(&mut head)?;
    Ok(Model::read(&Artifact {
        path: &artifact.display().to_string(),
        sha256: digest.digest(),
        head: &head,
        notes: &notes(directory, &path)?,
    }))
}

/// What stands beside the model, or one directory up (`model/data/weights.pt` under `model/MLmodel`), inside the
/// project.
fn notes(project: &Path, model: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut notes = Vec::new();
    for name in Artifact::NOTES {
        let places = model.ancestors().skip(1).take(2).filter(|place| place.starts_with(project));
        let found: Option<PathBuf> = places.map(|place| place.join(name)).find(|path| path.is_file());
        if let Some(path) = found {
            let mut content = Vec::new();
            File::open(path)?.take(NOTE_MAX).read_to_end(&mut content)?;
            notes.push((name.to_owned(), content));
        }
    }
    Ok(notes)
}
