//! What single instructions show.

use wharf_dockerfile::{Add, Copy, Instruction, InstructionKind, RunProgram};

use super::commands::{self, Command};
use super::rules::{self, Rule};

/// The shell's text of a RUN; of the exec form, the words.
pub(super) fn command_line(instruction: &Instruction) -> Option<String> {
    Some(match instruction.run_program()? {
        RunProgram::Shell(text) => text,
        RunProgram::Exec(words) => match words.as_slice() {
            [shell, flag, text] if shell.ends_with("sh") && flag.ends_with('c') => text.clone(),
            words => words.join(" "),
        },
        RunProgram::Script { data, .. } => data,
    })
}

/// What was found: the rule, and the words for it.
pub(super) type Found = Vec<(&'static Rule, String)>;

/// What the stage has said before an instruction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings {
    /// The shell stops at a failure within a pipe.
    pub(super) pipefail: bool,
    /// pip keeps nothing, by a variable.
    pub(super) pip_no_cache: bool,
    /// The base brings a GPU's libraries, or the image says it wants one.
    pub(super) gpu: bool,
}

/// The remarks about one instruction.
pub(super) fn check(instruction: &Instruction, around: Surroundings) -> Found {
    let mut found = Vec::new();
    match &instruction.kind {
        InstructionKind::Run(run) => {
            let Some(line) = command_line(instruction) else { return found };
            let commands = commands::parse(&line);
            let cached = |place: &str| {
                run.mounts.iter().any(|mount| {
                    let text = format!("{mount:?}");
                    text.contains("cache") && text.contains(place)
                })
            };
            apt(&commands, &line, cached("apt"), &mut found);
            other_systems(&commands, &line, &mut found);
            let pip_cached =
                around.pip_no_cache || cached("pip") || cached("/uv") || line.contains("PIP_NO_CACHE_DIR=");
            pip(&commands, pip_cached, around.gpu, &mut found);
            languages(&commands, &mut found);
            shell(&commands, &line, around.pipefail, &mut found);
        }
        InstructionKind::Copy(copy) => copied(copy, &mut found),
        InstructionKind::Add(add) => added(add, &mut found),
        _ => {}
    }
    found
}

fn apt(commands: &[Command], line: &str, cached: bool, found: &mut Found) {
    let of = |subcommand: &'static str| {
        commands.iter().filter(move |c| c.is("apt-get", subcommand) || c.is("apt", subcommand))
    };
    if commands.iter().any(|command| command.program == "apt") {
        found.push((&rules::APT_NOT_GET, "it uses `apt`, which is made for people".into()));
    }
    for install in of("install") {
        if !install.has_flag(&["-y", "--yes", "--assume-yes", "-q"]) && !line.contains("Assume-Yes") {
            found.push((&rules::APT_YES, "it installs and waits for an answer".into()));
        }
        if !install.has_flag(&["--no-install-recommends"]) && !line.contains("Install-Recommends") {
            found.push((&rules::APT_NO_RECOMMENDS, "it installs what is only recommended, too".into()));
        }
        let loose: Vec<&str> = install
            .operands()
            .skip(1)
            .filter(|p| !p.contains(['=', '$', '/', '.']) && !p.ends_with(".deb"))
            .collect();
        if !loose.is_empty() {
            found.push((&rules::APT_UNPINNED, format!("it names no version of {}", some(&loose))));
        }
    }
    let (updates, installs) = (of("update").count(), of("install").count());
    if updates > 0 && installs == 0 && of("upgrade").count() + of("dist-upgrade").count() == 0 {
        found.push((&rules::APT_UPDATE_ALONE, "it updates the lists and installs nothing".into()));
    }
    if updates > 0 && installs > 0 && !cached && !line.contains("/var/lib/apt/lists") {
        found.push((&rules::APT_LISTS, "it leaves apt's lists in the layer".into()));
    }
}

