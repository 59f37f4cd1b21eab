//! `COPY` and `ADD`: what is copied, told apart into paths, downloads, repositories and inline files.

use wharf_dockerfile::lint::found;
use wharf_dockerfile::{Add, Copy, Instruction, Sources};
use wharf_oci::Digest;

use super::stage::StageBuilder;
use super::{CopyOp, CopySource, GitSource, ModeChange, Op, Parents, Problem, Source, git, path};

/// What `ADD` and `COPY` have in common.
struct Transfer<'a> {
    sources: &'a Sources,
    chown: &'a Option<String>,
    chmod: &'a Option<String>,
    link: bool,
    parents: bool,
    excludes: &'a [String],
    from: Source,
    /// Set for `ADD`.
    add: Option<&'a Add>,
}

impl StageBuilder<'_> {
    /// `ADD`.
    pub(super) fn add(&mut self, add: &Add, instruction: &Instruction) -> Result<(), Problem> {
        let transfer = Transfer {
            sources: &add.sources,
            chown: &add.chown,
            chmod: &add.chmod,
            link: add.link,
            parents: false,
            excludes: &add.exclude,
            from: Source::Context,
            add: Some(add),
        };
        self.copy_in(transfer, instruction)
    }

    /// `COPY`.
    pub(super) fn copy(
        &mut self,
        copy: &Copy,
        instruction: &Instruction,
        sources: &[Option<usize>],
    ) -> Result<(), Problem> {
        let transfer = Transfer {
            sources: &copy.sources,
            chown: &copy.chown,
            chmod: &copy.chmod,
            link: copy.link,
            parents: copy.parents,
            excludes: &copy.exclude,
            from: self.source(sources.first().copied().flatten(), "copy")?.unwrap_or(Source::Context),
            add: None,
        };
        self.copy_in(transfer, instruction)
    }

    fn copy_in(&mut self, transfer: Transfer, instruction: &Instruction) -> Result<(), Problem> {
        let chmod = given(transfer.chmod)
            .map(|mode| ModeChange::parse(mode).map_err(Problem::Instruction))
            .transpose()?;
        check_checksum(&transfer)?;
        let mut sources = Vec::new();
        for source in &transfer.sources.paths {
            sources.push(self.path_or_remote(source, &transfer, instruction)?);
        }
        for file in &transfer.sources.inline {
            self.state.take_text(file.data.len())?;
            let (name, content) = (file.path.clone(), file.data.clone().into_bytes());
            sources.push(CopySource::Inline { name, content });
        }
        let created_by = created_by(&transfer);
        let op = CopyOp {
            sources,
            dest: path::destination(&self.state.dir, &transfer.sources.destination),
            chown: given(transfer.chown).cloned(),
            // A mode would be given to what is below, too, so BuildKit looks at it.
            link: transfer.link && chmod.is_none(),
            chmod,
            excludes: transfer.excludes.to_vec(),
            unpack: transfer.add.is_some_and(|add| add.unpack.unwrap_or(true)),
            is_add: transfer.add.is_some(),
            from: transfer.from,
        };
        self.operate(instruction.span, &self.shown(instruction), created_by, Op::Copy(op))
    }

    fn path_or_remote(
        &self,
        source: &str,
        transfer: &Transfer,
        instruction: &Instruction,
    ) -> Result<CopySource, Problem> {
        let refuse = |what: &str| Err(Problem::Instruction(format!("source can't be a {what} for COPY")));
        if let Some(address) = git_address(source, transfer.add)? {
            return match transfer.add {
                Some(add) => Ok(CopySource::Git(repository(address, add)?)),
                None => refuse("git ref"),
            };
        }
        if is_http(source) {
            return match transfer.add {
                Some(add) => download(source, add),
                None => refuse("URL"),
            };
        }
        if transfer.from == Source::Context {
            self.report(found::ignored_source(source, instruction, &self.shared.ignore));
        }
        if transfer.parents {
            return Ok(with_parents(source));
        }
        Ok(CopySource::Path { path: path::rooted(source), parents: None })
    }
}

/// A flag that says something.
fn given(flag: &Option<String>) -> Option<&String> {
    flag.as_ref().filter(|text| !text.is_empty())
}

