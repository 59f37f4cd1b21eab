//! A wire that is cut: between a client and any registry, a connection that has carried so many bytes is reset.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;

/// A port of loopback that leads to a registry.
#[derive(Debug)]
pub struct Cutter {
    server: Background,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    /// How often to cut yet.
    cuts: AtomicI64,
    /// After so many bytes towards the registry on one connection.
    after: u64,
    /// How many bytes went towards the registry in all.
    carried: AtomicU64,
}

impl Cutter {
    /// A wire to `host` that is cut `cuts` times, each time after a connection has carried `after` bytes.
    pub fn to(host: &str, cuts: u32, after: u64) -> Self {
        let target = host.parse().expect("an address and a port");
        let (cuts, carried) = (AtomicI64::new(cuts.into()), AtomicU64::new(0));
        let state = Arc::new(State { target, cuts, after, carried });
        let serving = state.clone();
        let server = Background::start(move |listener| accept(listener, serving));
        Self { server, state }
    }

    /// `127.0.0.1:port`, as references name it.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// How many bytes went towards the registry in all.
    pub fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(join(client, state.clone()));
    }
}

async fn join(client: TcpStream, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(state.target).await else { return };
    client.set_zero_linger().expect("an option of a TCP socket");
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 16 << 10];
    let mut carried = 0;
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        if to_server.write_all(&buffer[..length]).await.is_err() {
            break;
        }
        carried += length as u64;
        state.carried.fetch_add(length as u64, Ordering::SeqCst);
        if carried >= state.after && state.cuts.fetch_sub(1, Ordering::SeqCst) > 0 {
            back.abort();
            return;
        }
    }
    let _ = to_server.shutdown().await;
    let _ = back.await;
}
