//! A tar archive as the context: the builder fetches it as if from a URL (moby/buildkit, `session/upload`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard_buildkit_proto::moby::upload::v1::BytesMessage;
use bollard_buildkit_proto::moby::upload::v1::upload_server::Upload;
use tokio::io::AsyncReadExt;
use tonic::{Request, Response, Status, Streaming};

use super::stream::{self, Outgoing};

/// How much goes into one message.
const PIECE: usize = 32 << 10;

#[derive(Debug)]
pub(super) struct UploadService {
    /// By the path of the URL.
    archives: BTreeMap<String, PathBuf>,
}

impl UploadService {
    pub(super) fn new(archives: BTreeMap<String, PathBuf>) -> Self {
        Self { archives }
    }
}

#[tonic::async_trait]
impl Upload for UploadService {
    type PullStream = Outgoing<BytesMessage>;

    async fn pull(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::PullStream>, Status> {
        let asked = request.metadata().get("urlpath").and_then(|value| value.to_str().ok());
        let name = asked.unwrap_or_default().trim_start_matches('/');
        let path = self.archives.get(name);
        let path = path.ok_or_else(|| Status::not_found(format!("there is no upload `{name}`")))?;
        let failed = |error| Status::unknown(format!("reading `{}`: {error}", path.display()));
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        let (sender, outgoing) = stream::channel();
        tokio::spawn(async move {
            let mut data = vec![0; PIECE];
            loop {
                let message = match file.read(&mut data).await {
                    Ok(0) => return,
                    Ok(count) => Ok(BytesMessage { data: data[..count].to_vec() }),
                    Err(error) => Err(Status::unknown(error.to_string())),
                };
                let last = message.is_err();
                if sender.send(message).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(outgoing))
    }
}
