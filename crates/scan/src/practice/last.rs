//! What the last stage makes of the image: whom it runs as, and whether its health check and its modules can be reached. Of
//! what the image itself shows, the text can only guess; it does so where there is no image yet.

use wharf_dockerfile::{Dockerfile, Instruction, InstructionKind, Stage};

use super::commands::{self, Command};
use super::image::is_root;
use super::instructions::command_line;
use super::rules::{self, Rule};
use super::stages::{default_of, remark};
use super::{BuildContext, Remark, health};

/// Programs that small images lack, and clients that Python does not bring.
const FETCHERS: [&str; 2] = ["curl", "wget"];
const CLIENTS: [&str; 4] = ["requests", "httpx", "aiohttp", "urllib3"];

/// The remarks about the end of the file; `guesses` also what an image would show for certain.
pub(super) fn check(dockerfile: &Dockerfile, context: Option<&BuildContext>, guesses: bool) -> Vec<Remark> {
    let Some(stage) = dockerfile.stages.last() else { return Vec::new() };
    let last = Last { dockerfile, stage, chain: chain(dockerfile), context };
    let mut remarks = Vec::new();
    remarks.extend(last.user());
    remarks.extend(last.unasked());
    if guesses {
        remarks.extend(last.user_site());
        remarks.extend(last.health_program());
        remarks.extend(last.health_module());
    }
    remarks
}

/// The last stage and those it is built on.
struct Last<'a> {
    dockerfile: &'a Dockerfile,
    stage: &'a Stage,
    /// The last stage first.
    chain: Vec<&'a Stage>,
    context: Option<&'a BuildContext>,
}

fn chain(dockerfile: &Dockerfile) -> Vec<&Stage> {
    let mut chain: Vec<&Stage> = Vec::new();
    let mut at = dockerfile.stages.len().checked_sub(1);
    while let Some(index) = at {
        let stage = &dockerfile.stages[index];
        chain.push(stage);
        let base = stage.base.to_lowercase();
        at = dockerfile.stages[..index].iter().rposition(|below| below.name.as_ref() == Some(&base));
    }
    chain
}

impl Last<'_> {
    fn at_from(&self, rule: &'static Rule, what: &str) -> Remark {
        Remark {
            rule,
            span: self.stage.span,
            instruction: self.stage.text.clone(),
            what: what.to_owned(),
            comments: self.stage.comments.clone(),
        }
    }

    /// The instructions of the chain, the last one first.
    fn backwards(&self) -> impl Iterator<Item = &Instruction> {
        self.chain.iter().flat_map(|stage| stage.instructions.iter().rev())
    }

    fn commands(&self) -> Vec<Command> {
        self.backwards().filter_map(command_line).flat_map(|line| commands::parse(&line)).collect()
    }

    fn user(&self) -> Option<Remark> {
        let user = self.stage.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
            InstructionKind::User(user) => Some((user.as_str(), instruction)),
            _ => None,
        });
        match user {
            Some((user, instruction)) if is_root(user) => {
                Some(remark(&rules::USER_ROOT, instruction, "the image runs as root".into()))
            }
            None if self.stage.base != "scratch" => Some(self.at_from(
                &rules::USER_ROOT,
                "the image runs as whoever its base says, mostly root: there is no USER",
            )),
            _ => None,
        }
    }

    fn unasked(&self) -> Option<Remark> {
        let has =
            |wanted: fn(&InstructionKind) -> bool| self.stage.instructions.iter().any(|i| wanted(&i.kind));
        let serves = has(|kind| matches!(kind, InstructionKind::Expose(_)));
        let asked = has(|kind| matches!(kind, InstructionKind::Healthcheck(_)));
        let what = "nobody can ask the service whether it is well";
        (serves && !asked).then(|| self.at_from(&rules::HEALTHCHECK_MISSING, what))
    }

    /// Modules below /root, and a user who may not go there.
    fn user_site(&self) -> Option<Remark> {
        let user = self.backwards().find_map(|instruction| match &instruction.kind {
            InstructionKind::User(user) => Some(user.as_str()),
            _ => None,
        })?;
        let opened = self.backwards().filter_map(command_line).any(|line| {
            let opens = commands::parse(&line).iter().any(|command| command.program == "chmod");
            opens && line.contains("/root")
        });
        if is_root(user) || opened {
            return None;
        }
        let place = self.backwards().find(|instruction| match &instruction.kind {
            InstructionKind::Copy(copy) => copy.sources.destination.starts_with("/root/.local"),
            InstructionKind::Run(_) => command_line(instruction).is_some_and(|line| {
                let installs = |c: &Command| c.is("pip", "install") && c.has_flag(&["--user"]);
                commands::parse(&line).iter().any(installs) && self.is_root_at(instruction)
            }),
            _ => false,
        })?;
        let what = format!("it puts modules into /root, where `{user}`, who runs the image, may not look");
        Some(remark(&rules::USER_SITE, place, what))
    }

    /// Whether an instruction runs as root: there is no other USER before it.
    fn is_root_at(&self, at: &Instruction) -> bool {
        let before = self.backwards().skip_while(|instruction| !std::ptr::eq(*instruction, at));
        let user = before.filter_map(|instruction| match &instruction.kind {
            InstructionKind::User(user) => Some(user.as_str()),
            _ => None,
        });
        user.take(1).all(is_root)
    }

    fn health_check(&self) -> Option<(&Instruction, Vec<String>)> {
        self.backwards().find_map(|instruction| match &instruction.kind {
            InstructionKind::Healthcheck(check) => Some((instruction, health::words(check)?)),
            _ => None,
        })
    }

    /// A program that small bases lack, and that nothing here installs.
    fn health_program(&self) -> Option<Remark> {
        let (instruction, words) = self.health_check()?;
        let program = words.first()?.rsplit('/').next()?;
        let base = default_of(self.dockerfile, &self.chain.last()?.base);
        // Alpine's busybox has a wget.
        let lacks = match program {
            "wget" => base.contains("slim") || base.contains("distroless"),
            _ => ["slim", "alpine", "distroless"].iter().any(|word| base.contains(word)),
        };
        let installed =
            self.commands().iter().any(|c| c.operands().any(|word| word.split('=').next() == Some(program)));
        let copied = self.backwards().any(|instruction| match &instruction.kind {
            InstructionKind::Copy(copy) => copy.sources.paths.iter().any(|path| path.contains(program)),
            _ => false,
        });
        let what = format!(
            "the health check wants `{program}`, which `{base}` does not have and nothing here installs"
        );
        (FETCHERS.contains(&program) && lacks && !installed && !copied)
            .then(|| remark(&rules::HEALTHCHECK_TOOL, instruction, what))
    }

    /// A module that Python does not bring and the project does not name. Something else may bring it.
    fn health_module(&self) -> Option<Remark> {
        let (instruction, words) = self.health_check()?;
        let named = |module: &str| {
            let in_text = self.dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
            in_text.filter_map(command_line).any(|line| line.contains(module))
                || self.context.is_some_and(|context| context.depends_on(module) != Some(false))
        };
        let module =
            health::modules(&words).into_iter().find(|module| CLIENTS.contains(module) && !named(module))?;
        let what =
            format!("the health check imports `{module}`, which the project does not name as a dependency");
        Some(remark(&rules::HEALTHCHECK_MODULE, instruction, what))
    }
}
