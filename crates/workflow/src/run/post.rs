//! What steps leave to be done at the job's end, in reverse order, also after a failure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Kind;
use super::exec::Fail;
use super::leg::{Frame, Leg};
use super::process::{Ended, Process};
use super::report::{RunResult, StepReport};
use super::setup::News;
use crate::engine::Invocation;
use crate::template::{Template, holds};

/// How long what comes after a stop may take.
const GRACE: Duration = Duration::from_secs(300);

/// Something to do at the end.
pub(crate) struct Post {
    /// The step that left it.
    pub(crate) name: String,
    /// When; none is always.
    pub(crate) condition: Option<Template>,
    /// What.
    pub(crate) work: PostWork,
}

/// What there is to do.
pub(crate) enum PostWork {
    /// A script for node.
    Node {
        folder: PathBuf,
        script: String,
        inputs: BTreeMap<String, String>,
        state: BTreeMap<String, String>,
        env: BTreeMap<String, String>,
    },
    /// wharf itself; that it fails is a warning.
    Wharf(Invocation, BTreeMap<String, String>),
    /// Files that hold credentials are removed.
    Remove(Vec<PathBuf>),
    /// A cache is kept, if the job went well.
    SaveCache { key: String, paths: String },
}

impl Leg<'_> {
    pub(crate) fn run_posts(&mut self, frame: &mut Frame) {
        while let Some(post) = self.posts.pop() {
            self.refresh(frame);
            let always = post.condition.is_none();
            if self.stop.at_once() && !matches!(post.work, PostWork::Remove(_)) {
                continue;
            }
            if !always && !holds(post.condition.as_ref(), &self.names).unwrap_or(false) {
                continue;
            }
            let began = Instant::now();
            let name = format!("Post {}", post.name);
            self.sink.tell(News::StepStarted(&self.name, &name));
            let native = !matches!(post.work, PostWork::Node { .. });
            // What cleans up runs also after a stop.
            let stop = std::mem::take(&mut self.stop);
            let result = self.post(&name, post.work, frame.failed, Instant::now() + GRACE);
            self.stop = stop;
            let failed = result.is_err();
            frame.failed |= failed;
            let report = StepReport {
                name,
                id: None,
                depth: 0,
                line: 0,
                uses: None,
                kind: if native { Kind::Native } else { Kind::Executed },
                outcome: if failed { RunResult::Failure } else { RunResult::Success },
                conclusion: if failed { RunResult::Failure } else { RunResult::Success },
                seconds: began.elapsed().as_secs_f64(),
                outputs: BTreeMap::new(),
                message: match result {
                    Err(Fail::Because(why) | Fail::Refused(why) | Fail::Skipped(why)) => {
                        Some(self.masker.mask(&why))
                    }
                    _ => None,
                },
            };
            self.sink.tell(News::StepEnded(&self.name, &report));
            self.reports.push(report);
        }
    }

    fn post(&mut self, name: &str, work: PostWork, failed: bool, deadline: Instant) -> Result<(), Fail> {
        match work {
            PostWork::Node { folder, script, inputs, state, env } => {
                self.node(name, &folder, &script, &inputs, &env, &state, Some(deadline)).map(|_| ())
            }
            PostWork::Wharf(invocation, env) => {
                let process = Process {
                    program: invocation.program,
                    args: invocation.args,
                    env: self.environment(&env),
                    directory: self.workspace.clone(),
                    stdin: invocation.stdin,
                };
                let mut lines = Vec::new();
                let ended = process.run(Some(deadline), &self.stop, &mut |line| lines.push(line));
                if ended != Ok(Ended::Code(0)) {
                    self.annotate(name, "warning", &lines.join("; "));
                }
                Ok(())
            }
            PostWork::Remove(files) => {
                for file in files {
                    let _ = std::fs::remove_file(file);
                }
                Ok(())
            }
            PostWork::SaveCache { key, paths } => {
                if failed {
                    self.say("the cache is not kept, as the job failed");
                    return Ok(());
                }
                if let Err(why) = crate::actions::save_cache(self, &key, &paths) {
                    self.annotate(name, "warning", &why);
                }
                Ok(())
            }
        }
    }
}
