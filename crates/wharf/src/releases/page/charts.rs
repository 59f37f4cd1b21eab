//! Drawings: releases over time, sizes and vulnerabilities, the layers of an image. Plain SVG; shapes and words say
//! what colours say too.

use wharf_ledger::{Kind, Latest};

use super::markup::{escape, minute, shorten};
use super::overview::Environment;
use super::treemap::{Area, divide};
use super::{Known, Layer};
use crate::output::size;

const WIDTH: f64 = 1120.0;

/// The sign of an entry: a letter, so that it reads without colour.
pub(super) fn sign(kind: Kind) -> &'static str {
    match kind {
        Kind::Promote => "▲",
        Kind::Rollback => "▼",
        Kind::Hold => "‖",
        Kind::Unhold => "▶",
        Kind::Observe => "✓",
        Kind::Genesis => "○",
        Kind::Ship | Kind::Checkpoint => "•",
    }
}

/// A row for each environment, a mark for each entry that changed what runs, oldest on the left.
pub(super) fn timeline(environments: &[(Environment, Vec<Latest>)]) -> String {
    let moves = |entries: &[Latest]| -> Vec<Latest> {
        let is_move = |entry: &&Latest| matches!(entry.record.kind, Kind::Promote | Kind::Rollback);
        entries.iter().filter(is_move).cloned().collect()
    };
    let mut times: Vec<(String, u64)> = environments
        .iter()
        .flat_map(|(_, entries)| moves(entries))
        .map(|entry| (entry.record.time.clone(), entry.record.seq))
        .collect();
    times.sort();
    times.dedup();
    if times.is_empty() {
        return String::new();
    }
    let (left, row) = (110.0, 64.0);
    let step = (WIDTH - left - 70.0) / (times.len().max(2) - 1) as f64;
    let height = environments.len() as f64 * row + 16.0;
    let mut svg = open(height, "Releases over time: one row for each environment, oldest on the left");
    for (n, (environment, entries)) in environments.iter().enumerate() {
        let y = n as f64 * row + 40.0;
        svg.push_str(&format!(
            "<text x=\"0\" y=\"{}\" font-weight=\"650\">{}</text>",
            y + 4.0,
            escape(&environment.env)
        ));
        svg.push_str(&format!(
            "<line class=\"axis\" x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>",
            WIDTH - 40.0
        ));
        for entry in moves(entries) {
            let record = &entry.record;
            let place = times.iter().position(|time| *time == (record.time.clone(), record.seq)).unwrap_or(0);
            let x = left + 20.0 + place as f64 * step;
            let version = record.release.as_ref().map(|release| release.version.as_str()).unwrap_or_default();
            let words = format!(
                "{} {version}, {} by {}{}",
                record.kind,
                minute(&record.time),
                record.actor.name,
                record.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default()
            );
            let (name, letter) = (escape(&shorten(version, 12)), sign(record.kind));
            svg.push_str(&format!(
                "<g><title>{}</title><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y}\" r=\"10\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\">{letter}</text>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text></g>",
                escape(&words),
                y + 4.0,
                y - 17.0
            ));
        }
    }
    svg + "</svg>"
}

/// A bar for the size of each release, and its vulnerabilities in words above it.
pub(super) fn sizes(releases: &[Known]) -> String {
    let known: Vec<&Known> = releases.iter().filter(|known| known.size.is_some()).collect();
    let largest = known.iter().filter_map(|known| known.size).max().unwrap_or(0);
    if largest == 0 {
        return String::new();
    }
    let (bottom, tallest) = (190.0, 120.0);
    let step = WIDTH / known.len() as f64;
    let width = (step * 0.5).min(70.0);
    let mut svg = open(bottom + 44.0, "Size and vulnerabilities of each release, oldest on the left");
    svg.push_str(&format!("<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{bottom}\" y2=\"{bottom}\"/>"));
    for (n, known) in known.iter().enumerate() {
        let bytes = known.size.unwrap_or(0);
        let height = (bytes as f64 / largest as f64 * tallest).max(2.0);
        let middle = (n as f64 + 0.5) * step;
        let text = |y: f64, class: &str, text: &str| {
            format!(
                "<text class=\"{class}\" x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                escape(text)
            )
        };
        svg.push_str(&format!(
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>",
            middle - width / 2.0,
            bottom - height
        ));
        svg.push_str(&text(bottom - height - 8.0, "", &size::bytes(bytes)));
        svg.push_str(&text(bottom - height - 26.0, "soft", &vulnerabilities(known)));
        svg.push_str(&text(bottom + 18.0, "", &shorten(&known.release.version, 14)));
        svg.push_str(&text(bottom + 35.0, "soft", known.time.get(..10).unwrap_or_default()));
    }
    svg + "</svg>"
}

/// `2 critical, 1 high`, or that nobody looked.
pub(super) fn vulnerabilities(known: &Known) -> String {
    let Some(counts) = &known.vulnerabilities else { return "not scanned".into() };
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    if some.is_empty() { "no CVEs".into() } else { some.join(", ") }
}

/// The layers of an image by size.
pub(super) fn layers(layers: &[Layer]) -> String {
    let mut sorted: Vec<&Layer> = layers.iter().filter(|layer| layer.size > 0).collect();
    sorted.sort_by_key(|layer| std::cmp::Reverse(layer.size));
    let sizes: Vec<u64> = sorted.iter().map(|layer| layer.size).collect();
    let height = 190.0;
    let cells = divide(&sizes, Area { x: 1.0, y: 1.0, width: WIDTH - 2.0, height: height - 2.0 });
    let mut svg = open(height, "Layers by size");
    for (cell, layer) in cells.iter().zip(&sorted) {
        let Area { x, y, width, height } = *cell;
        let bytes = size::bytes(layer.size);
        svg.push_str(&format!(
            "<g><title>{} ({bytes})</title><rect class=\"cell\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
            escape(&layer.created_by)
        ));
        let room = (width / 7.0) as usize;
        if room > 8 && height > 20.0 {
            svg.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"600\">{bytes}</text>",
                x + 8.0,
                y + 18.0
            ));
        }
        if room > 10 && height > 40.0 {
            let words = escape(&shorten(&layer.created_by, room.saturating_sub(3)));
            svg.push_str(&format!(
                "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{words}</text>",
                x + 8.0,
                y + 35.0
            ));
        }
        svg.push_str("</g>");
    }
    svg + "</svg>"
}

fn open(height: f64, title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        escape(title)
    )
}
