//! Which builders there are and what they are.

use futures_util::future::join_all;
use serde_json::{Value, json};
use wharf_buildkit::address::{Address, ENGINE_SOCKET};
use wharf_buildkit::upkeep::{self, GcRule, Worker};

use super::{Which, print, reached, refused};
use crate::builders::{self, Candidate, buildx};
use crate::cli::Globals;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{size, table};

/// What one place said.
struct Said {
    place: Candidate,
    answer: Result<(Vec<Worker>, Option<String>), Failure>,
}

pub(super) async fn list(which: &Which, globals: &Globals) -> Outcome {
    let fleet = which.named()?;
    let members = fleet.iter().flat_map(|fleet| fleet.members());
    let mut named: Vec<Address> = members.map(|member| member.address.clone()).collect();
    if which.builder.is_none() {
        named.extend(conventional());
    }
    let mut unknown = Vec::new();
    let mut places = Vec::new();
    for address in named {
        match builders::candidates(&address, "").await {
            Ok(found) => places.extend(found),
            Err(failure) => unknown.push((address, failure)),
        }
    }
    let said = join_all(places.into_iter().map(ask)).await;
    let unknown = unknown.iter().map(|(address, failure)| row(address, Err(failure)));
    let rows: Vec<Value> =
        said.iter().map(|it| row(&it.place.address, it.answer.as_ref())).chain(unknown).collect();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let cells = |row: &Value| {
        let platforms: Vec<String> = row["platforms"].as_array().into_iter().flatten().map(text).collect();
        let state =
            row["error"].as_str().map_or_else(|| "running".to_owned(), |error| format!("error: {error}"));
        [text(&row["address"]), text(&row["version"]), platforms.join(","), state]
    };
    let table = || {
        table::render(
            ["BUILDER", "BUILDKIT", "PLATFORMS", "STATUS"],
            &rows.iter().map(cells).collect::<Vec<_>>(),
        )
    };
    print(&Value::from(rows.clone()), table, globals)?;
    Ok(Exit::Done)
}

pub(super) async fn inspect(which: &Which, globals: &Globals) -> Outcome {
    let mut documents = Vec::new();
    let mut texts = Vec::new();
    for place in which.places().await? {
        let Said { place, answer } = ask(place).await;
        let (workers, version) = answer?;
        documents.push(json!({
            "address": place.address.to_string(), "version": version, "workers": workers,
        }));
        texts.push(described(&place.address, version.as_deref(), &workers));
    }
    print(&Value::from(documents), || texts.join("\n"), globals)?;
    Ok(Exit::Done)
}

/// What docker buildx knows, and the engine of this machine where there is one.
fn conventional() -> Vec<Address> {
    let fleets = buildx::all().into_iter().filter_map(|name| buildx::fleet(Some(&name)).ok());
    let mut all: Vec<Address> =
        fleets.flat_map(|fleet| fleet.members().to_vec()).map(|member| member.address).collect();
    if std::path::Path::new(ENGINE_SOCKET).exists() {
        all.push(Address::Engine(ENGINE_SOCKET.into()));
    }
    all
}

async fn ask(place: Candidate) -> Said {
    let answer = async {
        let channel = reached(&place).await?;
        let doing = "asking what works on";
        let workers = upkeep::workers(&channel).await.map_err(|status| refused(doing, &place, &status))?;
        let version = upkeep::version(&channel).await.map_err(|status| refused(doing, &place, &status))?;
        let version = version.or_else(|| workers.iter().find_map(|worker| worker.version.clone()));
        Ok((workers, version))
    };
    let answer = answer.await;
    Said { place, answer }
}

fn row(address: &Address, answer: Result<&(Vec<Worker>, Option<String>), &Failure>) -> Value {
    match answer {
        Ok((workers, version)) => {
            let mut platforms: Vec<&String> = workers.iter().flat_map(|worker| &worker.platforms).collect();
            platforms.dedup();
            json!({ "address": address.to_string(), "version": version, "platforms": platforms })
        }
        Err(failure) => {
            json!({ "address": address.to_string(), "error": failure.error.root_cause().to_string() })
        }
    }
}

fn described(address: &Address, version: Option<&str>, workers: &[Worker]) -> String {
    let mut text = format!("Builder:    {address}\nBuildKit:   {}\n", version.unwrap_or("older than v0.11"));
    for worker in workers {
        text.push_str(&format!("Worker:     {}\nPlatforms:  {}\n", worker.id, worker.platforms.join(", ")));
        for (name, value) in &worker.labels {
            text.push_str(&format!("Label:      {name}={value}\n"));
        }
        for rule in &worker.gc {
            text.push_str(&format!("GC:         {}\n", rule_text(rule)));
        }
    }
    text
}

fn rule_text(rule: &GcRule) -> String {
    let bytes =
        |what: &str, count: i64| (count > 0).then(|| format!("{what} {}", size::bytes(count.unsigned_abs())));
    let parts = [
        (!rule.filters.is_empty()).then(|| format!("of {}", rule.filters.join(" "))),
        rule.all.then(|| "all kinds".to_owned()),
        (rule.keep_seconds > 0).then(|| format!("unused for {} h", rule.keep_seconds / 3600)),
        bytes("down to", rule.reserved_bytes),
        bytes("at most", rule.max_bytes),
        bytes("free at least", rule.min_free_bytes),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
