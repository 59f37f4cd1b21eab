//! A small web server that a test fills, and that remembers what was sent to it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, (u16, Vec<u8>)>,
    requests: Vec<Request>,
}

/// The server; its thread ends with the test program.
pub(crate) struct Web {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Web {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                // A client that goes away is its own affair.
                std::thread::spawn(move || drop(answer(stream, &shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers a path with this.
    pub(crate) fn serve(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.answer(path, 200, content);
    }

    /// Answers a path with this status; without an answer it is 404.
    pub(crate) fn answer(&self, path: &str, status: u16, content: impl Into<Vec<u8>>) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), (status, content.into()));
    }

    /// What has arrived.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let (method, path) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut headers = String::new();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            headers.push_str(&header.to_lowercase());
        }
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let (status, content) = {
            let mut state = state.lock().unwrap();
            state.requests.push(Request { method: method.clone(), path: path.clone(), headers, body });
            let by_path = state.answers.get(path.split('?').next().unwrap_or_default());
            by_path.cloned().unwrap_or((404, b"{}".to_vec()))
        };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", content.len())?;
        if method != "HEAD" {
            stream.write_all(&content)?;
        }
    }
}
