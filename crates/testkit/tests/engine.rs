//! The engines of the kit: one answers as BuildKit does, on both ways to it, and leaves nothing behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use wharf_testkit::{Engine, Forwarder, Release, Wishes};

/// The first bytes of a connection that speaks HTTP/2: its preface, and no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The type of the first frame that comes back.
fn first_frame(mut stream: impl Read + Write) -> u8 {
    stream.write_all(PREFACE).expect("a connection that takes bytes");
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("a frame");
    head[3]
}

#[test]
fn an_engine_speaks_http2_behind_the_forwarder_and_ends_with_all_that_is_of_it() {
    const SETTINGS: u8 = 4;
    let mut engine = match Engine::start(Release::Bookworm, &Wishes { disk: Some(100 << 20), mirror: None }) {
        Ok(engine) => engine,
        Err(why) => return println!("skipped: {why}"),
    };
    let socket = engine.socket();
    let plain = Forwarder::plain(&socket);
    assert_eq!(first_frame(TcpStream::connect(plain.address()).unwrap()), SETTINGS);

    let beside = socket.with_file_name("buildkitd.sock");
    let listening = Forwarder::listen(&socket, &beside);
    assert_eq!(first_frame(UnixStream::connect(&beside).unwrap()), SETTINGS);
    drop(listening);

    plain.freeze();
    let mut frozen = TcpStream::connect(plain.address()).unwrap();
    frozen.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    frozen.write_all(PREFACE).unwrap();
    assert!(frozen.read(&mut [0; 9]).is_err(), "nothing moves");
    plain.mend();
    frozen.set_read_timeout(None).unwrap();
    frozen.read_exact(&mut [0; 9]).expect("what was frozen has thawed");
    plain.cut();
    let ended =
        std::iter::repeat_with(|| frozen.read(&mut [0; 512])).find(|read| matches!(read, Ok(0) | Err(_)));
    assert!(ended.is_some());

    engine.kill();
    assert!(!socket.parent().unwrap().exists(), "its data are gone");
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(socket.parent().unwrap().to_str().unwrap()), "{mounts}");
}
