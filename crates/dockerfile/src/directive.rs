//! Parser directives: the comments at the top of the file that say how to read it.

/// What the parser directives said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend image. Accepted and not used.
    pub syntax: Option<String>,
    /// `# escape=`: backslash or backtick.
    pub escape: char,
    /// `# check=`: what the checks are told.
    pub check: CheckDirective,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: CheckDirective::default() }
    }
}

/// `# check=skip=A,B;error=true;experimental=C`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckDirective {
    /// Names of the checks to leave out.
    pub skip: Vec<String>,
    /// `skip=all`.
    pub skip_all: bool,
    /// A finding fails the build.
    pub error: bool,
    /// Names of the experimental checks to run.
    pub experimental: Vec<String>,
    /// `experimental=all`.
    pub experimental_all: bool,
}
