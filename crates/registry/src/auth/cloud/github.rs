//! GitHub's packages, with the token of a workflow.

use super::{Lent, Surroundings};
use crate::Login;

/// `GITHUB_TOKEN` is good for `ghcr.io`, whatever the account; `GITHUB_ACTOR` is whose it is.
pub(super) fn lend(registry: &str, around: &Surroundings) -> Option<Lent> {
    let token = around.get("GITHUB_TOKEN").filter(|_| registry == "ghcr.io")?;
    let username = around.get("GITHUB_ACTOR").unwrap_or("token").to_owned();
    Some(Lent { login: Login::Password { username, password: token.into() }, life: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_githubs_registry_only() {
        let set = |name: &str| (name.to_owned(), "x".to_owned());
        let around = Surroundings::new([set("GITHUB_TOKEN"), set("GITHUB_ACTOR")], None);
        assert!(matches!(lend("ghcr.io", &around), Some(Lent { login: Login::Password { .. }, .. })));
        assert!(lend("ghcr.io.example.com", &around).is_none());
        assert!(lend("ghcr.io", &Surroundings::default()).is_none());
    }
}
