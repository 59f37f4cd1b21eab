//! The status stream of a build as news: the builder sends what changed, again and again, and out of order where
//! several things go on.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1 as proto;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, VertexLog, VertexStatus};

/// How many of a step's last lines are remembered, for when it fails.
const REMEMBERED: usize = 40;

/// Which step of a build, in the order in which they were first heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vertex(pub usize);

/// News of a build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// A step begins, or is found in the cache.
    Started {
        /// Which.
        vertex: Vertex,
        /// Such as `[builder 2/5] RUN make`.
        title: String,
    },
    /// A line of the step's output, without its end.
    Output {
        /// Which.
        vertex: Vertex,
        /// Standard error, not standard output.
        error: bool,
        /// The line.
        line: String,
    },
    /// The step moves bytes: a context, a layer.
    Transfer {
        /// Which.
        vertex: Vertex,
        /// What is moved, such as `transferring context:`, or a digest.
        what: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all; 0 where nobody knows.
        total: u64,
        /// That was all.
        ended: bool,
    },
    /// The step is done.
    Finished {
        /// Which.
        vertex: Vertex,
        /// It was in the cache.
        cached: bool,
        /// How long it took.
        took: Duration,
    },
    /// The step failed, or was stopped because another one did.
    Failed {
        /// Which.
        vertex: Vertex,
        /// How long it took.
        took: Duration,
        /// Why.
        why: String,
    },
    /// Something a person should put right.
    Warned(Warning),
}

/// A warning about the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is wrong, in a sentence.
    pub text: String,
    /// More about it.
    pub detail: Vec<String>,
    /// Where to read about it; may be empty.
    pub url: String,
    /// The file that it is about; may be empty.
    pub file: String,
    /// First and last line of the place, from 1.
    pub lines: Option<(u32, u32)>,
    /// The text of the first of these lines.
    pub source: Option<String>,
}

/// What is known of a build so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steps: HashMap<String, Step>,
    order: usize,
}

#[derive(Debug)]
struct Step {
    vertex: Vertex,
    title: String,
    state: State,
    /// Output without its line's end, by stream.
    partial: HashMap<i64, Vec<u8>>,
    last_lines: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended,
}

impl Progress {
    /// Takes a message of the stream.
    pub(super) fn take(&mut self, status: StatusResponse, news: &dyn Fn(News)) {
        for vertex in status.vertexes {
            self.vertex(vertex, news);
        }
        for status in status.statuses {
            self.status(&status, news);
        }
        for log in status.logs {
            self.log(&log, news);
        }
        for warning in status.warnings {
            news(News::Warned(read_warning(warning)));
        }
    }

    /// The title and the last lines of the step `digest`.
    pub(super) fn of(&self, digest: &str) -> Option<(&str, Vec<String>)> {
        let step = self.steps.get(digest)?;
        Some((&step.title, step.last_lines.iter().cloned().collect()))
    }

    fn vertex(&mut self, said: proto::Vertex, news: &dyn Fn(News)) {
        let order = &mut self.order;
        let step = self.steps.entry(said.digest.clone()).or_insert_with(|| {
            *order += 1;
            Step {
                vertex: Vertex(*order - 1),
                title: said.name.clone(),
                state: State::Waiting,
                partial: HashMap::new(),
                last_lines: VecDeque::new(),
            }
        });
        let started = said.started.is_some() || said.cached;
        if step.state == State::Waiting && started {
            step.state = State::Running;
            news(News::Started { vertex: step.vertex, title: step.title.clone() });
        }
        // A step may be said to be done, and begin again: it was a part of several, or a lost result is made anew.
        if step.state == State::Ended && started && said.completed.is_none() {
            step.state = State::Running;
            news(News::Started { vertex: step.vertex, title: step.title.clone() });
        }
        if step.state == State::Running && said.completed.is_some() {
            step.state = State::Ended;
            step.flush(news);
            let took = between(said.started.as_ref(), said.completed.as_ref());
            news(match said.error.is_empty() {
                true => News::Finished { vertex: step.vertex, cached: said.cached, took },
                false => News::Failed { vertex: step.vertex, took, why: said.error },
            });
        }
    }

    fn status(&mut self, said: &VertexStatus, news: &dyn Fn(News)) {
        let Some(step) = self.steps.get(&said.vertex) else { return };
        let bytes = |count: i64| u64::try_from(count).unwrap_or_default();
        if step.state == State::Running && (said.current > 0 || said.total > 0) {
            let what = if said.name.is_empty() { &said.id } else { &said.name };
            news(News::Transfer {
                vertex: step.vertex,
                what: what.clone(),
                done: bytes(said.current),
                total: bytes(said.total),
                ended: said.completed.is_some(),
            });
        }
    }

