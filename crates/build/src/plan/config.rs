//! The instructions that change the image config and no file.

use wharf_dockerfile::expose;
use wharf_dockerfile::lint::found;
use wharf_dockerfile::{ArgDeclaration, CommandLine, Instruction, KeyValue, Span};
use wharf_oci::{Empty, Healthcheck};

use super::args::{SCAN_CONTEXT, SCAN_STAGE};
use super::stage::{StageBuilder, capitalised};
use super::{Op, Problem, Step, WorkdirOp, path, signal, text};

impl StageBuilder<'_> {
    /// `ARG`: a value given to the build, else the default, else the global argument of that name.
    pub(super) fn arg(&mut self, args: &[ArgDeclaration], instruction: &Instruction) -> Result<(), Problem> {
        let mut shown = Vec::with_capacity(args.len());
        for arg in args {
            self.report(found::secret("ARG", &arg.name, instruction.span));
            let value = match (self.shared.build_args.get(&arg.name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    let expansion = self.shared.lexer.word(default, self.state.env.lookup())?;
                    self.shared.checks.undefined(&expansion.unset, &self.state, instruction.span);
                    Some(expansion.text)
                }
                (None, None) => self.shared.globals.env.get(&arg.name).map(str::to_owned),
            };
            let inherited = arg.default.is_none()
                && !self.shared.build_args.contains_key(&arg.name)
                && self.shared.globals.env.get(&arg.name).is_some();
            self.shared.notes.arg(arg, value.as_deref(), inherited, instruction.span);
            if let Some(value) = &value
                && ![SCAN_CONTEXT, SCAN_STAGE].contains(&arg.name.as_str())
            {
                self.state.env.set(&arg.name, value.as_str());
            }
            shown.push(match &value {
                Some(value) => format!("{}={value}", arg.name),
                None => arg.name.clone(),
            });
            self.state.args.declare(&arg.name, value);
        }
        self.note(instruction.span, format!("ARG {}", shown.join(" ")))
    }

    /// `ENV`.
    pub(super) fn set_env(&mut self, pairs: &[KeyValue], instruction: &Instruction) -> Result<(), Problem> {
        for pair in pairs {
            self.report(found::legacy_pair(pair, instruction));
            self.report(found::secret("ENV", &pair.key, instruction.span));
            self.state.env.set(&pair.key, pair.value.as_str());
            self.state.image_env.set(&pair.key, &pair.value);
        }
        self.note(instruction.span, format!("ENV{}", joined(pairs)))
    }

    /// `LABEL`.
    pub(super) fn set_labels(
        &mut self,
        pairs: &[KeyValue],
        instruction: &Instruction,
    ) -> Result<(), Problem> {
        for pair in pairs {
            self.report(found::legacy_pair(pair, instruction));
            self.state.image.config.labels.insert(pair.key.clone(), pair.value.clone());
        }
        self.note(instruction.span, format!("LABEL{}", joined(pairs)))
    }

    /// `MAINTAINER`.
    pub(super) fn set_author(&mut self, name: &str, span: Span) -> Result<(), Problem> {
        self.state.image.author = Some(name.into());
        self.note(span, format!("MAINTAINER {name}"))
    }

    /// `CMD`.
    pub(super) fn set_cmd(&mut self, line: &CommandLine, instruction: &Instruction) -> Result<(), Problem> {
        let before = self.cmd.replace(instruction.span);
        self.report(found::repeated(before, instruction));
        let words = self.command_line(line, instruction);
        let created_by = format!("CMD {}", text::quoted_list(&words));
        self.state.image.config.cmd = (!words.is_empty()).then_some(words);
        self.state.image.config.args_escaped = true;
        self.note(instruction.span, created_by)
    }

    /// `ENTRYPOINT`: drops a `CMD` that this stage has not set itself.
    pub(super) fn set_entrypoint(
        &mut self,
        line: &CommandLine,
        instruction: &Instruction,
    ) -> Result<(), Problem> {
        let before = self.entrypoint.replace(instruction.span);
        self.report(found::repeated(before, instruction));
        let words = self.command_line(line, instruction);
        let created_by = format!("ENTRYPOINT {}", text::quoted_list(&words));
        self.state.image.config.entrypoint = (!words.is_empty()).then_some(words);
        if self.cmd.is_none() {
            self.state.image.config.cmd = None;
        }
        self.note(instruction.span, created_by)
    }

    fn command_line(&self, line: &CommandLine, instruction: &Instruction) -> Vec<String> {
        match line {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(line) => {
                if self.state.image.config.shell.as_ref().is_none_or(Vec::is_empty) {
                    self.report(found::shell_form(instruction));
                }
                self.with_shell(line)
            }
        }
    }

    /// `HEALTHCHECK`.
    pub(super) fn set_healthcheck(
        &mut self,
        check: &Healthcheck,
        instruction: &Instruction,
    ) -> Result<(), Problem> {
        let before = self.healthcheck.replace(instruction.span);
        self.report(found::repeated(before, instruction));
        self.state.image.config.healthcheck = Some(check.clone());
        self.note(instruction.span, format!("HEALTHCHECK {}", text::healthcheck(check)))
    }

    /// `EXPOSE`: each word may expand to several.
    pub(super) fn expose(&mut self, words: &[String], instruction: &Instruction) -> Result<(), Problem> {
        let mut exposed = Vec::new();
        for word in words {
            for word in self.shared.lexer.words(word, self.state.env.lookup())? {
                let ports = expose::parse(&word).map_err(|error| Problem::Instruction(error.message))?;
                self.report(found::ports(&word, &ports, instruction.span));
                self.state.take_text(ports.ports.len())?;
                exposed.extend(ports.ports);
            }
        }
        for port in &exposed {
            self.state.image.config.exposed_ports.insert(port.clone(), Empty {});
        }
        self.note(instruction.span, format!("EXPOSE {}", text::list(&exposed)))
    }

    /// `USER`.
    pub(super) fn set_user(&mut self, user: &str, span: Span) -> Result<(), Problem> {
        self.state.user = user.into();
        self.state.image.config.user = user.into();
        self.note(span, format!("USER {user}"))
    }

    /// `VOLUME`.
    pub(super) fn add_volumes(&mut self, paths: &[String], span: Span) -> Result<(), Problem> {
        for path in paths {
            if path.is_empty() {
                return Err(Problem::Instruction("VOLUME specified can not be an empty string".into()));
            }
            self.state.image.config.volumes.insert(path.clone(), Empty {});
        }
        self.note(span, format!("VOLUME {}", text::list(paths)))
    }

    /// `STOPSIGNAL`.
    pub(super) fn set_stop_signal(&mut self, name: &str, span: Span) -> Result<(), Problem> {
        if !signal::is_signal(name) {
            return Err(Problem::Instruction(format!("invalid signal: {name}")));
        }
        self.state.image.config.stop_signal = Some(name.into());
        self.note(span, format!("STOPSIGNAL {name}"))
    }

    /// `SHELL`.
    pub(super) fn set_shell(&mut self, words: &[String], span: Span) -> Result<(), Problem> {
        self.state.image.config.shell = (!words.is_empty()).then(|| words.to_vec());
        self.note(span, format!("SHELL {}", text::list(words)))
    }

    /// `ONBUILD`: kept for whoever builds on this image; it leaves no line in the history.
    pub(super) fn record_trigger(&mut self, trigger: &str, instruction: &Instruction) -> Result<(), Problem> {
        self.state.image.config.on_build.get_or_insert_default().push(trigger.into());
        let title = capitalised(&instruction.text);
        self.steps.push(Step { title, span: instruction.span, history: None, op: None });
        Ok(())
    }

    /// `WORKDIR`: makes a layer wherever it leads, except to the root.
    pub(super) fn workdir(&mut self, dir: &str, instruction: &Instruction) -> Result<(), Problem> {
        if !std::mem::replace(&mut self.state.workdir_seen, true) {
            self.report(found::relative_workdir(dir, instruction.span));
        }
        let dir = path::workdir(&self.state.image.config.working_dir, dir);
        self.state.image.config.working_dir.clone_from(&dir);
        self.state.dir.clone_from(&dir);
        let created_by = format!("WORKDIR {dir}");
        if dir == "/" {
            return self.note(instruction.span, created_by);
        }
        let op = WorkdirOp { path: path::clean(&dir), user: self.state.user.clone() };
        self.operate(instruction.span, &self.shown(instruction), created_by, Op::Workdir(op))
    }
}

/// ` A=1 B=2`.
fn joined(pairs: &[KeyValue]) -> String {
    pairs.iter().map(|pair| format!(" {}={}", pair.key, pair.value)).collect()
}
