//! Reports as text: a table for people, JSON for programs, SARIF for code scanning, Markdown for summaries.

mod groups;
mod json;
mod markdown;
mod sarif;
mod table;

pub use json::json;
pub use markdown::markdown;
pub use sarif::sarif;
pub use table::table;
