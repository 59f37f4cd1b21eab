//! `docker images`.

use serde_json::{Value, json};
use wharf_oci::{Platform, digest};

use crate::cli::Globals;
use crate::docker::filter::Filters;
use crate::docker::format::List;
use crate::docker::human;
use crate::exit::{Exit, Failure, Outcome};
use crate::world::World;
use crate::{local, output};

/// What `images` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only images of this repository, or under this name
    name: Option<String>,
    /// Nothing more: there are no images in between
    #[arg(short, long)]
    all: bool,
    /// Only print IDs
    #[arg(short, long)]
    quiet: bool,
    /// Print digests, too
    #[arg(long)]
    digests: bool,
    /// Print IDs in full
    #[arg(long)]
    no_trunc: bool,
    /// Only those that `reference=…`, `dangling=…`, `label=…`, `before=…` or `since=…` describe
    #[arg(short, long, value_name = "NAME=VALUE")]
    filter: Vec<String>,
    /// `json`, or a Go template, with `table` before it for headings
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

const LIST: List = List {
    cells: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: "{{.ID}}",
    headings: &[("ID", "IMAGE ID"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT")],
};

struct Row {
    repository: String,
    tag: String,
    digest: String,
    image: local::Image,
}

/// Lists them, newest first.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    let world = World::open(globals)?;
    let filters =
        Filters::parse(&args.filter, &["reference", "dangling", "label", "label!", "before", "since"])?;
    let mut rows = rows(&world)?;
    rows.sort_by(|a, b| b.image.config.created.cmp(&a.image.config.created));
    let bound = |name| -> Result<Option<String>, Failure> {
        let Some(text) = filters.values(name).next() else { return Ok(None) };
        let named = local::find(&world.store, text)?;
        Ok(local::open(&world.store, &named.descriptor, &Platform::host())?.config.created)
    };
    let (before, since) = (bound("before")?, bound("since")?);
    rows.retain(|row| {
        let named = format!("{}:{}", row.repository, row.tag);
        let created = &row.image.config.created;
        args.name.as_ref().is_none_or(|name| is_called(row, name))
            && filters
                .any("reference", |pattern| wildcard(pattern, &named) || wildcard(pattern, &row.repository))
            && filters.any("dangling", |value| (row.tag == "<none>") == (value == "true" || value == "1"))
            && filters.labels(&row.image.config.config.labels)
            && before.as_ref().is_none_or(|time| created.as_ref() < Some(time))
            && since.as_ref().is_none_or(|time| created.as_ref() > Some(time))
    });
    let mut values: Vec<Value> = rows.iter().map(|row| value(row, args.no_trunc)).collect();
    if args.quiet {
        // One image under two names is one ID.
        let mut seen = std::collections::HashSet::new();
        values.retain(|value| seen.insert(value["ID"].to_string()));
    }
    let cells = match args.digests {
        true => "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
        false => LIST.cells,
    };
    output::print(&List { cells, ..LIST }.render(&values, args.format.as_deref(), args.quiet)?)?;
    Ok(Exit::Done)
}

fn rows(world: &World) -> Result<Vec<Row>, Failure> {
    let open =
        |descriptor: &wharf_oci::Descriptor| local::open(&world.store, descriptor, &Platform::host()).ok();
    let mut rows = Vec::new();
    for named in local::list(&world.store)? {
        if let Some(image) = open(&named.descriptor) {
            rows.push(Row {
                repository: named.reference.familiar_name(),
                tag: named.reference.tag().unwrap_or("<none>").to_owned(),
                digest: named.descriptor.digest.to_string(),
                image,
            });
        }
    }
    for descriptor in local::nameless(&world.store)? {
        // One that was named meanwhile is listed by its name.
        let digest = descriptor.digest.to_string();
        if let (false, Some(image)) = (rows.iter().any(|row| row.digest == digest), open(&descriptor)) {
            rows.push(Row { repository: "<none>".into(), tag: "<none>".into(), digest, image });
        }
    }
    Ok(rows)
}

fn is_called(row: &Row, name: &str) -> bool {
    let Ok(reference) = name.parse::<wharf_oci::Reference>() else { return false };
    reference.familiar_name() == row.repository && reference.tag().is_none_or(|tag| tag == row.tag)
}

fn value(row: &Row, in_full: bool) -> Value {
    let id = &row.image.manifest.config.digest;
    let created = row.image.config.created.as_deref().unwrap_or_default();
    json!({
        "Containers": "N/A",
        "CreatedAt": human::clock(created),
        "CreatedSince": human::ago(created),
        "Digest": row.digest,
        "ID": if in_full { id.to_string() } else { digest::short(id, 12).to_owned() },
        "Repository": row.repository,
        "SharedSize": "N/A",
        "Size": output::size::bytes(row.image.size()),
        "Tag": row.tag,
        "UniqueSize": "N/A",
        "VirtualSize": output::size::bytes(row.image.size()),
    })
}

/// Whether `pattern` with `*` and `?` describes all of `text`; neither crosses a `/`.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which prefixes of the text the pattern so far describes.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for symbol in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            match symbol {
                '*' => {
                    next[at] = reached[at] || (at > 0 && next[at - 1] && text[at - 1] != '/');
                }
                '?' if at > 0 => next[at] = reached[at - 1] && text[at - 1] != '/',
                plain if at > 0 => next[at] = reached[at - 1] && text[at - 1] == plain,
                _ => {}
            }
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn patterns_are_docker_s() {
        assert!(
            wildcard("model*", "model:1.2") && wildcard("*/model:*", "org/model:1") && wildcard("m?d", "mod")
        );
        assert!(!wildcard("*model", "org/model") && !wildcard("model", "model:1") && !wildcard("m?", "m"));
    }
}
