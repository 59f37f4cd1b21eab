//! `wharf ui`: the page of `wharf status --html`, served on loopback and made anew for every look. Nothing can be
//! changed through it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::cli::Globals;
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::releases::page;
use crate::releases::place::{self, Place};
use crate::world::World;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The repository; else every push target of wharf.toml
    #[arg(value_name = "REPO")]
    repository: Option<String>,
    /// Where to listen; loopback only
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8765")]
    addr: SocketAddr,
}

/// A request's head is at most this long.
const HEAD_MAX: u64 = 16 << 10;

/// Serves until it is stopped.
pub(crate) fn run(args: Args, globals: &Globals) -> Outcome {
    if !args.addr.ip().is_loopback() {
        return Err(Failure::usage(format!("{} is not loopback", args.addr))
            .hint("the page asks nobody for a password; put a server that does in front of it"));
    }
    let world = World::open(globals)?;
    let places = place::places(&world, args.repository.as_deref())?;
    let listener = TcpListener::bind(args.addr).with_context(|| format!("listening on {}", args.addr))?;
    output::print(&format!("releases on http://{}\n", listener.local_addr()?))?;
    for stream in listener.incoming() {
        // One that hangs up is no reason to stop; the next may stay.
        let _ = stream.and_then(|stream| answer(stream, &world, &places));
    }
    Ok(crate::exit::Exit::Done)
}

fn answer(mut stream: TcpStream, world: &World, places: &[Place]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = BufReader::new(stream.try_clone()?.take(HEAD_MAX));
    let mut first = String::new();
    head.read_line(&mut first)?;
    let mut host = String::new();
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("host:") {
            host = value.trim().to_owned();
        }
    }
    let (status, body) = match (first.split_whitespace().collect::<Vec<_>>().as_slice(), is_local(&host)) {
        // A page of elsewhere that points its own name at loopback must not read what is here.
        (_, false) => ("403 Forbidden", "this page answers to loopback only\n".to_owned()),
        (["GET", "/", _], true) => match page::of_places(world, places) {
            Ok(page) => ("200 OK", page),
            Err(failure) => ("502 Bad Gateway", format!("{:#}\n", failure.error)),
        },
        (["GET", ..], true) => ("404 Not Found", "there is only one page, at /\n".to_owned()),
        _ => ("405 Method Not Allowed", "this page is for reading\n".to_owned()),
    };
    let kind = if status.starts_with("200") { "text/html" } else { "text/plain" };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}"
    )
}

fn is_local(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    name == "localhost"
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
