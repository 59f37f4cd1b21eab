//! What a model artifact says of itself.

/// A model, as labels name it. Unknown parts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Where it is, relative to the project.
    pub path: String,
    /// SHA-256 of the artifact, in hex.
    pub sha256: String,
    /// What it calls itself.
    pub name: String,
    /// Which version it calls itself.
    pub version: String,
    /// The format of the artifact: `safetensors`, `gguf`, `sklearn` ….
    pub format: String,
}

impl Model {
    /// `dev.wharf.model.*`, in order.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (String, String)> {
        let parts = [
            ("path", &self.path),
            ("sha256", &self.sha256),
            ("name", &self.name),
            ("version", &self.version),
            ("format", &self.format),
        ];
        parts.map(|(part, value)| (format!("dev.wharf.model.{part}"), value.clone())).into_iter()
    }
}
