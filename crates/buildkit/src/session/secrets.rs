//! Secrets, read when a step asks for them (moby/buildkit, `session/secrets`). Nothing here writes one anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tokio::io::AsyncReadExt;
use tonic::{Request, Response, Status};
use wharf_dockerfile::LARGEST_SECRET;

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A file of this machine.
    File(PathBuf),
    /// Itself, from a variable.
    Value(Vec<u8>),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Value(_) => f.write_str("Value(…)"),
        }
    }
}

#[derive(Debug)]
pub(super) struct SecretService {
    secrets: BTreeMap<String, Secret>,
}

impl SecretService {
    pub(super) fn new(secrets: BTreeMap<String, Secret>) -> Self {
        Self { secrets }
    }
}

#[tonic::async_trait]
impl Secrets for SecretService {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        let data = match self.secrets.get(&id) {
            None => return Err(Status::not_found(format!("secret {id}: not found"))),
            Some(Secret::Value(value)) => value.clone(),
            Some(Secret::File(path)) => read(path)
                .await
                .map_err(|error| Status::unknown(format!("reading the secret {id}: {error}")))?,
        };
        match data.len() as u64 {
            0..=LARGEST_SECRET => Ok(Response::new(GetSecretResponse { data })),
            _ => Err(Status::invalid_argument(format!(
                "the secret {id} has more than the {LARGEST_SECRET} bytes that BuildKit takes"
            ))),
        }
    }
}

/// The file, or as much of it as shows that it is too large.
async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    tokio::fs::File::open(path).await?.take(LARGEST_SECRET + 1).read_to_end(&mut data).await?;
    Ok(data)
}
