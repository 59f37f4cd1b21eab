//! What a ship did, as a person wants to see it and as `--json` prints it.

use serde::Serialize;
use wharf_ledger::Gate;

use crate::output::{size, table};

/// What a ship did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The image's name without a registry.
    pub(crate) image: String,
    /// Its version.
    pub(crate) version: String,
    /// The digest that was tested, scanned and published.
    pub(crate) digest: String,
    /// The digest of the image's config, which docker calls the image ID.
    pub(crate) image_id: String,
    /// What travels when the image is moved, in bytes.
    pub(crate) size: u64,
    /// The layers, lowest first.
    pub(crate) layers: Vec<Layer>,
    /// Each phase with its time.
    pub(crate) phases: Vec<Phase>,
    /// What was checked, and what came of it.
    pub(crate) gates: Vec<Gate>,
    /// Where it went.
    pub(crate) pushed: Vec<Pushed>,
    /// Where it was to go and did not get to, and why.
    pub(crate) failed: Vec<Failed>,
    /// Where it was not to go, and why.
    pub(crate) not_pushed: Vec<String>,
    /// The commit it was built from.
    pub(crate) commit: Option<String>,
    /// The digest of the model inside.
    pub(crate) model: Option<String>,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer {
    /// Its blob.
    pub(crate) digest: String,
    /// The size of its blob in bytes.
    pub(crate) size: u64,
    /// The instruction that made it.
    pub(crate) created_by: String,
}

/// One phase.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Phase {
    /// `build`, `smoke`, …
    pub(crate) name: &'static str,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What came of it, in a few words.
    pub(crate) result: String,
}

/// One target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    /// The repository.
    pub(crate) repository: String,
    /// The tags that name the digest there.
    pub(crate) tags: Vec<String>,
    /// Tags that stay where they were, and why.
    pub(crate) kept: Vec<String>,
    /// Tags that only moved because somebody insisted.
    pub(crate) overridden: Vec<String>,
    /// Bytes that travelled.
    pub(crate) bytes_sent: u64,
    /// The ledger entry there, such as `ship@3`.
    pub(crate) entry: String,
}

/// A target that the image did not get to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failed {
    /// The repository.
    pub(crate) repository: String,
    /// What happened, with its causes.
    pub(crate) error: String,
}

/// The width of an instruction in the layer table.
const CREATED_BY: usize = 64;

impl Report {
    /// Every full name that was published.
    pub(crate) fn names(&self) -> Vec<String> {
        let names =
            |to: &Pushed| to.tags.iter().map(|tag| format!("{}:{tag}", to.repository)).collect::<Vec<_>>();
        self.pushed.iter().flat_map(names).collect()
    }

    /// The report for a terminal.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let section = |text: &mut String, part: String| text.push_str(&format!("\n{part}"));
        section(&mut text, self.summary());
        section(&mut text, self.layer_table());
        section(&mut text, self.phase_table());
        section(&mut text, self.gate_table());
        section(&mut text, self.whereabouts());
        text
    }

    fn summary(&self) -> String {
        let mut lines = vec![
            format!("{} {}", self.image, self.version),
            format!("  digest  {}", self.digest),
            format!("  id      {}", self.image_id),
            format!("  size    {} in {} layers", size::bytes(self.size), self.layers.len()),
        ];
        lines.extend(self.commit.iter().map(|commit| format!("  commit  {commit}")));
        lines.extend(self.model.iter().map(|model| format!("  model   {model}")));
        lines.join("\n") + "\n"
    }

    fn layer_table(&self) -> String {
        let row = |layer: &Layer| {
            [
                layer.digest.chars().take(19).collect(),
                size::bytes(layer.size),
                crate::commands::history::cut(&layer.created_by, CREATED_BY),
            ]
        };
        let rows: Vec<[String; 3]> = self.layers.iter().map(row).collect();
        table::render(["LAYER", "SIZE", "CREATED BY"], &rows)
    }

    fn phase_table(&self) -> String {
        let time = |seconds: f64| size::duration(std::time::Duration::from_secs_f64(seconds));
        let row = |phase: &Phase| [phase.name.to_owned(), time(phase.seconds), phase.result.clone()];
        let mut rows: Vec<[String; 3]> = self.phases.iter().map(row).collect();
        rows.push(["total".into(), time(self.phases.iter().map(|phase| phase.seconds).sum()), String::new()]);
        table::render(["PHASE", "TIME", "RESULT"], &rows)
    }

    fn gate_table(&self) -> String {
        let row = |gate: &Gate| {
            [gate.name.clone(), format!("{:?}", gate.verdict).to_lowercase(), gate.detail.clone()]
        };
        let rows: Vec<[String; 3]> = self.gates.iter().map(row).collect();
        table::render(["GATE", "VERDICT", "WHY"], &rows)
    }

    fn whereabouts(&self) -> String {
        let mut text = String::new();
        for to in &self.pushed {
            let sent = size::bytes(to.bytes_sent);
            text.push_str(&format!("pushed to {} ({sent} sent, recorded as {})\n", to.repository, to.entry));
            to.tags.iter().for_each(|tag| text.push_str(&format!("  {}:{tag}\n", to.repository)));
            to.kept.iter().for_each(|why| text.push_str(&format!("  not moved: {why}\n")));
            to.overridden.iter().for_each(|why| text.push_str(&format!("  overridden: {why}\n")));
        }
        for to in &self.failed {
            text.push_str(&format!("FAILED: {}: {}\n", to.repository, to.error));
        }
        self.not_pushed.iter().for_each(|why| text.push_str(&format!("not pushed to {why}\n")));
        self.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
        if let Some(to) = self.pushed.first() {
            let name = format!("{}@{}", to.repository, self.digest);
            text.push_str(&format!(
                "\npull it   wharf pull {name}\nrun it    wharf run -p 8000:8000 {name}\n"
            ));
            text.push_str(
                &format!("by docker  docker run -p 8000:8000 {name}\n").replace("by docker ", "docker   "),
            );
        }
        text
    }
}