fn other_systems(commands: &[Command], line: &str, found: &mut Found) {
    for command in commands {
        if command.is("apk", "add") {
            if !command.has_flag(&["--no-cache"]) && !line.contains("/var/cache/apk") {
                found.push((&rules::APK_CACHE, "it leaves apk's index in the layer".into()));
            }
            let loose: Vec<&str> =
                command.operands().skip(1).filter(|p| !p.contains(['=', '~', '<', '>', '$', '.'])).collect();
            if !loose.is_empty() {
                found.push((&rules::APK_UNPINNED, format!("it names no version of {}", some(&loose))));
            }
        }
        let installs = ["yum", "dnf", "microdnf"].iter().any(|p| command.is(p, "install"));
        if installs {
            if !command.has_flag(&["-y", "--assumeyes"]) {
                found.push((&rules::YUM_YES, "it installs and waits for an answer".into()));
            }
            if !line.contains("clean all") && !line.contains("/var/cache") {
                found.push((
                    &rules::YUM_CACHE,
                    format!("it leaves the cache of {} in the layer", command.program),
                ));
            }
        }
        if (command.is("zypper", "install") || command.is("zypper", "in"))
            && !line.contains("-n ")
            && !command.has_flag(&["-y", "--non-interactive"])
        {
            found.push((&rules::ZYPPER_YES, "it installs and waits for an answer".into()));
        }
    }
}

fn pip(commands: &[Command], cached: bool, gpu: bool, found: &mut Found) {
    for command in commands.iter().filter(|c| c.is("pip", "install") || c.is("uv pip", "install")) {
        let is_uv = command.program.starts_with("uv");
        if !cached && !is_uv && !command.has_flag(&["--no-cache-dir"]) {
            found.push((&rules::PIP_CACHE, "it leaves pip's downloads in the layer".into()));
        }
        let wanted = requirements(command);
        let loose: Vec<&str> = wanted.iter().copied().filter(|name| !is_pinned(name)).collect();
        let tools = ["pip", "setuptools", "wheel"];
        if loose.iter().any(|name| !tools.contains(name))
            && !command.has_flag(&["-c", "--constraint", "--require-hashes"])
        {
            found.push((&rules::PIP_UNPINNED, format!("it names no version of {}", some(&loose))));
        }
        let index = command.has_flag(&["--index-url", "-i", "--extra-index-url", "--find-links", "-f"]);
        let heavy = ["torch", "torchvision", "torchaudio"];
        let names: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|name| heavy.contains(&base_name(name)) && !name.contains("+cpu"))
            .collect();
        if !gpu && !index && !names.is_empty() {
            found.push((
                &rules::PIP_CUDA,
                format!("it installs {} with CUDA into an image without a GPU", some(&names)),
            ));
        }
    }
}

/// What pip is told to install by name; files, URLs and the values of flags are not.
fn requirements(command: &Command) -> Vec<&str> {
    const WITH_VALUE: [&str; 18] = [
        "-r",
        "--requirement",
        "-c",
        "--constraint",
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "-t",
        "--target",
        "--prefix",
        "--root",
        "--timeout",
        "--retries",
        "--trusted-host",
        "--platform",
        "-e",
    ];
    let mut names = Vec::new();
    let mut words = command.words.iter().skip_while(|word| *word != "install").skip(1);
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') && !is_place(word) {
            names.push(word.as_str());
        }
    }
    names
}

fn is_place(word: &str) -> bool {
    word.starts_with(['.', '/', '$'])
        || word.contains("://")
        || word.contains('/')
        || [".whl", ".tar.gz", ".zip"].iter().any(|s| word.ends_with(s))
}

fn is_pinned(name: &str) -> bool {
    ["==", "===", "~=", " @ ", "<", ">", "$"].iter().any(|mark| name.contains(mark))
}

fn base_name(name: &str) -> &str {
    name.split(['=', '<', '>', '~', '!', '[', '@', ' ']).next().unwrap_or(name)
}

