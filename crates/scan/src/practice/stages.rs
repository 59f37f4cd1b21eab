//! What the order of a stage's instructions shows.

use std::path::{Component, Path, PathBuf};

use wharf_dockerfile::{Add, Copy, Dockerfile, Instruction, InstructionKind, Stage};

use super::commands;
use super::image::size;
use super::instructions::{self, Surroundings, command_line};
use super::rules::{self, Rule};
use super::{BuildContext, Remark};

/// Endings of model files, and names of directories with them.
const MODELS: [&str; 16] = [
    ".pkl",
    ".pickle",
    ".joblib",
    ".pt",
    ".pth",
    ".onnx",
    ".h5",
    ".keras",
    ".safetensors",
    ".gguf",
    ".bin",
    ".ckpt",
    ".tflite",
    ".pb",
    ".skops",
    ".npz",
];
const MODEL_DIRECTORIES: [&str; 6] = ["model", "models", "artifacts", "weights", "checkpoints", "mlruns"];
/// Packages that build programs.
const BUILD_TOOLS: [&str; 14] = [
    "build-essential",
    "gcc",
    "g++",
    "make",
    "cmake",
    "clang",
    "python3-dev",
    "cargo",
    "rustc",
    "golang",
    "build-base",
    "gfortran",
    "ninja-build",
    "pkg-config",
];

/// The remarks about every stage.
pub(super) fn check(dockerfile: &Dockerfile, context: Option<&BuildContext>) -> Vec<Remark> {
    let last = dockerfile.stages.len().saturating_sub(1);
    let mut remarks = Vec::new();
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        remarks.extend(base(dockerfile, number, stage));
        let mut walk = Walk { stage, is_last: number == last, context, remarks: &mut remarks };
        walk.run(gpu_base(dockerfile, number));
    }
    remarks
}

pub(super) fn remark(rule: &'static Rule, instruction: &Instruction, what: String) -> Remark {
    Remark {
        rule,
        span: instruction.span,
        instruction: instruction.text.clone(),
        what,
        comments: instruction.comments.clone(),
    }
}

/// The base of a stage, unless it is another stage, `scratch`, or what a variable says.
fn base(dockerfile: &Dockerfile, number: usize, stage: &Stage) -> Vec<Remark> {
    let name = default_of(dockerfile, &stage.base);
    let is_stage =
        dockerfile.stages[..number].iter().any(|s| s.name.as_deref() == Some(&name.to_lowercase()));
    // Of a name that a variable is part of, only what is written is known.
    let is_partly_known = name.contains('$') && name.ends_with(":latest");
    if is_stage || name == "scratch" || (name.contains('$') && !is_partly_known) || name.is_empty() {
        return Vec::new();
    }
    let at = |rule, what| Remark {
        rule,
        span: stage.span,
        instruction: stage.text.clone(),
        what,
        comments: stage.comments.clone(),
    };
    if name.contains("@sha256:") {
        return Vec::new();
    }
    let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
    let mut remarks = Vec::new();
    match tag {
        None => remarks.push(at(&rules::BASE_UNTAGGED, format!("the base `{name}` names no version"))),
        Some("latest") => remarks.push(at(&rules::BASE_LATEST, format!("the base is `{name}`"))),
        Some(_) => {}
    }
    remarks.push(at(&rules::BASE_NOT_PINNED, format!("the base `{name}` is named without a digest")));
    remarks
}

/// A base with the defaults of the arguments before the first FROM filled in.
pub(super) fn default_of(dockerfile: &Dockerfile, base: &str) -> String {
    let mut text = base.to_owned();
    for argument in dockerfile.global_args.iter().flat_map(|args| &args.args) {
        let Some(default) = &argument.default else { continue };
        let default = default.trim_matches(['"', '\'']);
        text = text.replace(&format!("${{{}}}", argument.name), default);
        if text == format!("${}", argument.name) {
            text = default.to_owned();
        }
    }
    text
}

