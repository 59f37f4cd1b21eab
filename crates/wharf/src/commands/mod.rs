//! One file per verb: its arguments, and what it does with them.

pub(crate) mod build;
pub(crate) mod builders;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod db;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod fsck;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod images;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod ledger;
pub(crate) mod lint;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod meta;
pub(crate) mod observe;
pub(crate) mod promote;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod reference;
pub(crate) mod registry;
pub(crate) mod rm;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod sbom;
pub(crate) mod scan;
pub(crate) mod ship;
pub(crate) mod sign;
pub(crate) mod smoke;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod system;
pub(crate) mod tag;
pub(crate) mod ui;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod r#where;
pub(crate) mod who;
pub(crate) mod workflow;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, Outcome};

/// Carries out what was typed.
pub(crate) fn run(typed: Cli) -> Outcome {
    let globals = &typed.globals;
    match typed.command {
        Command::Ship(args) => ship::run(args, globals),
        Command::Build(args) => build::run(*args, globals),
        Command::Builders(args) => builders::run(args, globals),
        Command::Meta(args) => meta::run(args, globals),
        Command::Smoke(args) => smoke::run(args, globals),
        Command::Lint(args) => lint::run(args, globals),
        Command::Scan(args) => scan::run(*args, globals),
        Command::Sbom(args) => sbom::run(args, globals),
        Command::Db(args) => db::run(args, globals),
        Command::Watch(args) => watch::run(args, globals),
        Command::Status(args) => status::run(args, globals),
        Command::Promote(args) => promote::run(*args, globals),
        Command::Rollback(args) => rollback::run(args, globals),
        Command::Hold(args) => hold::run(args, globals),
        Command::Unhold(args) => hold::unhold(args, globals),
        Command::Observe(args) => observe::run(args, globals),
        Command::Log(args) => log::run(args, globals),
        Command::Who(args) => who::run(args, globals),
        Command::Where(args) => r#where::run(args, globals),
        Command::Diff(args) => diff::run(args, globals),
        Command::Ui(args) => ui::run(args, globals),
        Command::Fsck(args) => fsck::run(args, globals),
        Command::Ledger(args) => ledger::run(args, globals),
        Command::Sign(args) => sign::run(args, globals),
        Command::Verify(args) => verify::run(args, globals),
        Command::Images(args) => images::run(args, globals),
        Command::Inspect(args) => inspect::run(args, globals),
        Command::History(args) => history::run(args, globals),
        Command::Tag(args) => tag::run(args, globals),
        Command::Rm(args) => rm::run(args, globals),
        Command::Pull(args) => pull::run(args, globals),
        Command::Push(args) => push::run(args, globals),
        Command::Ls(args) => ls::run(args, globals),
        Command::Copy(args) => copy::run(args, globals),
        Command::Save(args) => save::run(args, globals),
        Command::Load(args) => load::run(args, globals),
        Command::Login(args) => login::run(args, globals),
        Command::Logout(args) => login::logout(args, globals),
        Command::Run(args) => run::run(*args, globals),
        Command::Ps(args) => ps::run(args, globals),
        Command::Logs(args) => logs::run(args, globals),
        Command::Stop(args) => stop::run(args, globals),
        Command::Prune(args) => prune::run(args, globals),
        Command::System(args) => system::run(args, globals),
        Command::Init(args) => init::run(args, globals),
        Command::Workflow(args) => workflow::run(args, globals),
        Command::Exec(args) => exec::run(args, globals),
        Command::Supervise { id } => crate::container::supervise::run(&id, globals),
        Command::Docker { .. } => unreachable!("docker's command line ends a process its own way"),
        Command::Registry(args) => registry::run(args, globals),
        Command::Doctor(args) => doctor::run(args, globals),
        Command::Completions(args) => completions::run(args),
        Command::Reference => reference::run(),
    }
}

/// A registry's failure with the advice that fits its cause.
pub(crate) fn registry_failure(error: wharf_registry::Error) -> Failure {
    let hint = registry_hint(&error);
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What to do about a registry's failure.
pub(crate) fn registry_hint(error: &wharf_registry::Error) -> Option<String> {
    use wharf_registry::Cause;
    match error.cause() {
        Cause::Unauthorized { .. } | Cause::Denied { .. } if error.is_download() => {
            Some("the server wants to know who asks; a file that needs a password is best downloaded in a `RUN` with a secret".into())
        }
        Cause::NotFound { .. } if error.is_download() => Some("check the URL".into()),
        Cause::Tls { .. } if error.is_download() => {
            Some("the certificate is checked against this machine's; SSL_CERT_FILE names others".into())
        }
        Cause::Unauthorized { registry, .. } => Some(format!("log in: wharf login {registry}")),
        Cause::Denied { .. } => Some("ask for the right to do this, or check the repository's name".into()),
        Cause::NotFound { .. } => {
            Some("check the name and the tag; a private repository also needs a login".into())
        }
        Cause::Unreachable { .. } | Cause::Stalled { .. } | Cause::Deadline { .. } => {
            Some("run the command again; what has arrived is kept".into())
        }
        Cause::Tls { registry, .. } => Some(format!(
            "trust its certificate (`ca`) or allow plain HTTP (`plain-http`) under [registries.\"{registry}\"] in the settings"
        )),
        _ => None,
    }
}
