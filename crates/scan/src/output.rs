//! Reports as text: a table for people, JSON for programs, SARIF for code scanning, Markdown for summaries, and what other
//! systems read. SBOMs are the same reports without the findings.

mod cyclonedx;
mod github;
mod gitlab;
mod groups;
mod html;
mod identity;
mod json;
mod junit;
mod markdown;
mod markup;
mod sarif;
mod spdx;
mod table;

pub use cyclonedx::cyclonedx;
pub use github::{Job, github};
pub use gitlab::gitlab;
pub use html::html;
pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use sarif::sarif;
pub use spdx::spdx;
pub use table::table;
