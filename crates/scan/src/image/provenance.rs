//! Which instruction of the Dockerfile made a layer.
//!
//! Every instruction but `FROM` and `ONBUILD` leaves one line of history, so the ends of both lists belong
//! together. What is left over at the beginning of the history is the base image's, whose line is `FROM`.

use wharf_dockerfile::{Dockerfile, InstructionKind, Stage};
use wharf_oci::ImageConfig;

use super::DockerfileSource;
use crate::findings::Location;

/// For each line of history, its place in the Dockerfile, and for each layer, the line that made it.
#[derive(Debug, Default)]
pub(crate) struct Provenance {
    history: Vec<Origin>,
    /// Places in the history, lowest layer first.
    layers: Vec<usize>,
}

/// Where a line of history comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The text of the history.
    pub(crate) created_by: String,
    /// The place in the Dockerfile.
    pub(crate) location: Option<Location>,
    /// It belongs to the image that the Dockerfile builds on.
    pub(crate) base: bool,
}

impl Provenance {
    /// Works out where the layers of an image come from. Without a Dockerfile, or with one that did not make
    /// this image, there are no locations.
    pub(crate) fn new(config: &ImageConfig, source: Option<DockerfileSource<'_>>) -> Self {
        let parsed = source.and_then(|s| Some((s.path, wharf_dockerfile::parse(s.text).ok()?)));
        let mut origins: Vec<Origin> = config
            .history
            .iter()
            .map(|line| Origin {
                created_by: line.created_by.clone().unwrap_or_default(),
                ..Origin::default()
            })
            .collect();
        if let Some((path, dockerfile)) = &parsed {
            locate(&mut origins, path, dockerfile);
        }
        let layers = config.history.iter().enumerate().filter(|(_, line)| !line.empty_layer);
        Self { layers: layers.map(|(at, _)| at).collect(), history: origins }
    }

    /// Whether the Dockerfile is known to be the one that made this image.
    pub(crate) fn has_locations(&self) -> bool {
        self.history.iter().any(|origin| origin.location.is_some())
    }

    /// Where a layer comes from.
    pub(crate) fn of(&self, layer: usize) -> Option<&Origin> {
        self.line(*self.layers.get(layer)?)
    }

    /// Where a line of history comes from.
    pub(crate) fn line(&self, at: usize) -> Option<&Origin> {
        self.history.get(at)
    }

    /// The last instruction of this name that says `what`: the one that an image's settings come from.
    pub(crate) fn setting(&self, instruction: &str, what: &str) -> Option<&Location> {
        let said = |location: &&Location| {
            let (name, rest) = location.instruction.split_once(' ').unwrap_or((&location.instruction, ""));
            name.eq_ignore_ascii_case(instruction) && rest.contains(what)
        };
        self.history
            .iter()
            .rev()
            .filter(|origin| !origin.base)
            .filter_map(|origin| origin.location.as_ref())
            .find(said)
    }
}

/// One instruction that leaves a line of history.
struct Line {
    name: &'static str,
    line: u32,
    text: String,
}

fn locate(origins: &mut [Origin], path: &str, dockerfile: &Dockerfile) {
    let Some(last) = dockerfile.stages.len().checked_sub(1) else { return };
    let of_last = lines(dockerfile, last);
    // A Dockerfile of which only the end fits is another one, or a later edit of this one; or another stage was the target.
    let (lines, from) = if is_all(origins, &of_last.0, |origin, line| is_by(&origin.created_by, line.name)) {
        of_last
    } else {
        let others = (0..last).rev().map(|stage| lines(dockerfile, stage));
        let fitting = others.filter(|(lines, _)| !lines.is_empty() && is_all(origins, lines, is_surely_by));
        match fitting.max_by_key(|(lines, _)| lines.len()) {
            Some(stage) => stage,
            None => return,
        }
    };
    let base = origins.len() - lines.len();
    for (origin, line) in origins[base..].iter_mut().zip(lines) {
        origin.location = Some(Location::new(path, line.line, &line.text));
    }
    let from = from.map(|(line, text)| Location::new(path, line, &text));
    for origin in &mut origins[..base] {
        origin.location.clone_from(&from);
        origin.base = true;
    }
}

/// Whether the history ends with what all of these lines leave.
fn is_all(origins: &[Origin], lines: &[Line], is_by: impl Fn(&Origin, &Line) -> bool) -> bool {
    lines.len() <= origins.len()
        && origins.iter().rev().zip(lines.iter().rev()).all(|(origin, line)| is_by(origin, line))
}

