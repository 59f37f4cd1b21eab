//! The builder asks every few seconds whether the session is still there (grpc.health.v1).

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::Health;
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use tonic::{Request, Response, Status};

use super::stream::{self, Outgoing};

/// As long as it answers, all is well.
#[derive(Debug)]
pub(super) struct Healthy;

const SERVING: HealthCheckResponse = HealthCheckResponse { status: ServingStatus::Serving as i32 };

#[tonic::async_trait]
impl Health for Healthy {
    type WatchStream = Outgoing<HealthCheckResponse>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(SERVING))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse { statuses: [(String::new(), SERVING)].into() }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (sender, outgoing) = stream::channel();
        sender.send(Ok(SERVING)).await.ok();
        // The watch lasts as long as the session, and says no more.
        tokio::spawn(async move { sender.closed().await });
        Ok(Response::new(outgoing))
    }
}
