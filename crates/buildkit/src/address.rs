//! Where a builder is, as a person writes it: `unix:///run/buildkit/buildkitd.sock`, `docker://`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where Docker's engine listens when nothing else is said.
const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// The address of a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// `unix:///PATH`: a buildkitd that listens on a socket of this machine.
    Unix(PathBuf),
    /// `docker://[/PATH]`: the BuildKit inside a Docker engine, through the engine's socket.
    Engine(PathBuf),
}

/// An address that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the builder's address `{text}` {why}")]
pub struct AddressError {
    /// The address as given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| AddressError { text: text.to_owned(), why: why.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("has no scheme, such as `unix:///run/buildkit/buildkitd.sock`"));
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(wrong("needs the whole path of a socket, with three slashes: unix:///PATH")),
            "docker" if rest.is_empty() => Ok(Self::Engine(ENGINE_SOCKET.into())),
            "docker" if rest.starts_with('/') => Ok(Self::Engine(rest.into())),
            "docker" => Err(wrong("needs the whole path of the engine's socket: docker:///PATH")),
            other => Err(wrong(&format!("has the scheme `{other}`, and unix and docker are known"))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Engine(path) => write!(f, "docker://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in ["unix:///run/buildkit/buildkitd.sock", "docker:///run/docker.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("docker://".parse::<Address>().unwrap().to_string(), "docker:///var/run/docker.sock");
        for bad in ["", "unix", "unix://relative", "docker://relative", "carrier-pigeon://x"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
