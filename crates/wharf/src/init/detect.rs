//! What a folder holds: dependencies, framework, entry point, model, Python's version, CUDA or not.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::exit::Failure;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The project's name.
    pub(crate) name: String,
    /// Where its dependencies are written.
    pub(crate) dependencies: Option<Dependencies>,
    /// Python's version, `3.11`.
    pub(crate) python: String,
    /// The framework that serves.
    pub(crate) framework: Option<Framework>,
    /// `src.api:app`, or the script that is run.
    pub(crate) entry: Option<String>,
    /// The model's file.
    pub(crate) model: Option<PathBuf>,
    /// Whether it asks for a GPU.
    pub(crate) cuda: bool,
    /// What the image needs at run time.
    pub(crate) copied: Vec<String>,
    /// Whether it answers at `/health`.
    pub(crate) health: bool,
}

/// Where dependencies are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dependencies {
    /// A file for pip.
    Requirements(String),
    /// `uv.lock` beside `pyproject.toml`.
    Uv,
    /// `pyproject.toml` alone.
    Pyproject,
}

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    /// FastAPI and Starlette.
    Asgi,
    /// Flask.
    Flask,
    /// Streamlit.
    Streamlit,
    /// Gradio.
    Gradio,
}

impl Framework {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Asgi => "FastAPI",
            Self::Flask => "Flask",
            Self::Streamlit => "Streamlit",
            Self::Gradio => "Gradio",
        }
    }

    /// Where it listens.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Asgi | Self::Flask => 8000,
            Self::Streamlit => 8501,
            Self::Gradio => 7860,
        }
    }
}

/// Endings of model files.
const MODELS: [&str; 9] = ["pkl", "joblib", "onnx", "safetensors", "pt", "pth", "gguf", "h5", "keras"];
/// Folders that hold no code of the service.
const SKIPPED: [&str; 9] =
    ["tests", "test", "venv", ".venv", "node_modules", "docs", "notebooks", "build", "dist"];
/// Deeper folders are not looked into.
const DEPTH: usize = 4;

/// Looks into a folder.
pub(crate) fn detect(directory: &Path) -> Result<Found, Failure> {
    let mut files = Vec::new();
    walk(directory, Path::new(""), 0, &mut files)?;
    let read = |path: &str| std::fs::read_to_string(directory.join(path)).unwrap_or_default();
    let has = |path: &str| directory.join(path).is_file();
    let requirements = ["requirements.txt", "requirements/prod.txt", "requirements/base.txt"]
        .into_iter()
        .find(|path| has(path));
    let dependencies = match (has("uv.lock"), requirements, has("pyproject.toml")) {
        (true, ..) => Some(Dependencies::Uv),
        (_, Some(path), _) => Some(Dependencies::Requirements(path.to_owned())),
        (_, None, true) => Some(Dependencies::Pyproject),
        _ => None,
    };
    let pyproject = read("pyproject.toml");
    let wanted = match &dependencies {
        Some(Dependencies::Requirements(path)) => read(path),
        Some(Dependencies::Uv) => format!("{pyproject}\n{}", read("uv.lock")),
        _ => pyproject.clone(),
    };
    let mut found = Found {
        name: name(directory, &pyproject),
        dependencies,
        python: python(&read(".python-version"), &pyproject),
        cuda: wants_cuda(&wanted),
        model: files.iter().find(|path| is_model(path)).cloned(),
        ..Found::default()
    };
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "py")) {
        let text = read(&path.display().to_string());
        if let Some((framework, entry)) = entry(path, &text) {
            found.health = text.contains("/health\"") || text.contains("/health'");
            found.framework = Some(framework);
            found.entry = Some(entry);
            break;
        }
    }
    found.copied = copied(directory, &found)?;
    Ok(found)
}

fn walk(root: &Path, inside: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let folder = root.join(inside);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = inside.join(&name);
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() && depth < DEPTH {
            walk(root, &path, depth + 1, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_model(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| MODELS.contains(&extension))
}

/// The project's name: what pyproject says, else the folder's.
fn name(directory: &Path, pyproject: &str) -> String {
    let line = pyproject.lines().find_map(|line| line.trim().strip_prefix("name"));
    let said = line.map(|rest| rest.trim_start_matches([' ', '=']).trim_matches(['"', '\'', ' ']).to_owned());
    let folder = || {
        directory
            .canonicalize()
            .ok()
            .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
    };
    let name = said.filter(|name| !name.is_empty()).or_else(folder).unwrap_or_else(|| "model".into());
    let name: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if name.is_empty() { "model".into() } else { name }
}

/// Python's minor version: of `.python-version`, else the least of `requires-python`, else 3.11.
fn python(version_file: &str, pyproject: &str) -> String {
    let required = pyproject.lines().find_map(|line| line.trim().strip_prefix("requires-python"));
    let text = [version_file.trim(), required.unwrap_or_default()]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = digits.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some("3"), Some(minor)) => format!("3.{minor}"),
        _ => "3.11".into(),
    }
}

