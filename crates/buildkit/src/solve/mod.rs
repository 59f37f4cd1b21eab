//! One build on a builder: the request, the session beside it, and the news while it runs.

mod attributes;
mod failure;
mod progress;

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, CacheOptionsEntry, Exporter as ExporterEntry, SolveRequest, StatusRequest,
};
use tonic::transport::Channel;

pub use attributes::Frontend;
pub use failure::{Disk, Place, SolveError};
pub use progress::{News, Vertex, Warning};

use crate::builder::Builder;
use crate::session::{Offer, Session};

/// The longest message that is taken from a builder.
const LONGEST_MESSAGE: usize = 64 << 20;

/// How long the news of a build that has ended may still take to arrive.
const LAST_NEWS: std::time::Duration = std::time::Duration::from_secs(5);

/// A build to be done elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Solve {
    /// What is built, in the words of the Dockerfile's frontend.
    pub frontend: BTreeMap<String, String>,
    /// What is made of the result; nothing but a cache where there is none.
    pub exporter: Option<Entry>,
    /// `--cache-from`.
    pub cache_from: Vec<Entry>,
    /// `--cache-to`.
    pub cache_to: Vec<Entry>,
    /// `--allow`.
    pub entitlements: Vec<String>,
}

/// A kind and its options: an exporter, or a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Such as `oci` or `registry`.
    pub kind: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

impl Entry {
    /// An entry of `kind` with `options`.
    pub fn new<const N: usize>(kind: &str, options: [(&str, String); N]) -> Self {
        let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { kind: kind.to_owned(), options }
    }
}

/// What a builder says of a build that is done: digests and descriptors, by the exporter's own names.
pub type Answer = BTreeMap<String, String>;

impl Solve {
    /// Runs the build. When the future is dropped, the builder stops it.
    ///
    /// # Errors
    /// If the build fails, or the builder goes away.
    pub async fn run(
        self,
        builder: &Builder,
        offer: Offer,
        news: &(dyn Fn(News) + Send + Sync),
    ) -> Result<Answer, SolveError> {
        let session = Session::open(builder.channel(), offer).await?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut control = client(builder.channel());
        let mut told = progress::Progress::default();
        let request = self.into_request(&id, session.id());
        let solved = {
            let solving = async { control.solve(request).await.map(|answer| answer.into_inner()) };
            let listening = listen(builder.channel(), &id, &mut told, news);
            tokio::pin!(solving, listening);
            let mut heard = false;
            let solved = loop {
                tokio::select! {
                    solved = &mut solving => break solved,
                    () = &mut listening, if !heard => heard = true,
                }
            };
            if !heard {
                // The news of its end comes after the end.
                tokio::time::timeout(LAST_NEWS, listening).await.ok();
            }
            solved
        };
        drop(session);
        let answer = solved.map_err(|status| failure::explain(status, builder, &told))?;
        Ok(answer.exporter_response.into_iter().collect())
    }

    fn into_request(self, id: &str, session: &str) -> SolveRequest {
        let mut frontend_attrs = self.frontend;
        if !self.cache_from.is_empty() {
            frontend_attrs.insert("cache-imports".into(), imports(&self.cache_from));
        }
        let cache = CacheOptions {
            exports: self.cache_to.iter().map(cache_entry).collect(),
            imports: self.cache_from.iter().map(cache_entry).collect(),
            ..CacheOptions::default()
        };
        let exporter = self
            .exporter
            .map(|entry| ExporterEntry { r#type: entry.kind, attrs: entry.options.into_iter().collect() });
        SolveRequest {
            r#ref: id.to_owned(),
            session: session.to_owned(),
            frontend: "dockerfile.v0".into(),
            frontend_attrs: frontend_attrs.into_iter().collect(),
            cache: Some(cache),
            entitlements: self.entitlements,
            // Builders before 0.13 know one exporter and its former place only.
            exporter_deprecated: exporter.as_ref().map(|entry| entry.r#type.clone()).unwrap_or_default(),
            exporter_attrs_deprecated: exporter.as_ref().map(|entry| entry.attrs.clone()).unwrap_or_default(),
            exporters: exporter.into_iter().collect(),
            ..SolveRequest::default()
        }
    }
}

fn client(channel: &Channel) -> ControlClient<Channel> {
    ControlClient::new(channel.clone()).max_decoding_message_size(LONGEST_MESSAGE)
}

/// Passes on the news of a build until there is no more.
async fn listen(
    channel: &Channel,
    id: &str,
    told: &mut progress::Progress,
    news: &(dyn Fn(News) + Send + Sync),
) {
    let mut control = client(channel);
    let Ok(stream) = control.status(StatusRequest { r#ref: id.to_owned() }).await else { return };
    let mut stream = stream.into_inner();
    // If the line is lost, the build's own answer says so.
    while let Ok(Some(status)) = stream.message().await {
        told.take(status, news);
    }
}

fn cache_entry(entry: &Entry) -> CacheOptionsEntry {
    CacheOptionsEntry {
        r#type: entry.kind.clone(),
        attrs: entry.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

/// The frontend reads the caches, too, as JSON with Go's names.
fn imports(entries: &[Entry]) -> String {
    let entries = entries.iter().map(|entry| serde_json::json!({"Type": entry.kind, "Attrs": entry.options}));
    serde_json::Value::Array(entries.collect()).to_string()
}
