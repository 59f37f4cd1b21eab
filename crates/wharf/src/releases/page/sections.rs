//! The parts of the page, from top to bottom.

use wharf_ledger::{Latest, Standing, Verdict};
use wharf_oci::digest;

use super::charts::{layers, sign, sizes, timeline, vulnerabilities};
use super::markup::{STYLE, escape, link, minute, shorten};
use super::overview::Environment;
use super::{Known, Shown};
use crate::output::size;

/// How many entries stand under an environment.
const RECENT: usize = 8;

/// The whole page.
pub(super) fn page(shown: &[Shown], now: &str) -> String {
    let title = shown.iter().map(|shown| shown.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <title>Releases of {}</title><style>{STYLE}</style></head>\n<body><main>\n",
        escape(&title)
    );
    for shown in shown {
        html.push_str(&repository(shown, now));
    }
    html.push_str("<footer>Made by wharf from the ledger in the registry. ▲ promoted, ▼ rolled back, ‖ held, ▶ released, ✓ verified, ○ began.</footer>\n</main></body></html>\n");
    html
}

fn repository(shown: &Shown, now: &str) -> String {
    let mut html =
        format!("<h1>{}</h1><p class=\"sub\">as of {} UTC</p>\n", escape(&shown.name), escape(&minute(now)));
    html.push_str("<h2>Environments</h2>\n<section class=\"envs\">\n");
    if shown.environments.is_empty() {
        html.push_str("<p>Nothing was promoted yet.</p>");
    }
    for (environment, entries) in &shown.environments {
        html.push_str(&column(environment, entries));
    }
    html.push_str("</section>\n");
    section(&mut html, "Timeline", timeline(&shown.environments));
    section(&mut html, "Size and vulnerabilities", sizes(&shown.releases));
    for (environment, _) in &shown.environments {
        let current =
            shown.releases.iter().find(|known| Some(&known.release.digest) == environment.digest.as_ref());
        if let Some(known) = current.filter(|known| !known.layers.is_empty()) {
            let title = format!("Layers of {}, in {}", known.release.version, environment.env);
            section(&mut html, &title, layers(&known.layers));
        }
    }
    section(&mut html, "Releases and their evidence", table(&shown.releases));
    html
}

fn section(html: &mut String, title: &str, body: String) {
    if !body.is_empty() {
        html.push_str(&format!("<h2>{}</h2>\n<div class=\"scroll\">{body}</div>\n", escape(title)));
    }
}

fn column(environment: &Environment, entries: &[Latest]) -> String {
    let version = environment.version.as_deref().unwrap_or("nothing");
    let mut html = format!(
        "<article class=\"env\"><header><b>{}</b><span class=\"version\">{}</span>{}</header>\n<dl>",
        escape(&environment.env),
        escape(version),
        badges(environment)
    );
    let mut row = |name: &str, value: String| html.push_str(&format!("<dt>{name}</dt><dd>{value}</dd>"));
    if let Some(digest) = &environment.digest {
        row("digest", format!("<code title=\"{digest}\">{}</code>", digest::short(digest, 16)));
    }
    if let Some(commit) = &environment.commit {
        row("commit", format!("<code>{}</code>", escape(&shorten(commit, 12))));
    }
    if let Some(model) = &environment.model {
        let path = escape(environment.model_path.as_deref().unwrap_or("model"));
        row("model", format!("{path} <code>{}</code>", digest::short(model, 12)));
    }
    if let (Some(since), Some(by)) = (&environment.since, &environment.by) {
        row("since", format!("{} by {}", escape(&minute(since)), escape(by)));
    }
    if let Some(target) = &environment.rollback_target {
        let verified = if target.verified { "verified" } else { "never verified" };
        row("rollback", format!("to {}, {verified}", escape(&target.version)));
    }
    row("ledger", format!("entry {}, tier {}", environment.entry.seq, escape(&environment.tier)));
    html.push_str("</dl>");
    let mut notice = |class: &str, word: &str, text: &str| {
        html.push_str(&format!(
            "<p class=\"notice\"><span class=\"{class}\"><b>{word}</b></span> {}</p>",
            escape(text)
        ));
    };
    if let Some(hold) = &environment.hold {
        notice("warn", "Held", &format!("by {}: {}", hold.by, hold.reason));
    }
    for entry in &environment.quarantine {
        notice("bad", "Quarantined", &format!("{}: {}", entry.version, entry.reason));
    }
    for drift in &environment.drift {
        notice("warn", "Drift", drift);
    }
    for fork in &environment.forks {
        notice("bad", "Fork", fork);
    }
    html.push_str("<ol class=\"log\">");
    for entry in entries.iter().take(RECENT) {
        html.push_str(&line(entry));
    }
    html + "</ol></article>\n"
}

