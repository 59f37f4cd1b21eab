//! A directory tree: walked first, then looked at by several threads, which spend their time waiting for files.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::examine::Examiner;
use crate::findings::{Finding, Report};
use crate::image::{DockerfileSource, LayerReport};
use crate::scan::finish;
use crate::{Database, Error, Options, practice};

/// More threads than this only get in one another's way.
const MAX_THREADS: usize = 8;
/// So many files are taken at a time.
const PORTION: usize = 64;

/// A regular file below the directory.
struct Place {
    /// Relative to the directory.
    path: String,
    size: u64,
    file: PathBuf,
}

/// Looks at a directory tree, without following links. A tree without packages is judged by its files alone.
///
/// # Errors
/// If it cannot be read.
pub fn directory(path: &Path, options: &Options, database: &Database) -> Result<Report, Error> {
    let places = walk(path)?;
    let mut report = finish(path, &[look(&places, options)?], options, database);
    if options.checks.config {
        for place in places.iter().filter(|place| is_dockerfile(Path::new(&place.path))) {
            report.findings.extend(dockerfile(&place.file, &place.path)?);
        }
    }
    report.sort();
    Ok(report)
}

/// The regular files of a tree, sorted.
fn walk(path: &Path) -> Result<Vec<Place>, Error> {
    let mut places = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        let failed = |source| Error::Path { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let file = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                open.push(file);
            } else if kind.is_file() {
                let size = entry.metadata().map_err(failed)?.len();
                let path = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
                places.push(Place { path, size, file });
            }
        }
    }
    places.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(places)
}

/// What the files hold, in their order however many threads look.
fn look(places: &[Place], options: &Options) -> Result<LayerReport, Error> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let work = || {
        loop {
            let first = next.fetch_add(PORTION, Ordering::Relaxed);
            let Some(rest) = places.get(first..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
            let mut examiner = Examiner::new(options.checks, &options.secrets);
            for place in &rest[..PORTION.min(rest.len())] {
                let looked = examiner.file(&place.path, place.size, &place.file);
                looked.map_err(|source| Error::Path { path: place.file.clone(), source })?;
            }
            // A panic elsewhere leaves the reports whole.
            let mut reports = reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            reports.push((first, examiner.finish()));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    })
    .into_iter()
    .collect::<Result<(), Error>>()?;
    let mut reports = reports.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    reports.sort_by_key(|(first, _)| *first);
    let mut whole = Examiner::new(options.checks, &options.secrets).finish();
    for (_, report) in reports {
        whole.append(report);
    }
    Ok(whole)
}

/// What is remarkable about a Dockerfile on disk.
pub(crate) fn dockerfile(file: &Path, name: &str) -> Result<Vec<Finding>, Error> {
    let text = fs::read(file).map_err(|source| Error::Path { path: file.to_owned(), source })?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let context = practice::BuildContext::read(directory, file);
    let source = DockerfileSource { path: name, text: &text, context: Some(&context) };
    Ok(practice::dockerfile(source, false))
}

/// Whether a file is a Dockerfile by its name; those of installed packages are nobody's here.
pub(crate) fn is_dockerfile(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let foreign = path.components().any(|part| {
        ["node_modules", "site-packages", "dist-packages", ".git"]
            .iter()
            .any(|name| part.as_os_str() == *name)
    });
    let named = matches!(name.as_str(), "dockerfile" | "containerfile")
        || name.starts_with("dockerfile.") && !name.ends_with(".dockerignore")
        || name.ends_with(".dockerfile");
    named && !foreign
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checks;

    #[test]
    fn more_files_than_a_portion_are_all_looked_at_in_order() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..3 * PORTION {
            let place = root.path().join(format!("p{number:04}.dist-info"));
            fs::create_dir(&place).unwrap();
            fs::write(place.join("METADATA"), format!("Name: p{number:04}\nVersion: 1\n")).unwrap();
        }
        let checks = Checks { packages: true, ..Checks::NONE };
        let options = Options { checks, ..Options::default() };
        let report = look(&walk(root.path()).unwrap(), &options).unwrap();
        let names: Vec<_> = report.package_files.iter().map(|file| file.packages[0].name.clone()).collect();
        assert_eq!(names, (0..3 * PORTION).map(|number| format!("p{number:04}")).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let gone = Place { path: "m.pkl".into(), size: 9, file: root.path().join("m.pkl") };
        let error = look(&[gone], &Options::default()).unwrap_err();
        assert!(error.to_string().contains("m.pkl"), "{error}");
        assert!(walk(&root.path().join("absent")).is_err());
    }
}
