//! What one instruction leaves for the next, and one stage for those built on it.

use wharf_oci::{History, ImageConfig, Platform};

use super::base::Origin;
use super::env::{self, ConfigEnv, DEFAULT_PATH, Declared, Env};
use super::{EnvVar, HistoryLine, Op, Problem, history, path};

/// The comment of every line that a build adds to an image's history.
const COMMENT: &str = "buildkit.dockerfile.v0";
/// The most that one stage and those below it may write into the image's history and into files that stand
/// in the Dockerfile, bytes. Values that refer to one another could otherwise fill any memory.
const TEXT_MAX: usize = 8 << 20;
/// The most that the environments of all steps of a stage and those below it may hold together, bytes.
const ENV_MAX: usize = 128 << 20;

/// What one instruction leaves for the next, and a stage for those built on it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// What expansion and steps see: variables of the image and arguments.
    pub(super) env: Env,
    /// The variables of the image.
    pub(super) image_env: ConfigEnv,
    /// Everything else of the image.
    pub(super) image: ImageConfig,
    /// The working directory; empty where nothing has named one.
    pub(super) dir: String,
    /// Whom steps run as; empty where nothing has named one.
    pub(super) user: String,
    pub(super) platform: Platform,
    /// The arguments declared so far.
    pub(super) args: Declared,
    /// A `WORKDIR` has been seen in this Dockerfile.
    pub(super) workdir_seen: bool,
    /// How each layer came to be, kept only where the history does not tell of them all.
    untold: Option<Vec<String>>,
    /// How much text has gone into history and inline files.
    text_length: usize,
    /// How much text has gone into the environments of steps.
    env_length: usize,
}

impl State {
    /// The state before the first instruction of a stage that starts from `origin`.
    pub(super) fn at_origin(origin: &Origin) -> Self {
        let mut image = origin.config.clone();
        Self {
            env: Env::default(),
            image_env: ConfigEnv::new(image.config.env.take().unwrap_or_default()),
            image,
            dir: String::new(),
            user: String::new(),
            platform: origin.platform.clone(),
            args: Declared::default(),
            workdir_seen: false,
            untold: (!history::is_complete(&origin.config.history, origin.layers.len()))
                .then(|| origin.layers.clone()),
            text_length: 0,
            env_length: 0,
        }
        .entered()
    }

    /// The state before the first instruction of a stage that is built on this one.
    pub(super) fn below(&self) -> Self {
        let mut state = self.clone();
        state.image.config.on_build = None;
        state.entered()
    }

    /// Takes over what the image says: its variables win over arguments of the same name from below.
    fn entered(mut self) -> Self {
        if !self.image_env.contains("PATH") && self.platform.os != "windows" {
            let (name, value) = env::split(DEFAULT_PATH);
            self.image_env.set(name, value);
        }
        for (name, value) in self.image_env.iter() {
            self.env.set(name, value);
        }
        let dir = self.image.config.working_dir.clone();
        if !dir.is_empty() {
            self.dir = path::workdir(&dir, &dir);
            self.image.config.working_dir.clone_from(&self.dir);
        }
        if !self.image.config.user.is_empty() {
            self.user.clone_from(&self.image.config.user);
        }
        self
    }

    /// Adds a line to the image's history.
    pub(super) fn record(&mut self, line: &HistoryLine) -> Result<(), Problem> {
        self.take_text(line.created_by.len())?;
        self.image.history.push(History {
            created_by: Some(line.created_by.clone()),
            comment: Some(COMMENT.into()),
            empty_layer: line.empty_layer,
            ..History::default()
        });
        Ok(())
    }

    /// Notes how a layer came to be.
    pub(super) fn add_layer(&mut self, op: &Op, title: &str) {
        if let Some(layers) = &mut self.untold {
            layers.push(match op {
                Op::Run(run) => format!("mount / from exec {}", run.args.join(" ")),
                Op::Copy(_) | Op::Workdir(_) => title.into(),
            });
        }
    }

    /// Counts text that is kept.
    pub(super) fn take_text(&mut self, length: usize) -> Result<(), Problem> {
        self.text_length += length;
        if self.text_length > TEXT_MAX {
            let most = TEXT_MAX >> 20;
            return Err(Problem::Instruction(format!("the history of the stage grows beyond {most} MiB")));
        }
        Ok(())
    }

    /// The variables that a process sees now.
    pub(super) fn process_env(&mut self) -> Result<Vec<EnvVar>, Problem> {
        self.env_length += self.env.length();
        if self.env_length > ENV_MAX {
            let most = ENV_MAX >> 20;
            return Err(Problem::Instruction(format!("the variables of the steps grow beyond {most} MiB")));
        }
        Ok(self.env.to_list())
    }

    /// The image as it comes out.
    pub(super) fn to_image(&self) -> ImageConfig {
        let mut image = self.image.clone();
        let lines = self.image_env.to_lines();
        image.config.env = (!lines.is_empty()).then_some(lines);
        if let Some(layers) = &self.untold {
            history::complete(&mut image.history, layers);
        }
        image
    }
}