fn gpu_base(dockerfile: &Dockerfile, number: usize) -> bool {
    let stage = &dockerfile.stages[number];
    let base = default_of(dockerfile, &stage.base).to_lowercase();
    let below = dockerfile.stages[..number].iter().rposition(|s| s.name.as_deref() == Some(base.as_str()));
    ["cuda", "nvidia", "gpu", "rocm", "tritonserver"].iter().any(|word| base.contains(word))
        || below.is_some_and(|below| gpu_base(dockerfile, below))
}

/// A walk along the instructions of a stage.
struct Walk<'a> {
    stage: &'a Stage,
    is_last: bool,
    context: Option<&'a BuildContext>,
    remarks: &'a mut Vec<Remark>,
}

impl Walk<'_> {
    fn run(&mut self, gpu: bool) {
        let wants_gpu = self.stage.instructions.iter().any(|i| i.text.contains("NVIDIA_VISIBLE_DEVICES"));
        let mut around = Surroundings { gpu: gpu || wants_gpu, ..Surroundings::default() };
        let installs: Vec<usize> =
            (0..self.stage.instructions.len()).filter(|&at| self.installs(at)).collect();
        let last_install = installs.last().copied();
        let mut copied: Vec<Copied> = Vec::new();
        let mut workdir = String::from("/");
        for (at, instruction) in self.stage.instructions.iter().enumerate() {
            match &instruction.kind {
                InstructionKind::Shell(words) => {
                    around.pipefail = words.iter().any(|word| {
                        word.contains("pipefail") || word.ends_with('e') && word.starts_with("-o")
                    });
                }
                InstructionKind::Env(pairs) => {
                    around.pip_no_cache |= pairs.iter().any(|pair| pair.key == "PIP_NO_CACHE_DIR");
                }
                InstructionKind::Copy(copy) if copy.from.is_none() => {
                    let before = last_install.is_some_and(|install| at < install);
                    self.copy(instruction, &copy.sources.paths, before);
                    let bytes = self.bytes(&copy.sources.paths);
                    copied.push(Copied { to: place(&workdir, &copy.sources.destination), bytes });
                }
                InstructionKind::Copy(Copy { sources, .. }) | InstructionKind::Add(Add { sources, .. }) => {
                    copied.push(Copied { to: place(&workdir, &sources.destination), bytes: None });
                }
                InstructionKind::Workdir(directory) => workdir = place(&workdir, directory),
                InstructionKind::Run(_) => self.chown(instruction, &workdir, &copied),
                _ => {}
            }
            let found = instructions::check(instruction, around);
            self.remarks.extend(found.into_iter().map(|(rule, what)| remark(rule, instruction, what)));
            if self.is_last {
                self.build_tools(instruction);
            }
        }
    }

    /// Whether the instruction installs what the project depends on.
    fn installs(&self, at: usize) -> bool {
        let Some(line) = command_line(&self.stage.instructions[at]) else { return false };
        commands::parse(&line).iter().any(|command| {
            command.is("pip", "install")
                || command.is("uv pip", "install")
                || command.is("uv", "sync")
                || command.is("poetry", "install")
                || command.is("conda", "install")
                || (command.is("conda", "env"))
                || command.is("npm", "ci")
                || command.is("npm", "install")
        })
    }

    fn copy(&mut self, instruction: &Instruction, paths: &[String], before_install: bool) {
        let all = paths.iter().any(|path| matches!(path.as_str(), "." | "./" | "*"));
        if let Some(context) = self.context.filter(|context| all && !context.has_ignore_file()) {
            let what = format!("it copies everything{}, and there is no .dockerignore", weights(context));
            self.remarks.push(remark(&rules::COPY_ALL, instruction, what));
        }
        if !before_install {
            return;
        }
        if let Some(model) = paths.iter().find(|path| is_model(path)) {
            let bytes = self.bytes(std::slice::from_ref(model)).map(|bytes| format!(" ({})", size(bytes)));
            let what = format!(
                "it copies `{model}`{} before the dependencies are installed",
                bytes.unwrap_or_default()
            );
            self.remarks.push(remark(&rules::MODEL_FIRST, instruction, what));
        } else if all || paths.iter().any(|path| matches!(path.trim_matches(['.', '/']), "src" | "app")) {
            let what = "it copies the source before the dependencies are installed".to_owned();
            self.remarks.push(remark(&rules::SOURCE_FIRST, instruction, what));
        }
    }

    fn chown(&mut self, instruction: &Instruction, workdir: &str, copied: &[Copied]) {
        let Some(line) = command_line(instruction) else { return };
        for command in commands::parse(&line) {
            let changes = ["chown", "chmod", "chgrp"].contains(&command.program.as_str())
                && command.has_flag(&["-R", "--recursive"]);
            let mut targets = command.operands().skip(1).filter(|_| changes).map(|path| place(workdir, path));
            let hit = targets.find_map(|target| {
                let under: Vec<&Copied> = copied.iter().filter(|copied| copied.meets(&target)).collect();
                (!under.is_empty()).then_some((target, under))
            });
            let Some((target, under)) = hit else { continue };
            let bytes: u64 = under.iter().filter_map(|copied| copied.bytes).sum();
            let how_much =
                if bytes > 0 { format!(", {} of what is copied", size(bytes)) } else { String::new() };
            let what = format!(
                "`{} -R` writes everything below `{target}` a second time{how_much}",
                command.program
            );
            self.remarks.push(remark(&rules::CHOWN, instruction, what));
            return;
        }
    }

    /// The bytes of what these paths take from the context, where it is known.
    fn bytes(&self, paths: &[String]) -> Option<u64> {
        self.context?.bytes(paths)
    }

    fn build_tools(&mut self, instruction: &Instruction) {
        let Some(line) = command_line(instruction) else { return };
        let commands = commands::parse(&line);
        let removed = commands.iter().any(|c| {
            ["purge", "remove", "autoremove", "del"].iter().any(|word| c.operands().next() == Some(word))
        });
        let installs = ["apt-get", "apt", "apk", "yum", "dnf", "microdnf"];
        let found: Vec<&str> = commands
            .iter()
            .filter(|command| installs.contains(&command.program.as_str()))
            .flat_map(|command| command.operands().skip(1))
            .map(|package| package.split('=').next().unwrap_or(package))
            .filter(|package| BUILD_TOOLS.contains(package))
            .collect();
        if !found.is_empty() && !removed {
            let what = format!("the last stage has build tools: {}", found.join(", "));
            self.remarks.push(remark(&rules::BUILD_TOOLS, instruction, what));
        }
    }
}