    fn log(&mut self, said: &VertexLog, news: &dyn Fn(News)) {
        let Some(step) = self.steps.get_mut(&said.vertex) else { return };
        let mut rest = said.msg.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let mut line = step.partial.remove(&said.stream).unwrap_or_default();
            line.extend_from_slice(&rest[..end]);
            step.line(said.stream, &line, news);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            step.partial.entry(said.stream).or_default().extend_from_slice(rest);
        }
    }
}

impl Step {
    fn line(&mut self, stream: i64, line: &[u8], news: &dyn Fn(News)) {
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        if self.last_lines.len() == REMEMBERED {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.clone());
        news(News::Output { vertex: self.vertex, error: stream == 2, line });
    }

    /// What a step wrote last may lack the end of its line.
    fn flush(&mut self, news: &dyn Fn(News)) {
        let mut partial: Vec<_> = self.partial.drain().collect();
        partial.sort_unstable_by_key(|(stream, _)| *stream);
        for (stream, line) in partial {
            self.line(stream, &line, news);
        }
    }
}

fn read_warning(said: proto::VertexWarning) -> Warning {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let info = said.info.unwrap_or_default();
    let lines = super::failure::lines(&said.ranges);
    Warning {
        text: text(&said.short),
        detail: said.detail.iter().map(|line| text(line)).collect(),
        url: said.url,
        source: lines.and_then(|(first, _)| super::failure::line_of(&info.data, first)),
        file: info.filename,
        lines,
    }
}

fn between(start: Option<&Timestamp>, end: Option<&Timestamp>) -> Duration {
    let nanos = |at: &Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    let (Some(start), Some(end)) = (start, end) else { return Duration::ZERO };
    Duration::from_nanos(u64::try_from(nanos(end) - nanos(start)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn vertex(started: bool, completed: bool, cached: bool, error: &str) -> proto::Vertex {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        proto::Vertex {
            digest: "sha256:1".into(),
            name: "[1/2] FROM x".into(),
            cached,
            started: if started { at(1) } else { None },
            completed: if completed { at(3) } else { None },
            error: error.into(),
            ..proto::Vertex::default()
        }
    }

    fn log(msg: &str) -> VertexLog {
        VertexLog { vertex: "sha256:1".into(), stream: 1, msg: msg.into(), ..VertexLog::default() }
    }

    fn told(responses: Vec<StatusResponse>) -> Vec<News> {
        let (mut progress, heard) = (Progress::default(), RefCell::new(Vec::new()));
        responses
            .into_iter()
            .for_each(|response| progress.take(response, &|news| heard.borrow_mut().push(news)));
        heard.into_inner()
    }

    #[test]
    fn a_step_is_told_once_however_often_it_is_said() {
        let vertexes = [
            vertex(false, false, false, ""),
            vertex(true, false, false, ""),
            vertex(true, false, false, ""),
            vertex(true, true, false, ""),
            vertex(true, true, false, ""),
        ];
        let responses =
            vertexes.map(|vertex| StatusResponse { vertexes: vec![vertex], ..Default::default() });
        let step = Vertex(0);
        assert_eq!(
            told(responses.into()),
            [
                News::Started { vertex: step, title: "[1/2] FROM x".into() },
                News::Finished { vertex: step, cached: false, took: Duration::from_secs(2) },
            ]
        );
    }

    #[test]
    fn output_comes_line_by_line() {
        let response = |vertexes, logs| StatusResponse { vertexes, logs, ..Default::default() };
        let news = told(vec![
            response(vec![vertex(true, false, false, "")], vec![log("one\ntw")]),
            response(vec![], vec![log("o\r\nthree")]),
            response(vec![vertex(true, true, false, "exit code: 1")], vec![]),
        ]);
        let lines: Vec<&str> = news
            .iter()
            .filter_map(|news| match news {
                News::Output { line, .. } => Some(line.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(lines, ["one", "two", "three"]);
        assert!(matches!(news.last(), Some(News::Failed { why, .. }) if why == "exit code: 1"));
    }

    #[test]
    fn warnings_know_their_line() {
        use bollard_buildkit_proto::pb::{Position, Range, SourceInfo};
        let warning = proto::VertexWarning {
            short: b"MaintainerDeprecated".into(),
            info: Some(SourceInfo {
                filename: "Dockerfile".into(),
                data: b"FROM x\nMAINTAINER me\n".into(),
                ..SourceInfo::default()
            }),
            ranges: vec![Range {
                start: Some(Position { line: 2, character: 0 }),
                end: Some(Position { line: 2, character: 0 }),
            }],
            ..proto::VertexWarning::default()
        };
        let news = told(vec![StatusResponse { warnings: vec![warning], ..Default::default() }]);
        let [News::Warned(warning)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(warning.lines, Some((2, 2)));
        assert_eq!(warning.source.as_deref(), Some("MAINTAINER me"));
    }
}