fn badges(environment: &Environment) -> String {
    match (environment.version.is_some(), environment.verified) {
        (false, _) => String::new(),
        (true, true) => "<span class=\"tag good\">✓ verified</span>".into(),
        (true, false) => "<span class=\"tag warn\">? not verified</span>".into(),
    }
}

fn line(entry: &Latest) -> String {
    let record = &entry.record;
    let version = record.release.as_ref().map(|release| format!(" {}", release.version)).unwrap_or_default();
    let reason = record
        .reason
        .as_deref()
        .map(|reason| format!(": {}", escape(&shorten(reason, 90))))
        .unwrap_or_default();
    let who = match &record.actor.run {
        Some(run) => link(run, &record.actor.name),
        None => escape(&record.actor.name),
    };
    format!(
        "<li data-sign=\"{}\" title=\"entry {} {}\"><b>{}</b>{}{reason}<small>{} by {who}</small></li>",
        sign(record.kind),
        record.seq,
        entry.digest,
        record.kind,
        escape(&version),
        escape(&minute(&record.time)),
    )
}

fn table(releases: &[Known]) -> String {
    if releases.is_empty() {
        return String::new();
    }
    let mut html = "<table><thead><tr><th>Version</th><th>First seen</th><th>Digest</th><th>Commit</th><th>Size</th><th>Vulnerabilities</th><th>Evidence</th></tr></thead><tbody>".to_owned();
    for known in releases.iter().rev() {
        let release = &known.release;
        html.push_str(&format!(
            "<tr><td><b>{}</b></td><td>{}</td><td><code title=\"{}\">{}</code></td><td><code>{}</code></td><td class=\"num\">{}</td><td>{}</td><td>{}</td></tr>",
            escape(&release.version),
            escape(&minute(&known.time)),
            release.digest,
            digest::short(&release.digest, 12),
            escape(&known.commit.as_deref().map(|commit| shorten(commit, 12)).unwrap_or_else(|| "–".into())),
            known.size.map_or_else(|| "gone".into(), size::bytes),
            escape(&vulnerabilities(known)),
            evidence(known),
        ));
    }
    html + "</tbody></table>"
}

/// One click: what was checked, and what speaks for it.
fn evidence(known: &Known) -> String {
    let green = known.gates.iter().filter(|gate| gate.verdict == Verdict::Passed).count();
    let passed = known.evidence.iter().filter(|item| item.verdict == Standing::Passed).count() + green;
    let mut html =
        format!("<details><summary>{passed} of {}</summary><ul>", known.evidence.len() + known.gates.len());
    for gate in &known.gates {
        let verdict = format!("{:?}", gate.verdict).to_lowercase();
        html.push_str(&format!("<li>{} {verdict}: {}</li>", escape(&gate.name), escape(&gate.detail)));
    }
    for item in &known.evidence {
        let verdict = format!("{:?}", item.verdict).to_lowercase();
        let digest = item.digest.as_ref().map(|digest| format!(" <code>{digest}</code>")).unwrap_or_default();
        html.push_str(&format!(
            "<li>{} {verdict}: {}{digest}</li>",
            escape(&item.kind),
            escape(&item.detail)
        ));
    }
    if let Some(model) = &known.model {
        html.push_str(&format!("<li>model {}</li>", escape(model)));
    }
    html + "</ul></details>"
}
