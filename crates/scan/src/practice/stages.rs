//! What the order of a stage's instructions shows.

use wharf_dockerfile::{Dockerfile, Instruction, InstructionKind, Span, Stage};

use super::Remark;
use super::commands;
use super::instructions::{self, Surroundings, command_line};
use super::rules::{self, Rule};

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

/// The remarks about every stage; `has_ignore` says whether a .dockerignore is there, where that is known.
pub(super) fn check(dockerfile: &Dockerfile, has_ignore: Option<bool>) -> Vec<Remark> {
    let last = dockerfile.stages.len().saturating_sub(1);
    let mut remarks = Vec::new();
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        remarks.extend(base(dockerfile, number, stage));
        let mut walk = Walk { stage, is_last: number == last, has_ignore, remarks: &mut remarks };
        walk.run(gpu_base(dockerfile, number));
    }
    remarks
}

fn remark(rule: &'static Rule, instruction: &Instruction, what: String) -> Remark {
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
fn default_of(dockerfile: &Dockerfile, base: &str) -> String {
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
    has_ignore: Option<bool>,
    remarks: &'a mut Vec<Remark>,
}

impl Walk<'_> {
    fn run(&mut self, gpu: bool) {
        let wants_gpu = self.stage.instructions.iter().any(|i| i.text.contains("NVIDIA_VISIBLE_DEVICES"));
        let mut around = Surroundings { gpu: gpu || wants_gpu, ..Surroundings::default() };
        let installs: Vec<usize> =
            (0..self.stage.instructions.len()).filter(|&at| self.installs(at)).collect();
        let last_install = installs.last().copied();
        let mut copied: Vec<String> = Vec::new();
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
                    copied.push(copy.sources.destination.clone());
                }
                InstructionKind::Copy(copy) => copied.push(copy.sources.destination.clone()),
                InstructionKind::Run(_) => self.chown(instruction, &copied),
                _ => {}
            }
            let found = instructions::check(instruction, around);
            self.remarks.extend(found.into_iter().map(|(rule, what)| remark(rule, instruction, what)));
            if self.is_last {
                self.build_tools(instruction);
            }
        }
        if self.is_last {
            self.end();
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
        if all && self.has_ignore == Some(false) {
            let what = "it copies everything, and there is no .dockerignore".to_owned();
            self.remarks.push(remark(&rules::COPY_ALL, instruction, what));
        }
        if !before_install {
            return;
        }
        if let Some(model) = paths.iter().find(|path| is_model(path)) {
            let what = format!("it copies `{model}` before the dependencies are installed");
            self.remarks.push(remark(&rules::MODEL_FIRST, instruction, what));
        } else if all || paths.iter().any(|path| matches!(path.trim_matches(['.', '/']), "src" | "app")) {
            let what = "it copies the source before the dependencies are installed".to_owned();
            self.remarks.push(remark(&rules::SOURCE_FIRST, instruction, what));
        }
    }

    fn chown(&mut self, instruction: &Instruction, copied: &[String]) {
        let Some(line) = command_line(instruction) else { return };
        for command in commands::parse(&line) {
            let changes = ["chown", "chmod", "chgrp"].contains(&command.program.as_str())
                && command.has_flag(&["-R", "--recursive"]);
            let plain = |path: &str| path.trim_end_matches(['/', '.']).to_owned();
            let mut hit = command.operands().skip(1).map(plain).filter(|target| {
                copied.iter().map(|path| plain(path)).any(|path| {
                    path.is_empty()
                        || target.is_empty()
                        || path == *target
                        || path.starts_with(&format!("{target}/"))
                        || target.starts_with(&format!("{path}/"))
                })
            });
            if changes && let Some(target) = hit.next() {
                let target = if target.is_empty() { "." } else { &target };
                let what =
                    format!("`{} -R` writes everything below `{target}` a second time", command.program);
                self.remarks.push(remark(&rules::CHOWN, instruction, what));
                return;
            }
        }
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

    /// What the end of the last stage lacks.
    fn end(&mut self) {
        let stage = self.stage;
        let user = stage.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
            InstructionKind::User(user) => Some((user.as_str(), instruction)),
            _ => None,
        });
        let at_from = |rule, what: &str| Remark {
            rule,
            span: Span { ..stage.span },
            instruction: stage.text.clone(),
            what: what.to_owned(),
            comments: stage.comments.clone(),
        };
        match user {
            Some((user, instruction)) if matches!(user.split(':').next(), Some("root" | "0")) => {
                self.remarks.push(remark(&rules::USER_ROOT, instruction, "the image runs as root".into()));
            }
            None if stage.base != "scratch" => {
                self.remarks.push(at_from(
                    &rules::USER_ROOT,
                    "the image runs as whoever its base says, mostly root: there is no USER",
                ));
            }
            _ => {}
        }
        let has = |wanted: fn(&InstructionKind) -> bool| stage.instructions.iter().any(|i| wanted(&i.kind));
        let serves = has(|kind| matches!(kind, InstructionKind::Expose(_)));
        if serves && !has(|kind| matches!(kind, InstructionKind::Healthcheck(_))) {
            self.remarks
                .push(at_from(&rules::HEALTHCHECK_MISSING, "nobody can ask the service whether it is well"));
        }
    }
}

fn is_model(path: &str) -> bool {
    let plain = path.trim_end_matches(['/', '*', '.']).trim_start_matches("./");
    let lower = path.to_lowercase();
    MODELS.iter().any(|ending| lower.ends_with(ending))
        || MODEL_DIRECTORIES.contains(&plain.rsplit('/').next().unwrap_or(plain))
}
