//! The output of a process: passed on line by line, with the last lines kept for whoever asks what went wrong.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use wharf_sandbox::Process;

/// A line longer than this is passed on in pieces, so that output without line ends cannot fill memory.
const LINE_MAX: u64 = 64 << 10;

/// How many of the last lines are kept.
const KEPT: usize = 40;

/// The last lines of a process's output, both streams together as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Threads that read the output of `process` until it ends; each line goes to `each` and into the tail.
pub(crate) fn follow(
    process: &mut Process,
    each: impl Fn(&str) + Send + Sync + 'static,
) -> (Tail, Vec<JoinHandle<()>>) {
    let tail = Tail::default();
    let each = Arc::new(each);
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        process.take_stdout().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        process.take_stderr().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    let readers = streams
        .into_iter()
        .flatten()
        .map(|stream| {
            let (tail, each) = (tail.clone(), each.clone());
            std::thread::spawn(move || {
                read_lines(stream, |line| {
                    each(&line);
                    tail.push(line);
                });
            })
        })
        .collect();
    (tail, readers)
}

fn read_lines(stream: impl Read, mut each: impl FnMut(String)) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        match (&mut stream).take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_endless_ones_in_pieces() {
        let text = format!("one\r\ntwo\n{}", "x".repeat(LINE_MAX as usize + 5));
        let mut lines = Vec::new();
        read_lines(text.as_bytes(), |line| lines.push(line.len()));
        assert_eq!(lines, [3, 3, LINE_MAX as usize, 5]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let tail = Tail::default();
        (0..100).for_each(|n| tail.push(n.to_string()));
        assert_eq!(tail.lines().len(), KEPT);
        assert_eq!(tail.lines().last().map(String::as_str), Some("99"));
    }
}
