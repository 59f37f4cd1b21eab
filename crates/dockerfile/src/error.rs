//! Why a text is no Dockerfile.

/// A Dockerfile that cannot be read, and where.
///
/// Its Display is BuildKit's sentence; line, column and the line itself are for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dockerfile parse error on line {line}: {message}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The line as it stands in the file, without its end.
    pub line_text: String,
    /// What is wrong, in BuildKit's words, with the suggestion if there is one.
    pub message: String,
    /// The nearest name that would be valid.
    pub suggestion: Option<String>,
}
