//! Here-documents: `<<NAME` on a `RUN`, `COPY` or `ADD` line, and the lines that follow it.

/// A here-document with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without its quotes; for `COPY` and `ADD`, the file's name.
    pub name: String,
    /// The number before `<<`; 0 where there is none.
    pub descriptor: u32,
    /// The delimiter was not quoted, so variables in the content are replaced (`COPY` and `ADD`).
    pub expand: bool,
    /// `<<-`: leading tabs are dropped.
    pub chomp: bool,
    /// The lines as they stand, with their ends.
    pub content: String,
}

impl Heredoc {
    /// The content as it is used: without leading tabs where the operator was `<<-`.
    pub fn body(&self) -> String {
        self.content.clone()
    }
}
