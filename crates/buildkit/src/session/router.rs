//! Brings each call of the builder to the service that answers it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::{health as health_proto, moby};
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;

use super::{Offer, auth, content, files, health, received, secrets, ssh, tunnel, upload};

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;
type Service = Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// The services of a session.
#[derive(Clone, Default)]
pub(super) struct Router {
    services: Vec<(&'static str, Service)>,
    methods: Vec<&'static str>,
}

impl Router {
    /// Services for what is offered, and for nothing else.
    pub(super) fn new(offer: Offer) -> Self {
        use moby::buildkit::secrets::v1::secrets_server::SecretsServer;
        use moby::filesync::packet::file_sync_server::FileSyncServer;
        use moby::filesync::v1::auth_server::AuthServer;
        use moby::sshforward::v1::ssh_server::SshServer;
        use moby::upload::v1::upload_server::UploadServer;

        const LONGEST: usize = tunnel::LONGEST_MESSAGE;
        let mut router = Self::default();
        router.add(
            &["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"],
            health_proto::health_server::HealthServer::new(health::Healthy),
        );
        if !offer.files.is_empty() {
            let service = FileSyncServer::new(files::FileService::new(offer.files));
            router.add(&["/moby.filesync.v1.FileSync/DiffCopy"], service.max_decoding_message_size(LONGEST));
        }
        if !offer.secrets.is_empty() {
            let service = SecretsServer::new(secrets::SecretService::new(offer.secrets));
            router.add(&["/moby.buildkit.secrets.v1.Secrets/GetSecret"], service);
        }
        if !offer.agents.is_empty() {
            let service = SshServer::new(ssh::AgentService::new(offer.agents));
            router.add(
                &["/moby.sshforward.v1.SSH/CheckAgent", "/moby.sshforward.v1.SSH/ForwardAgent"],
                service,
            );
        }
        if let Some(keyring) = offer.keyring {
            router.add(&auth::METHODS, AuthServer::new(auth::AuthService::new(keyring)));
        }
        if !offer.uploads.is_empty() {
            let service = UploadServer::new(upload::UploadService::new(offer.uploads));
            router.add(&["/moby.upload.v1.Upload/Pull"], service);
        }
        if !offer.stores.is_empty() {
            router.add(&content::METHODS, content::ContentService::new(offer.stores));
        }
        match offer.target {
            Some(received::Target::File(path)) => {
                let service = received::as_file(path).max_decoding_message_size(LONGEST);
                router.add(&[received::METHOD], service);
            }
            Some(received::Target::Directory(path)) => {
                let service = received::as_directory(path).max_decoding_message_size(LONGEST);
                router.add(&[received::METHOD], service);
            }
            None => {}
        }
        router
    }

    /// The methods, as the session's metadata names them.
    pub(super) fn methods(&self) -> &[&'static str] {
        &self.methods
    }

    fn add<S>(&mut self, methods: &[&'static str], service: S)
    where
        S: tower_service::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let prefix =
            methods.first().and_then(|method| method.rsplit_once('/')).map_or("", |(prefix, _)| prefix);
        self.methods.extend(methods);
        let call = move |request| -> Answer { Box::pin(service.clone().call(request)) };
        self.services.push((prefix, Arc::new(call)));
    }
}

impl hyper::service::Service<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let request = request.map(Body::new);
        let service = request.uri().path().rsplit_once('/').map_or("", |(service, _)| service);
        match self.services.iter().find(|(prefix, _)| *prefix == service) {
            Some((_, service)) => service(request),
            None => {
                let status = tonic::Status::unimplemented(format!("{} is not offered", request.uri().path()));
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
