//! Ways that do not lead to a builder: each is said at once, with its cause and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use wharf_testkit::{Authority, Forwarder, SmallServer};

use super::{Papers, engine, flags, worker};
use crate::world::World;

/// What `wharf builders inspect` says of an address that does not work.
fn complaint(world: &World, address: &str, more: &[String]) -> String {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let ran = world.wharf(&[&["builders", "inspect", address][..], &more[..]].concat());
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(address.split('?').next().unwrap()), "it names the builder: {}", ran.stderr);
    ran.stderr
}

#[test]
fn certificates_that_are_wrong_are_named() {
    let engine = engine!();
    let world = World::new();
    let papers = Papers::new();
    let stranger = Authority::new();
    let good = papers.authority.identity(&["ci"]);
    let trusted = papers.authority.certificate();
    let tls = Forwarder::tls(&engine.socket(), &papers.server, &papers.authority);
    let address = format!("tcp://{}", tls.address());

    let said = complaint(&world, &address, &[]);
    assert!(said.contains("it speaks TLS: certificates are needed (--tlscacert"), "{said}");
    let said = complaint(&world, &address, &flags(&world, &stranger.certificate(), &good));
    assert!(said.contains("UnknownIssuer") && said.contains("--tlscacert"), "{said}");
    let said = complaint(&world, &address, &flags(&world, &trusted, &stranger.identity(&["ci"])));
    assert!(said.contains("hint: --tlscert must be signed by"), "{said}");
    let said = complaint(&world, &address, &flags(&world, &trusted, &papers.authority.expired(&["ci"])));
    assert!(said.contains("xpired") && said.contains("hint: renew the certificate in --tlscert"), "{said}");
    let said = complaint(&world, &address, &flags(&world, &trusted, &good)[..2]);
    assert!(said.contains("hint: the builder wants to know who comes"), "{said}");
    let mut other = flags(&world, &trusted, &good);
    other.extend(["--tlsservername".into(), "other.example".into()]);
    let said = complaint(&world, &address, &other);
    assert!(said.contains("other.example") && said.contains("hint: --tlsservername"), "{said}");

    let expired = papers.authority.expired(&["127.0.0.1"]);
    let old = Forwarder::tls(&engine.socket(), &expired, &papers.authority);
    let said = complaint(&world, &format!("tcp://{}", old.address()), &papers.flags(&world));
    assert!(said.contains("certificate expired") && said.contains("hint: renew"), "{said}");

    let flags = papers.flags(&world);
    worker(&world, &address, &flags.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The address of something that says this at the first word, and hangs up.
fn answers(text: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut heard = [0; 24];
        drop(stream.read_exact(&mut heard).and_then(|()| stream.write_all(text)));
    });
    format!("tcp://{address}")
}

#[test]
fn what_is_no_builder_is_named() {
    let world = World::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = complaint(&world, &format!("tcp://{gone}"), &[]);
    assert!(said.contains("refused") && said.contains("hint: is the builder running"), "{said}");
    let said = complaint(&world, "unix:///nowhere/buildkitd.sock", &[]);
    assert!(said.contains("No such file") && said.contains("hint: is the builder running"), "{said}");
    let web = SmallServer::start(|_| (400, "what?".into()));
    let said = complaint(&world, &format!("tcp://{}", web.host()), &[]);
    assert!(said.contains("it is no BuildKit"), "a web server that speaks HTTP/2: {said}");
    let said = complaint(&world, &answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), &[]);
    assert!(said.contains("it speaks HTTP/1 and is no BuildKit"), "{said}");
    let said = complaint(&world, &answers(b""), &[]);
    assert!(said.contains("without a word") && said.contains("hint: a builder that wants TLS"), "{said}");

    let ran = world.wharf(&["builders", "inspect", "carrier-pigeon://x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("has the scheme `carrier-pigeon`"), "{}", ran.stderr);
    let ran = world.wharf(&["builders", "inspect"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no builder is named"), "{}", ran.stderr);
}

#[test]
fn a_way_on_which_nothing_moves_is_given_up() {
    let engine = engine!();
    let world = World::new();
    let frozen = Forwarder::plain(&engine.socket());
    frozen.freeze();
    let said = complaint(&world, &format!("tcp://{}", frozen.address()), &[]);
    assert!(said.contains("no answer within 20s"), "{said}");
    frozen.mend();
    frozen.slow_down(20_000);
    worker(&world, &format!("tcp://{}", frozen.address()), &[]);
    frozen.cut();
    let said = complaint(&world, &format!("tcp://{}", frozen.address()), &[]);
    assert!(said.contains("closed the connection") || said.contains("reset"), "{said}");
}
