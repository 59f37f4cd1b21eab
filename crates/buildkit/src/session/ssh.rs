//! Agents for SSH keys, forwarded byte by byte (moby/buildkit, `session/sshforward`). The keys stay in the agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tonic::{Request, Response, Status, Streaming};

use super::stream::{self, Outgoing, Sender};

/// The id of an agent where none is said.
const DEFAULT: &str = "default";

/// How much goes into one message.
const PIECE: usize = 32 << 10;

#[derive(Debug)]
pub(super) struct AgentService {
    sockets: BTreeMap<String, PathBuf>,
}

impl AgentService {
    pub(super) fn new(sockets: BTreeMap<String, PathBuf>) -> Self {
        Self { sockets }
    }

    fn socket(&self, id: &str) -> Result<&Path, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let socket = self.sockets.get(id).map(PathBuf::as_path);
        socket.ok_or_else(|| Status::not_found(format!("unset ssh forward key {id}")))
    }
}

#[tonic::async_trait]
impl Ssh for AgentService {
    type ForwardAgentStream = Outgoing<BytesMessage>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id").and_then(|value| value.to_str().ok());
        let socket = self.socket(id.unwrap_or_default())?;
        let agent = UnixStream::connect(socket).await;
        let agent = agent.map_err(|error| {
            Status::unavailable(format!("connecting to the agent at `{}`: {error}", socket.display()))
        })?;
        let (sender, outgoing) = stream::channel();
        tokio::spawn(forward(agent, request.into_inner(), sender));
        Ok(Response::new(outgoing))
    }
}

/// Carries bytes both ways until either end has no more.
async fn forward(agent: UnixStream, mut incoming: Streaming<BytesMessage>, outgoing: Sender<BytesMessage>) {
    let (mut from, mut to) = agent.into_split();
    let questions = async move {
        while let Ok(Some(message)) = incoming.message().await {
            if to.write_all(&message.data).await.is_err() {
                return;
            }
        }
    };
    let answers = async move {
        let mut data = vec![0; PIECE];
        while let Ok(count) = from.read(&mut data).await {
            let message = BytesMessage { data: data[..count].to_vec() };
            if count == 0 || outgoing.send(Ok(message)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = questions => {}, () = answers => {} }
}