/// Whether the dependencies are those for a GPU.
fn wants_cuda(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "onnxruntime-gpu",
        "tensorflow[and-cuda]",
        "+cu",
        "/whl/cu",
        "nvidia-cuda",
        "nvidia-cublas",
        "vllm",
        "bitsandbytes",
        "flash-attn",
        "cupy-cuda",
        "tensorrt",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// The framework that a file starts, and how it is named.
fn entry(path: &Path, text: &str) -> Option<(Framework, String)> {
    let module = path.with_extension("").display().to_string().replace('/', ".");
    let assigned = |call: &str| {
        let line = text.lines().find(|line| line.contains(call) && !line.trim_start().starts_with('#'))?;
        let (name, _) = line.split_once('=')?;
        let name = name.split(':').next().unwrap_or_default().trim();
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then(|| format!("{module}:{name}"))
    };
    if let Some(entry) = assigned("FastAPI(").or_else(|| assigned("Starlette(")) {
        return Some((Framework::Asgi, entry));
    }
    if let Some(entry) = assigned("Flask(") {
        return Some((Framework::Flask, entry));
    }
    let imports = |name: &str| {
        text.lines().any(|line| {
            line.starts_with(&format!("import {name}")) || line.starts_with(&format!("from {name}"))
        })
    };
    if imports("streamlit") {
        return Some((Framework::Streamlit, path.display().to_string()));
    }
    (imports("gradio") && text.contains(".launch(")).then(|| (Framework::Gradio, path.display().to_string()))
}

/// The folders and files that the service is made of.
fn copied(directory: &Path, found: &Found) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let top =
        |path: &Path| path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    names.extend(found.model.as_deref().and_then(top));
    for folder in ["config", "configs", "templates", "static"] {
        if directory.join(folder).is_dir() {
            names.push(folder.to_owned());
        }
    }
    if let Some(entry) = &found.entry {
        let file = entry.split(':').next().unwrap_or_default();
        let file =
            if file.ends_with(".py") { file.to_owned() } else { format!("{}.py", file.replace('.', "/")) };
        if file.contains('/') {
            names.extend(top(Path::new(&file)));
        } else {
            let entries =
                std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
            let scripts = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            let mut scripts: Vec<String> = scripts
                .filter(|name| name.ends_with(".py") && !name.starts_with("test") && name != "setup.py")
                .collect();
            scripts.sort();
            names.extend(scripts);
        }
    }
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Found {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        detect(directory.path()).unwrap()
    }

    #[test]
    fn a_fastapi_service_with_a_pickle() {
        let found = of(&[
            ("requirements.txt", "fastapi\nscikit-learn\n"),
            (
                "src/api.py",
                "from fastapi import FastAPI\napp = FastAPI(title='x')\n@app.get(\"/health\")\ndef health(): ...\n",
            ),
            ("artifacts/model.pkl", "x"),
            ("tests/test_api.py", "app = FastAPI()"),
        ]);
        assert_eq!(found.framework, Some(Framework::Asgi));
        assert_eq!(found.entry.as_deref(), Some("src.api:app"));
        assert_eq!(found.copied, ["artifacts", "src"]);
        assert_eq!((found.cuda, found.health, found.python.as_str()), (false, true, "3.11"));
    }

    #[test]
    fn uv_flask_and_cuda() {
        let found = of(&[
            (
                "pyproject.toml",
                "[project]\nname = \"My Model\"\nrequires-python = \">=3.12\"\ndependencies = [\"flask\", \"onnxruntime-gpu\"]\n",
            ),
            ("uv.lock", ""),
            ("app.py", "import flask\nserver = flask.Flask(__name__)\n"),
        ]);
        assert_eq!(found.dependencies, Some(Dependencies::Uv));
        assert_eq!((found.name.as_str(), found.python.as_str(), found.cuda), ("my-model", "3.12", true));
        assert_eq!((found.framework, found.entry.as_deref()), (Some(Framework::Flask), Some("app:server")));
        assert_eq!(found.copied, ["app.py"]);
    }

    #[test]
    fn an_empty_folder_is_no_error() {
        let found = of(&[]);
        assert_eq!((found.framework, found.dependencies, found.entry), (None, None, None));
    }
}
