//! A pod of a Kubernetes cluster: the API server runs `buildctl dial-stdio` in there and joins us to it over a
//! WebSocket (`GET …/pods/NAME/exec`). The first byte of each message says which channel it is of (Kubernetes,
//! `v4.channel.k8s.io` and `v5.channel.k8s.io`).

use std::io;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, join, split};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};

use super::last_words::{LastWords, Words};
use super::{Stream, tcp};
use crate::address::Pod;

/// The channels: what goes to the process, what it says and complains of, and how it ended.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;

const PROTOCOLS: &str = "v5.channel.k8s.io, v4.channel.k8s.io";

/// A cluster's API, and who we are there.
#[derive(Debug)]
pub struct Cluster {
    /// `https://HOST[:PORT][/PREFIX]`.
    pub server: String,
    /// A bearer token.
    pub token: Option<SecretString>,
    /// Certificates of authorities, in PEM; the system's where there are none.
    pub authorities: Vec<Vec<u8>>,
    /// A certificate of our own and its key, in PEM.
    pub identity: Option<(Vec<u8>, SecretSlice<u8>)>,
}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens the way to the builder in a pod.
pub async fn exec(cluster: &Cluster, pod: &Pod, namespace: &str) -> io::Result<Box<dyn Stream>> {
    let socket = connect(cluster, &path(pod, namespace)).await?;
    let (ours, theirs) = tokio::io::duplex(256 << 10);
    let (said, ours) = split(ours);
    let said = LastWords::over(said);
    let (from_us, to_us) = split(theirs);
    let (to_pod, from_pod) = socket.split();
    tokio::spawn(receive(from_pod, to_us, said.words()));
    tokio::spawn(send(from_us, to_pod));
    Ok(Box::new(join(said, ours)))
}

fn path(pod: &Pod, namespace: &str) -> String {
    let container = pod.place.container.as_ref().map(|name| format!("&container={name}")).unwrap_or_default();
    format!(
        "/api/v1/namespaces/{namespace}/pods/{}/exec?command=buildctl&command=dial-stdio\
         &stdin=true&stdout=true&stderr=true{container}",
        pod.name
    )
}

async fn connect(cluster: &Cluster, path: &str) -> io::Result<Socket> {
    let url = format!("{}{path}", cluster.server.trim_end_matches('/'));
    let (secure, rest) = match url.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(io::Error::other(format!("the cluster's address {} is no URL", cluster.server))),
    };
    let scheme = if secure { "wss" } else { "ws" };
    let mut request = format!("{scheme}://{rest}").into_client_request().map_err(failed)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOLS));
    if let Some(token) = &cluster.token {
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(io::Error::other)?;
        value.set_sensitive(true);
        request.headers_mut().insert("Authorization", value);
    }
    let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = request.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = if secure {
        let identity = cluster.identity.as_ref().map(|(chain, key)| (chain.as_slice(), key.expose_secret()));
        let config = tcp::client(&cluster.authorities, identity)?;
        tcp::secured(stream, config, ServerName::try_from(host).map_err(io::Error::other)?).await?
    } else {
        Box::new(stream)
    };
    Ok(tokio_tungstenite::client_async(request, stream).await.map_err(failed)?.0)
}

fn failed(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::Http(answer) => {
            let body: Value =
                serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap_or_default();
            let said = body["message"].as_str().unwrap_or_default();
            io::Error::other(format!("the cluster answered {} {said}", answer.status()))
        }
        other => io::Error::other(other),
    }
}

async fn receive(mut from: SplitStream<Socket>, mut to: WriteHalf<DuplexStream>, words: Words) {
    while let Some(message) = from.next().await {
        let bytes = match message {
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Text(text)) => Bytes::copy_from_slice(text.as_bytes()),
            Ok(Message::Close(_)) => break,
            Ok(_) => continue,
            Err(error) => {
                words.add(failed(error).to_string().as_bytes());
                break;
            }
        };
        match bytes.split_first() {
            Some((&STDOUT, data)) if to.write_all(data).await.is_err() => break,
            Some((&STDOUT, _)) => {}
            Some((&STDERR, data)) => words.add(data),
            Some((&ERROR, data)) => words.add(failure(data).as_bytes()),
            _ => {}
        }
    }
    drop(to.shutdown().await);
}

/// How the process ended, where that is worth a word.
fn failure(status: &[u8]) -> String {
    let status: Value = serde_json::from_slice(status).unwrap_or_default();
    match (status["status"].as_str(), status["message"].as_str()) {
        (Some("Success"), _) | (_, None) => String::new(),
        (_, Some(message)) => message.to_owned(),
    }
}

async fn send(mut from: ReadHalf<DuplexStream>, mut to: SplitSink<Socket, Message>) {
    let mut buffer = vec![STDIN; 32 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer[1..]).await {
        if to.send(Message::Binary(Bytes::copy_from_slice(&buffer[..=length]))).await.is_err() {
            break;
        }
    }
    drop(to.close().await);
}
