//! Pipelines for CI systems: each checks out and says `wharf ship`.

use std::path::PathBuf;

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ci {
    /// GitHub Actions
    Github,
    /// GitLab CI
    Gitlab,
    /// A declarative Jenkins pipeline
    Jenkins,
    /// CircleCI
    Circleci,
    /// A Tekton task and pipeline
    Tekton,
}

impl Ci {
    /// Where its file lies, and what is in it.
    pub(crate) fn file(self) -> (PathBuf, &'static str) {
        let (path, text) = match self {
            Self::Github => (".github/workflows/wharf.yml", include_str!("templates/github.yml")),
            Self::Gitlab => (".gitlab-ci.yml", include_str!("templates/gitlab.yml")),
            Self::Jenkins => ("Jenkinsfile", include_str!("templates/Jenkinsfile")),
            Self::Circleci => (".circleci/config.yml", include_str!("templates/circleci.yml")),
            Self::Tekton => (".tekton/wharf.yaml", include_str!("templates/tekton.yaml")),
        };
        (path.into(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use wharf_workflow::{Source, Workflow, yaml};

    #[test]
    fn every_template_reads_and_ships() {
        for ci in Ci::value_variants() {
            let (path, text) = ci.file();
            assert!(text.contains("wharf ship") || text.contains("wharf/wharf@v1"), "{}", path.display());
            if *ci == Ci::Jenkins {
                assert_eq!(text.matches('{').count(), text.matches('}').count());
                continue;
            }
            // Tekton's file holds two documents.
            for document in text.split("\n---\n") {
                yaml::read(document).unwrap_or_else(|fault| panic!("{}: {}", path.display(), fault.message));
            }
        }
        let (_, text) = Ci::Github.file();
        assert!(Workflow::read(Source { name: "wharf.yml".into(), text: text.into() }).is_ok());
    }
}
