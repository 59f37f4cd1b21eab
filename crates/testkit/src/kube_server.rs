//! A Kubernetes API server with a few pods, as far as builders need one: it lists pods, and runs `buildctl dial-stdio`
//! in them over a WebSocket, channel by channel. What runs is a Docker engine's BuildKit.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::background::Background;
use crate::forwarder::{tls, upgraded};
use crate::{Authority, Identity};

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct KubeServer {
    server: Background,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The pods of the namespace `ci` with the label `app=buildkitd`, and the engine in each; `None` in a pod whose
    /// builder is dead although it counts as ready.
    pods: Mutex<BTreeMap<String, Option<PathBuf>>>,
    /// What was asked.
    calls: Mutex<Vec<String>>,
}

impl KubeServer {
    /// One with TLS: it shows `own`, and lets in who has a certificate of `clients`.
    pub fn start(own: &Identity, clients: &Authority) -> Self {
        let state = Arc::new(State::default());
        let (serving, acceptor) = (state.clone(), TlsAcceptor::from(Arc::new(tls(own, clients))));
        let server = Background::start(move |listener: TcpListener| async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await?;
                    serve(stream, &state).await
                });
            }
        });
        Self { server, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Puts a pod there with this engine in it, or one whose builder is dead.
    pub fn pod(&self, name: &str, engine: Option<&Path>) {
        let mut pods = self.state.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.insert(name.to_owned(), engine.map(Path::to_owned));
    }

    /// The paths that were asked for.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    state: &State,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    state.calls.lock().unwrap_or_else(PoisonError::into_inner).push(target.clone());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pods = state.pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match path.strip_prefix("/api/v1/namespaces/ci/pods") {
        Some("") => {
            let selected = query.contains("labelSelector=app%3Dbuildkitd");
            let items: Vec<Value> = pods.keys().filter(|_| selected).map(|name| pod(name)).collect();
            answer(&mut stream, "200 OK", &json!({ "kind": "PodList", "items": items })).await
        }
        Some(rest) if rest.ends_with("/exec") => {
            let name = rest.trim_start_matches('/').trim_end_matches("/exec");
            match pods.get(name) {
                Some(engine) => exec(stream, &head, query, engine.as_deref()).await,
                None => {
                    let message = format!("pods \"{name}\" not found");
                    answer(&mut stream, "404 Not Found", &json!({ "kind": "Status", "message": message }))
                        .await
                }
            }
        }
        _ => {
            answer(&mut stream, "404 Not Found", &json!({ "kind": "Status", "message": "no such path" }))
                .await
        }
    }
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": "buildkitd" } },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &Value) -> io::Result<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

async fn exec<S>(mut stream: S, head: &str, query: &str, engine: Option<&Path>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let offered = header("sec-websocket-protocol");
    let known = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
    let protocol = offered.split(',').map(str::trim).find(|protocol| known.contains(protocol));
    let wanted = ["command=buildctl", "command=dial-stdio", "stdin=true", "stdout=true"];
    let (Some(protocol), true) = (protocol, wanted.iter().all(|part| query.contains(part))) else {
        let message = json!({ "kind": "Status", "message": format!("cannot exec {query} by `{offered}`") });
        return answer(&mut stream, "400 Bad Request", &message).await;
    };
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    let upgrade = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    match engine {
        Some(engine) => pipe(socket, upgraded(engine).await?).await,
        None => {
            let complaint = "error: failed to dial unix:///run/buildkit/buildkitd.sock: connection refused\n";
            send(&mut socket, 2, complaint.as_bytes()).await?;
            let status = json!({ "status": "Failure", "message": "command terminated with exit code 1" });
            send(&mut socket, 3, status.to_string().as_bytes()).await?;
            socket.close(None).await.map_err(io::Error::other)
        }
    }
}

async fn pipe<S>(mut socket: WebSocketStream<S>, mut engine: UnixStream) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = vec![0; 32 << 10];
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&0) => engine.write_all(&bytes[1..]).await?,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => {}
            },
            length = engine.read(&mut buffer) => match length? {
                0 => {
                    let status = json!({ "status": "Failure", "message": "command terminated with exit code 137" });
                    send(&mut socket, 3, status.to_string().as_bytes()).await?;
                    return socket.close(None).await.map_err(io::Error::other);
                }
                length => send(&mut socket, 1, &buffer[..length]).await?,
            },
        }
    }
}

async fn send<S>(socket: &mut WebSocketStream<S>, channel: u8, data: &[u8]) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = Message::Binary(Bytes::from([&[channel], data].concat()));
    socket.send(message).await.map_err(io::Error::other)
}