/// Whether a line of history was left by this instruction, and not just by one of its kind: a command is in it as it was written.
fn is_surely_by(origin: &Origin, line: &Line) -> bool {
    let plain =
        |text: &str| text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ");
    let command = line.text.get(line.name.len()..).map(plain).unwrap_or_default();
    let is_plain = line.name == "RUN" && !command.starts_with(['-', '[', '<']);
    is_by(&origin.created_by, line.name) && (!is_plain || plain(&origin.created_by).contains(&command))
}

/// The instructions of a stage and of the stages it builds on, and the `FROM` at the bottom of them.
fn lines(dockerfile: &Dockerfile, stage: usize) -> (Vec<Line>, Option<(u32, String)>) {
    let mut chain: Vec<&Stage> = Vec::new();
    let mut next = Some(stage);
    while let Some(index) = next {
        let stage = &dockerfile.stages[index];
        chain.push(stage);
        let base = stage.base.to_lowercase();
        next = dockerfile.stages[..index].iter().rposition(|s| s.name.as_deref() == Some(base.as_str()));
    }
    let from = chain.last().map(|stage| (stage.span.line, stage.text.clone()));
    let lines = chain
        .iter()
        .rev()
        .flat_map(|stage| &stage.instructions)
        .filter(|instruction| !matches!(instruction.kind, InstructionKind::Onbuild(_)))
        .map(|instruction| Line {
            name: instruction.kind.name(),
            line: instruction.span.line,
            text: instruction.text.clone(),
        })
        .collect();
    (lines, from)
}

/// Whether a line of history was left by such an instruction: BuildKit writes the instruction, the old
/// builder a shell command with a remark.
fn is_by(created_by: &str, name: &str) -> bool {
    let text = created_by.trim_start();
    match text.strip_prefix("/bin/sh -c #(nop) ") {
        Some(rest) => rest.trim_start().starts_with(name),
        None if name == "RUN" => {
            text.starts_with("RUN") || text.starts_with("/bin/sh -c") || text.starts_with('|')
        }
        None => text.starts_with(name),
    }
}

#[cfg(test)]
mod tests {
    use wharf_oci::History;

    use super::*;

    const DOCKERFILE: &str = "FROM debian:12 AS base\nRUN apt-get update\nFROM scratch AS other\nRUN false\n\
        FROM base\nENV A=1\nCOPY src/ /app/\nRUN pip install \\\n  numpy\nCMD [\"true\"]\n";

    fn config(history: &[(&str, bool)]) -> ImageConfig {
        let line = |&(text, empty): &(&str, bool)| History {
            created_by: Some(text.into()),
            empty_layer: empty,
            ..History::default()
        };
        ImageConfig { history: history.iter().map(line).collect(), ..ImageConfig::default() }
    }

    const HISTORY: [(&str, bool); 6] = [
        ("# debian.sh", false),
        ("RUN /bin/sh -c apt-get update # buildkit", false),
        ("ENV A=1", true),
        ("COPY src/ /app/ # buildkit", false),
        ("RUN /bin/sh -c pip install   numpy # buildkit", false),
        ("CMD [\"true\"]", true),
    ];

    fn places(history: &[(&str, bool)]) -> Vec<Option<(u32, bool)>> {
        let source = DockerfileSource { path: "Dockerfile", text: DOCKERFILE.as_bytes(), context: None };
        let provenance = Provenance::new(&config(history), Some(source));
        let layers = (0..provenance.layers.len()).filter_map(|layer| provenance.of(layer));
        layers.map(|o| o.location.as_ref().map(|l| (l.line, o.base))).collect()
    }

    #[test]
    fn layers_find_their_instruction_through_the_stages() {
        assert_eq!(places(&HISTORY), [Some((1, true)), Some((2, false)), Some((7, false)), Some((8, false))]);
    }

    #[test]
    fn a_stage_that_was_the_target_is_found() {
        let base = &HISTORY[..2];
        assert_eq!(places(base), [Some((1, true)), Some((2, false))]);
        let other = [("# debian.sh", false), ("RUN /bin/sh -c apt-get install x # buildkit", false)];
        assert_eq!(places(&other), [None, None]);
    }

    #[test]
    fn another_images_history_has_no_place() {
        assert_eq!(places(&[("RUN x", false), ("CMD y", true)]), [None]);
    }
}
