//! `COPY` and `ADD`: flags, sources, here-documents as files, destination.

use std::collections::HashMap;

use crate::error::Problem;
use crate::flags::{Flags, Takes};
use crate::{Add, Copy, Heredoc, InlineFile, Sources};

use super::node::Node;

const COPY_FLAGS: [(&str, Takes); 6] = [
    ("chown", Takes::Value),
    ("from", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Switch),
    ("parents", Takes::Switch),
    ("exclude", Takes::Values),
];

const ADD_FLAGS: [(&str, Takes); 7] = [
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Switch),
    ("exclude", Takes::Values),
    ("keep-git-dir", Takes::Switch),
    ("checksum", Takes::Value),
    ("unpack", Takes::Switch),
];

pub(crate) fn parse_copy(node: &Node) -> Result<Copy, Problem> {
    require_destination(node, "COPY")?;
    let flags = Flags::check(&node.flags, &COPY_FLAGS)?;
    Ok(Copy {
        sources: sources(node, "COPY")?,
        from: flags.value("from"),
        chown: flags.value("chown"),
        chmod: flags.value("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        exclude: flags.values("exclude"),
    })
}

pub(crate) fn parse_add(node: &Node) -> Result<Add, Problem> {
    require_destination(node, "ADD")?;
    let flags = Flags::check(&node.flags, &ADD_FLAGS)?;
    Ok(Add {
        sources: sources(node, "ADD")?,
        chown: flags.value("chown"),
        chmod: flags.value("chmod"),
        link: flags.switch("link").unwrap_or(false),
        exclude: flags.values("exclude"),
        checksum: flags.value("checksum"),
        keep_git_dir: flags.switch("keep-git-dir"),
        unpack: flags.switch("unpack"),
    })
}

fn require_destination(node: &Node, instruction: &str) -> Result<(), Problem> {
    if node.arguments.words().len() >= 2 {
        return Ok(());
    }
    let message =
        "requires at least two arguments, but only one was provided. Destination could not be determined";
    Err(Problem::new(format!("{instruction} {message}")))
}

/// The last word is the destination; a source that is a here-document's name is a file with its content.
fn sources(node: &Node, instruction: &str) -> Result<Sources, Problem> {
    let mut sources = Sources::default();
    let Some((destination, words)) = node.arguments.words().split_last() else { return Ok(sources) };
    if matches!(Heredoc::parse(destination), Ok(Some(_))) {
        let message = format!("{instruction} cannot accept a heredoc as a destination");
        return Err(Problem::new(message).at(destination));
    }
    sources.destination = destination.clone();
    // Of two here-documents with one name, the content of the last counts.
    let contents: HashMap<&str, &str> =
        node.heredocs.iter().map(|heredoc| (heredoc.name.as_str(), heredoc.content.as_str())).collect();
    for word in words {
        let Ok(Some(named)) = Heredoc::parse(word) else {
            sources.paths.push(word.clone());
            continue;
        };
        let content = contents.get(named.name.as_str()).copied().unwrap_or_default().to_string();
        let named = Heredoc { content, ..named };
        sources.inline.push(InlineFile { data: named.body(), path: named.name, expand: named.expand });
    }
    Ok(sources)
}
