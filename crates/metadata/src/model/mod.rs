//! What a model artifact says of itself, read from its first bytes and from the notes beside it.
//!
//! Nothing is unpickled or executed: formats are recognised by their marks, a pickle's framework by the first
//! class that it names. Whatever cannot be read stays empty; a label is no place for a guess.

mod gguf;
mod notes;
mod pickle;
mod safetensors;

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
    /// The format of the artifact: `safetensors`, `gguf`, `pickle/sklearn`, `mlflow/xgboost` ….
    pub format: String,
}

/// A model file, as far as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Artifact<'a> {
    /// Where it is, relative to the project.
    pub path: &'a str,
    /// SHA-256 of the whole, in hex.
    pub sha256: &'a str,
    /// Its first bytes; [`Artifact::HEAD`] are always enough.
    pub head: &'a [u8],
    /// Files beside it, of those that [`Artifact::NOTES`] names, with their content.
    pub notes: &'a [(String, Vec<u8>)],
}

impl Artifact<'_> {
    /// How many bytes of an artifact can matter.
    pub const HEAD: usize = 16 << 20;
    /// Files that speak of the model beside them, the weightiest first.
    pub const NOTES: [&'static str; 3] = ["model.yaml", "model.yml", "MLmodel"];
}

/// What some source says of a model; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Said {
    name: String,
    version: String,
    format: String,
}

impl Model {
    /// Reads an artifact. Notes are believed before headers for name and version, headers before notes for the
    /// format.
    pub fn read(artifact: &Artifact<'_>) -> Self {
        let header = header(artifact);
        let notes = Artifact::NOTES.iter().filter_map(|wanted| {
            let (name, content) = artifact.notes.iter().find(|(name, _)| name == wanted)?;
            notes::read(name, content)
        });
        let said: Vec<Said> = notes.collect();
        let first = |part: fn(&Said) -> &String, sources: &mut dyn Iterator<Item = &Said>| {
            sources.map(part).find(|text| !text.is_empty()).cloned().unwrap_or_default()
        };
        Self {
            path: artifact.path.to_owned(),
            sha256: artifact.sha256.to_owned(),
            name: first(|said| &said.name, &mut said.iter().chain([&header])),
            version: first(|said| &said.version, &mut said.iter().chain([&header])),
            format: first(|said| &said.format, &mut [&header].into_iter().chain(&said)),
        }
    }

    /// `dev.wharf.model.*`, in order.
    pub fn labels(&self) -> impl Iterator<Item = (String, String)> + use<> {
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

/// What the artifact's own bytes say.
fn header(artifact: &Artifact<'_>) -> Said {
    let extension = artifact.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let head = artifact.head;
    let format = |format: &str| Said { format: format.to_owned(), ..Said::default() };
    match extension.to_ascii_lowercase().as_str() {
        _ if head.starts_with(b"GGUF") => gguf::read(head),
        _ if head.starts_with(b"\x89HDF\r\n\x1a\n") => format("hdf5"),
        "safetensors" => safetensors::read(head),
        "onnx" => format("onnx"),
        "keras" if head.starts_with(b"PK\x03\x04") => format("keras"),
        "pt" | "pth" | "ckpt" | "bin" if head.starts_with(b"PK\x03\x04") => format("torch"),
        "npz" | "npy" => format("numpy"),
        "pkl" | "pickle" | "joblib" => format(&pickle(head)),
        _ if head.first() == Some(&pickle::MARK) => format(&pickle(head)),
        _ => Said::default(),
    }
}

fn pickle(head: &[u8]) -> String {
    pickle::framework(head).map_or_else(|| "pickle".to_owned(), |framework| format!("pickle/{framework}"))
}

/// At most so much of a text that an artifact gives becomes part of a label.
const TEXT_MAX: usize = 256;

/// `text` as a label may hold it: one line, not too long.
fn plain(text: &str) -> String {
    let line = text.trim().split(|c: char| c.is_control()).next().unwrap_or_default();
    line.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
