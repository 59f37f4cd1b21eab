//! One file: what kind it is, and where its references are.

use std::path::Path;

use crate::edit::Rewritten;
use crate::image::Target;
use crate::{dockerfile, marked, yaml};

/// A file that cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// It is no YAML.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A reference is written in a way that cannot be replaced in place.
    #[error("line {line}: the image `{text}` is written with escapes or over several lines")]
    Unwritable {
        /// Where, from 1.
        line: usize,
        /// The reference.
        text: String,
    },
    /// A marked line has no image on it.
    #[error("line {line} is marked for {env}, and has no reference to the image on it")]
    Mark {
        /// Where, from 1.
        line: usize,
        /// The environment.
        env: String,
    },
}

/// The text of the file at `path` with every reference to the target's image renewed.
///
/// YAML and JSON are read as documents, Dockerfiles by instruction; in any other file, and in YAML with template
/// directives, lines count that are marked `# wharf: env=NAME`.
///
/// # Errors
///
/// When the file does not parse, or a reference cannot be replaced in place.
pub fn rewrite(path: &Path, text: &str, target: &Target) -> Result<Rewritten, RewriteError> {
    let mut edits = marked::edits(text, target)?;
    match kind(path) {
        Kind::Yaml => match yaml::edits(text, target, false) {
            Ok(found) => edits.extend(found),
            // A Helm template is no YAML before it is rendered; its marked lines say where the image is.
            Err(RewriteError::Syntax { .. }) if !marked::lines(text).is_empty() => {}
            Err(error) => return Err(error),
        },
        Kind::Json => edits.extend(yaml::edits(text, target, true)?),
        Kind::Dockerfile => edits.extend(dockerfile::edits(text, target)),
        Kind::Other => {}
    }
    marked::without_others(text, target, &mut edits);
    Ok(Rewritten::of(text, edits))
}

enum Kind {
    Yaml,
    Json,
    Dockerfile,
    Other,
}

fn kind(path: &Path) -> Kind {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "yaml" | "yml" => Kind::Yaml,
        "json" => Kind::Json,
        "dockerfile" | "containerfile" => Kind::Dockerfile,
        _ if name.starts_with("dockerfile") || name.starts_with("containerfile") => Kind::Dockerfile,
        _ => Kind::Other,
    }
}