/// The line in the history. Flags that it leaves out, such as `--from` and `--link`, BuildKit leaves out too.
fn created_by(transfer: &Transfer) -> String {
    let mut words = vec![if transfer.add.is_some() { "ADD" } else { "COPY" }.to_owned()];
    if transfer.parents {
        words.push("--parents".into());
    }
    words.extend(given(transfer.chown).map(|owner| format!("--chown={owner}")));
    words.extend(given(transfer.chmod).map(|mode| format!("--chmod={mode}")));
    words.extend(transfer.sources.paths.iter().cloned());
    words.extend(transfer.sources.inline.iter().map(|file| format!("<<{}", file.path)));
    words.push(transfer.sources.destination.clone());
    words.push("# buildkit".into());
    words.join(" ")
}

fn check_checksum(transfer: &Transfer) -> Result<(), Problem> {
    if transfer.add.is_none_or(|add| given(&add.checksum).is_none()) {
        return Ok(());
    }
    let sentence = match transfer.sources.paths.as_slice() {
        [source] if is_http(source) || git_address(source, transfer.add)?.is_some() => return Ok(()),
        [_] => "checksum requires HTTP(S) or Git sources",
        _ => "checksum can't be specified for multiple sources",
    };
    Err(Problem::Instruction(sentence.into()))
}

/// Reads a git address; saying what becomes of `.git` says that an address is one.
fn git_address(source: &str, add: Option<&Add>) -> Result<Option<git::GitAddress>, Problem> {
    let known = add.is_some_and(|add| add.keep_git_dir.is_some());
    git::parse(source, known).map_err(Problem::Instruction)
}

fn is_http(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

fn repository(address: git::GitAddress, add: &Add) -> Result<GitSource, Problem> {
    let keep_git_dir = agreed(add.keep_git_dir, address.keep_git_dir, |_, _| {
        "inconsistent keep-git-dir configuration".into()
    })?;
    let checksum = agreed(given(&add.checksum).cloned(), address.checksum, |flag, query| {
        format!("checksum mismatch {flag:?} != {query:?}")
    })?;
    Ok(GitSource {
        remote: address.remote,
        reference: address.reference,
        subdir: address.subdir,
        checksum,
        keep_git_dir: keep_git_dir.unwrap_or(false),
        submodules: address.submodules.unwrap_or(true),
    })
}

/// What the flag and the address say, which must be the same where both speak.
fn agreed<T: PartialEq>(
    flag: Option<T>,
    address: Option<T>,
    conflict: impl FnOnce(&T, &T) -> String,
) -> Result<Option<T>, Problem> {
    match (flag, address) {
        (Some(flag), Some(address)) if flag != address => {
            Err(Problem::Instruction(conflict(&flag, &address)))
        }
        (flag, address) => Ok(address.or(flag)),
    }
}

fn download(url: &str, add: &Add) -> Result<CopySource, Problem> {
    let digest = |text: &String| {
        let parsed = text.parse::<Digest>();
        parsed.map_err(|error| Problem::Instruction(format!("checksum {text:?} is no digest: {error}")))
    };
    let checksum = given(&add.checksum).map(digest).transpose()?;
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = git::decode(rest.split_once('/').map_or("", |(_, path)| path));
    let name = match path::base(&path) {
        "." | "/" => "__unnamed__",
        name => name,
    };
    Ok(CopySource::Url { url: url.into(), name: name.into(), checksum, unpack: add.unpack.unwrap_or(false) })
}

/// With `--parents`, what stands before `/./` is where the kept directories begin.
fn with_parents(source: &str) -> CopySource {
    let (start, pattern) = source.split_once("/./").unwrap_or(("/", source));
    let start = path::rooted(start);
    let pattern = path::rooted(pattern);
    let required =
        (!is_glob(&start) && !is_glob(&pattern)).then(|| path::rooted(&format!("{start}{pattern}")));
    let pattern = pattern.trim_start_matches('/').to_owned();
    CopySource::Path { path: start, parents: Some(Parents { pattern, required }) }
}

fn is_glob(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => _ = characters.next(),
            _ => {}
        }
    }
    false
}
