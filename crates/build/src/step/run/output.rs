//! What a step prints: passed on line by line, with secrets covered, and its end kept for the error.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Mutex, PoisonError};

use wharf_sandbox::Process;

use crate::error::StepError;
use crate::event::{Event, Events, StepNumber};

/// So many lines are kept.
const TAIL: usize = 100;
/// A line is cut into pieces of this size, in bytes.
const LINE_MAX: u64 = 16 << 10;
/// Shorter secrets are not covered: they would cover half of any text.
const SECRET_MIN: usize = 4;
const COVER: &str = "***";

/// The output of one step.
pub(super) struct Output<'a> {
    events: Events<'a>,
    step: StepNumber,
    secrets: Vec<String>,
    tail: Mutex<VecDeque<String>>,
}

impl<'a> Output<'a> {
    /// `secrets` are not shown, nor is any line of them.
    pub(super) fn new(events: Events<'a>, step: StepNumber, secrets: &[Vec<u8>]) -> Self {
        let lines = secrets.iter().flat_map(|secret| secret.split(|byte| *byte == b'\n'));
        let lines = lines.filter_map(|line| std::str::from_utf8(line).ok()).map(str::trim);
        let mut secrets: Vec<String> =
            lines.filter(|line| line.len() >= SECRET_MIN).map(str::to_owned).collect();
        // Where one contains another, the longer goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { events, step, secrets, tail: Mutex::default() }
    }

    /// Passes on what `process` prints while `wait` waits for its end.
    pub(super) fn read_while<T>(
        &mut self,
        process: &mut Process,
        wait: impl FnOnce(&Process) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let (stdout, stderr) = (process.take_stdout(), process.take_stderr());
        let this = &*self;
        std::thread::scope(|scope| {
            scope.spawn(|| stdout.map(|stream| this.read(stream, false)));
            scope.spawn(|| stderr.map(|stream| this.read(stream, true)));
            wait(process)
        })
    }

    /// The last lines, oldest first.
    pub(super) fn into_tail(self) -> Vec<String> {
        self.tail.into_inner().unwrap_or_else(PoisonError::into_inner).into()
    }

    fn read(&self, stream: impl Read, error: bool) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        // A stream that cannot be read has ended.
        while reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            self.line(&line, error);
            line.clear();
        }
    }

    fn line(&self, line: &[u8], error: bool) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        // What a progress bar wrote last is what would be seen.
        let text = text.rsplit('\r').next().unwrap_or_default();
        let line = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, COVER));
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.clone());
        drop(tail);
        (self.events)(Event::Output { step: self.step, error, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_secrets_covered() {
        let seen = Mutex::new(Vec::new());
        let events = |event| {
            if let Event::Output { line, .. } = event {
                seen.lock().unwrap().push(line);
            }
        };
        let secret = b"first-secret\nab\nsecond-secret\n".to_vec();
        let output = Output::new(&events, StepNumber(0), &[secret]);
        output.read(&b"10%\r50%\rdone\na first-secret and second-secret\nab\nend"[..], false);
        assert_eq!(*seen.lock().unwrap(), ["done", "a *** and ***", "ab", "end"]);
        assert_eq!(output.into_tail().len(), 4);
    }
}
