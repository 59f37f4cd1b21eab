//! The files that a project is given.

use std::path::PathBuf;

use super::ci::Ci;
use super::detect::{Dependencies, Found, Framework};

/// Path and content of every file.
pub(crate) fn files(found: &Found, ci: Option<Ci>) -> Vec<(PathBuf, String)> {
    let mut files = vec![
        ("Dockerfile".into(), dockerfile(found)),
        (".dockerignore".into(), IGNORED.to_owned()),
        ("wharf.toml".into(), settings(found)),
    ];
    if let Some(ci) = ci {
        let (path, text) = ci.file();
        files.push((path, text.to_owned()));
    }
    files
}

const IGNORED: &str = "# What the image does not need, and what must not be in it.\n.git\n.github\n.gitignore\n.wharf\n\
    .venv\nvenv\n__pycache__\n*.pyc\n.pytest_cache\n.mypy_cache\n.ipynb_checkpoints\nnotebooks\ntests\ndata\nmlruns\nwandb\n\
    *.md\nDockerfile*\nwharf.toml\n.env\n.env.*\n*.pem\n";

fn port(found: &Found) -> u16 {
    found.framework.map_or(8000, Framework::port)
}

fn dockerfile(found: &Found) -> String {
    let base = base(found);
    let mut out = format!(
        "# Stage 1: dependencies, in an environment that is copied as a whole.\nFROM {base} AS builder\n"
    );
    if found.cuda {
        out.push_str("RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip python3-venv \\\n    && rm -rf /var/lib/apt/lists/*\n");
    }
    let python = if found.cuda { "python3" } else { "python" };
    out.push_str(&format!("RUN {python} -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nWORKDIR /build\n"));
    out.push_str(&match &found.dependencies {
        Some(Dependencies::Requirements(path)) => {
            format!("COPY {path} requirements.txt\nRUN pip install --no-cache-dir -r requirements.txt\n")
        }
        Some(Dependencies::Uv) => "RUN pip install --no-cache-dir uv\nENV UV_PROJECT_ENVIRONMENT=/opt/venv\n\
            COPY pyproject.toml uv.lock ./\nRUN uv sync --frozen --no-dev --no-install-project --no-cache\n"
            .to_owned(),
        Some(Dependencies::Pyproject) => "COPY . .\nRUN pip install --no-cache-dir .\n".to_owned(),
        None => "# Name the dependencies in requirements.txt, then: COPY requirements.txt . and RUN pip install -r requirements.txt\n".to_owned(),
    });
    out.push_str(&format!("\n# Stage 2: only what running needs.\nFROM {base}\n"));
    if found.cuda {
        out.push_str("RUN apt-get update && apt-get install -y --no-install-recommends python3 \\\n    && rm -rf /var/lib/apt/lists/*\n");
    }
    out.push_str(
        "RUN useradd --create-home --uid 10001 app\nWORKDIR /app\nCOPY --from=builder /opt/venv /opt/venv\n",
    );
    out.push_str(
        "ENV PATH=/opt/venv/bin:$PATH \\\n    PYTHONDONTWRITEBYTECODE=1 \\\n    PYTHONUNBUFFERED=1\n\n",
    );
    out.push_str("# What changes most often comes last, so that an edit moves kilobytes.\n");
    for name in &found.copied {
        let target = if name.contains('.') { format!("./{name}") } else { format!("./{name}/") };
        let source = if name.contains('.') { name.clone() } else { format!("{name}/") };
        out.push_str(&format!("COPY {source} {target}\n"));
    }
    if found.copied.is_empty() {
        out.push_str("COPY . .\n");
    }
    let port = port(found);
    out.push_str(&format!("\nEXPOSE {port}\nUSER app\n"));
    if let Some(path) = health(found) {
        out.push_str(&format!(
            "HEALTHCHECK --interval=30s --timeout=3s --start-period=40s \\\n    CMD [\"python\", \"-c\", \"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}')\"]\n"
        ));
    }
    out.push_str(&command(found));
    out
}

fn base(found: &Found) -> String {
    if found.cuda {
        "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04".into()
    } else {
        format!("python:{}-slim", found.python)
    }
}

/// Where the service says that it is well.
fn health(found: &Found) -> Option<&'static str> {
    match found.framework? {
        Framework::Asgi | Framework::Flask if found.health => Some("/health"),
        Framework::Streamlit => Some("/_stcore/health"),
        Framework::Gradio => Some("/"),
        _ => None,
    }
}

fn command(found: &Found) -> String {
    let port = port(found);
    let entry = found.entry.as_deref().unwrap_or("app:app");
    match found.framework {
        Some(Framework::Asgi) => format!("CMD [\"uvicorn\", \"{entry}\", \"--host\", \"0.0.0.0\", \"--port\", \"{port}\"]\n"),
        Some(Framework::Flask) => format!("# gunicorn must be among the dependencies.\nCMD [\"gunicorn\", \"--bind\", \"0.0.0.0:{port}\", \"{entry}\"]\n"),
        Some(Framework::Streamlit) => format!("CMD [\"streamlit\", \"run\", \"{entry}\", \"--server.address\", \"0.0.0.0\", \"--server.port\", \"{port}\"]\n"),
        Some(Framework::Gradio) => format!("ENV GRADIO_SERVER_NAME=0.0.0.0 \\\n    GRADIO_SERVER_PORT={port}\nCMD [\"python\", \"{entry}\"]\n"),
        None => "# No framework was found: say here how the service is started.\nCMD [\"python\", \"-m\", \"http.server\", \"8000\"]\n".to_owned(),
    }
}

fn settings(found: &Found) -> String {
    let mut out = format!(
        "[image]\nname = \"myorg/{}\"\ntags = [\n    \"type=ref,event=branch\",\n    \"type=ref,event=pr\",\n    \"type=semver,pattern={{{{version}}}}\",\n    \"type=semver,pattern={{{{major}}}}.{{{{minor}}}}\",\n    \"type=sha\",\n]\n",
        found.name
    );
    if let Some(model) = &found.model {
        out.push_str(&format!(
            "\n# What makes this image this model.\n[model]\nartifact = \"{}\"\n",
            model.display()
        ));
    }
    let path = health(found).unwrap_or("/");
    out.push_str(&format!("\n[smoke]\nport = {}\npath = \"{path}\"\n", port(found)));
    out.push_str("\n[scan]\nfail-on = \"critical\"\nsarif = \"scan.sarif\"\n");
    out.push_str("\n# Development: every branch. `$NAME` comes from the environment.\n# [[push]]\n# registry = \"registry.example.com\"\n");
    out.push_str("\n# Production: only the default branch and release tags.\n# [[push]]\n# registry = \"$ECR_REGISTRY\"\n# when = \"branch == default || tag\"\n");
    out
}