/// Where a `COPY` has put something.
struct Copied {
    /// Seen from the root.
    to: String,
    /// How much it was, where it came from a context that is known.
    bytes: Option<u64>,
}

impl Copied {
    /// Whether it lies below `target`, or `target` below it.
    fn meets(&self, target: &str) -> bool {
        let (to, target) = (Path::new(&self.to), Path::new(target));
        to.starts_with(target) || target.starts_with(to)
    }
}

/// Where `path` is, seen from `workdir`. What begins with a variable is taken for a place of its own.
fn place(workdir: &str, path: &str) -> String {
    let from = if path.starts_with('$') { "" } else { workdir };
    let parts = Path::new(from).join(path);
    let parts: PathBuf = parts.components().filter(|part| *part != Component::CurDir).collect();
    parts.display().to_string()
}

/// What a context weighs, and what most of it is.
fn weights(context: &BuildContext) -> String {
    let largest = context.largest();
    let total: u64 = largest.iter().map(|(_, bytes)| bytes).sum();
    let parts: Vec<String> =
        largest.iter().take(3).map(|(name, bytes)| format!("`{name}` {}", size(*bytes))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({}: {})", size(total), parts.join(", ")) }
}

fn is_model(path: &str) -> bool {
    let plain = path.trim_end_matches(['/', '*', '.']).trim_start_matches("./");
    let lower = path.to_lowercase();
    MODELS.iter().any(|ending| lower.ends_with(ending))
        || MODEL_DIRECTORIES.contains(&plain.rsplit('/').next().unwrap_or(plain))
}