fn languages(commands: &[Command], found: &mut Found) {
    for command in commands {
        if command.is("npm", "install") || command.is("npm", "i") || command.is("yarn", "add") {
            let loose: Vec<&str> = command
                .operands()
                .skip(1)
                .filter(|n| {
                    !n.trim_start_matches('@').contains('@') && !is_place(n.trim_start_matches('@'))
                        || n.starts_with('@') && n.matches('@').count() == 1
                })
                .collect();
            if !loose.is_empty() {
                found.push((&rules::NPM_UNPINNED, format!("it names no version of {}", some(&loose))));
            }
        }
        if command.is("gem", "install") && !command.has_flag(&["-v", "--version"]) {
            let loose: Vec<&str> =
                command.operands().skip(1).filter(|n| !n.contains(':') && !is_place(n)).collect();
            if !loose.is_empty() {
                found.push((&rules::GEM_UNPINNED, format!("it names no version of {}", some(&loose))));
            }
        }
        if command.is("cargo", "install") && !command.has_flag(&["--locked"]) {
            found.push((&rules::CARGO_LOCKED, "it builds with whatever versions are newest".into()));
        }
    }
}

fn shell(commands: &[Command], line: &str, pipefail: bool, found: &mut Found) {
    if commands.iter().any(|command| command.program == "sudo") {
        found.push((&rules::SUDO, "it uses sudo".into()));
    }
    if commands.iter().any(|command| command.program == "cd")
        && commands.len() > 1
        && commands[0].program == "cd"
    {
        found.push((&rules::CD, "it changes the directory for this RUN only".into()));
    }
    let piped = commands.windows(2).find(|pair| pair[0].piped);
    if let Some([from, to]) = piped {
        let fetches = ["curl", "wget"].contains(&from.program.as_str());
        let runs = ["sh", "bash", "zsh", "python", "python3", "perl", "ruby"].contains(&to.program.as_str());
        if fetches && runs {
            found.push((&rules::CURL_PIPE, format!("it runs what {} fetches, unseen", from.program)));
        }
        if !pipefail && !line.contains("pipefail") {
            found.push((
                &rules::PIPEFAIL,
                format!("a failure of `{}` within the pipe goes unseen", from.program),
            ));
        }
    }
}

/// Names of files that hold credentials.
const SECRETS: [&str; 14] = [
    ".env",
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "kaggle.json",
    "service-account.json",
    "secrets.yaml",
    "secrets.json",
];

fn copied(copy: &Copy, found: &mut Found) {
    if copy.from.is_none() {
        secrets(&copy.sources.paths, found);
    }
}

fn secrets(paths: &[String], found: &mut Found) {
    for path in paths {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
        let is_secret = SECRETS.contains(&name)
            || name.starts_with(".env.") && !name.contains("example") && !name.contains("sample")
            || [".ssh", ".aws"].contains(&name);
        if is_secret {
            found.push((
                &rules::COPY_SECRET,
                format!("it copies `{path}`, which is a file of credentials by its name"),
            ));
        }
    }
}

fn added(add: &Add, found: &mut Found) {
    secrets(&add.sources.paths, found);
    let is_url = |path: &&String| path.contains("://") || path.starts_with("git@");
    let is_archive = |path: &&String| {
        [".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst", ".txz", ".tbz2"]
            .iter()
            .any(|suffix| path.ends_with(suffix))
    };
    if let Some(url) = add.sources.paths.iter().find(is_url) {
        if add.checksum.is_none() && !url.contains("checksum=") {
            found.push((&rules::ADD_URL, format!("it takes whatever `{url}` gives")));
        }
    } else if !add.sources.paths.iter().any(|path| is_archive(&path) || path.contains(['*', '$'])) {
        found.push((&rules::ADD_FOR_COPY, "it adds plain files".into()));
    }
}

/// Names for a sentence: the first few.
fn some(names: &[&str]) -> String {
    let first: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0..=3 => first.join(", "),
        more => format!("{} and {} more", first.join(", "), more - 3),
    }
}
