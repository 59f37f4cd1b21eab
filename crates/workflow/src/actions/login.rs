//! docker/login-action.

use super::call::Call;
use super::{Input, Native};
use crate::engine::EcrRequest;
use crate::run::{Fail, PostWork};
use crate::yaml;

pub(crate) const ACTION: Native = Native {
    name: "docker/login-action",
    inputs: &[
        Input("registry", "", 1),
        Input("username", "", 1),
        Input("password", "", 1),
        Input("scope", "", 3),
        Input("ecr", "auto", 1),
        Input("logout", "true", 1),
        Input("registry-auth", "", 3),
    ],
    run,
};

/// One registry to log in to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Auth {
    registry: String,
    username: String,
    password: String,
    ecr: String,
}

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let single = Auth {
        registry: call.text("registry").to_owned(),
        username: call.text("username").to_owned(),
        password: call.text("password").to_owned(),
        ecr: call.text("ecr").to_owned(),
    };
    let auths = match call.raw("registry-auth") {
        "" => vec![single],
        _ if single != (Auth { ecr: "auto".into(), ..Auth::default() }) => {
            return Err(Fail::Because("Cannot use registry-auth with other inputs".into()));
        }
        text => registry_auth(text)?,
    };
    let logout = call.flag("logout")?;
    for auth in auths {
        log_in(call, &auth, logout)?;
    }
    Ok(())
}

fn registry_auth(text: &str) -> Result<Vec<Auth>, Fail> {
    let node =
        yaml::read(text).map_err(|fault| Fail::Because(format!("registry-auth: {}", fault.message)))?;
    let yaml::Kind::Sequence(items) = &node.kind else {
        return Err(Fail::Because("registry-auth must be a list".into()));
    };
    let text = |node: &yaml::Node, key: &str| {
        node.get(key).and_then(yaml::Node::text).unwrap_or_default().to_owned()
    };
    let auth = |node: &yaml::Node| Auth {
        registry: text(node, "registry"),
        username: text(node, "username"),
        password: text(node, "password"),
        ecr: match text(node, "ecr") {
            ecr if ecr.is_empty() => "auto".into(),
            ecr => ecr,
        },
    };
    Ok(items.iter().map(auth).collect())
}

fn log_in(call: &mut Call<'_, '_>, auth: &Auth, logout: bool) -> Result<(), Fail> {
    let registry = if auth.registry.is_empty() { "docker.io" } else { auth.registry.as_str() };
    let is_ecr = match auth.ecr.as_str() {
        "auto" => ecr_region(registry).is_some(),
        "true" => true,
        "false" => false,
        other => return Err(Fail::Because(format!("Invalid ecr value: {other}"))),
    };
    if is_ecr {
        return ecr(call, registry, auth, logout);
    }
    match (auth.username.is_empty(), auth.password.is_empty()) {
        (true, true) => return Err(Fail::Because("Username and password required".into())),
        (true, false) => return Err(Fail::Because("Username required".into())),
        (false, true) => return Err(Fail::Because("Password required".into())),
        (false, false) => {}
    }
    enter(call, registry, &auth.username, &auth.password, logout)
}

/// Logs in and leaves the logout for later.
pub(super) fn enter(
    call: &mut Call<'_, '_>,
    registry: &str,
    username: &str,
    password: &str,
    logout: bool,
) -> Result<(), Fail> {
    call.leg.masker.add(password);
    call.say(&format!("Logging into {registry}..."));
    let invocation = call.leg.engine.login(registry, username, password);
    call.run(invocation)?;
    if logout {
        let invocation = call.leg.engine.logout(registry);
        call.afterwards(PostWork::Wharf(invocation, call.env.clone()));
    }
    Ok(())
}

/// Amazon's registry: the credentials are keys, and the password is asked for.
fn ecr(call: &mut Call<'_, '_>, registry: &str, auth: &Auth, logout: bool) -> Result<(), Fail> {
    let mut env = call.leg.environment(&call.env);
    if !auth.username.is_empty() && !auth.password.is_empty() {
        env.insert("AWS_ACCESS_KEY_ID".into(), auth.username.clone());
        env.insert("AWS_SECRET_ACCESS_KEY".into(), auth.password.clone());
        env.remove("AWS_SESSION_TOKEN");
    }
    let (account, region) = ecr_region(registry).unwrap_or_default();
    let accounts = env.get("AWS_ACCOUNT_IDS").cloned().unwrap_or_default();
    let mut request = EcrRequest { public: registry == "public.ecr.aws", region, accounts: vec![account] };
    request.accounts.extend(accounts.split(',').map(|id| id.trim().to_owned()));
    request.accounts.retain(|id| !id.is_empty());
    for login in call.leg.engine.ecr_logins(&request, &env)? {
        enter(call, &login.registry, &login.username, &login.password, logout)?;
    }
    Ok(())
}

/// Account and region of one of Amazon's registries.
pub(super) fn ecr_region(host: &str) -> Option<(String, String)> {
    if host == "public.ecr.aws" {
        return Some((String::new(), "us-east-1".into()));
    }
    let (account, rest) = host.split_once('.')?;
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest = rest.strip_prefix("dkr.ecr.").or_else(|| rest.strip_prefix("dkr-ecr."))?;
    let region = rest.split('.').next().unwrap_or_default();
    let amazon = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws"];
    let domain = rest.get(region.len() + 1..)?;
    amazon.contains(&domain).then(|| (account.to_owned(), region.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_hosts_are_known() {
        let region = |host| ecr_region(host).map(|(_, region)| region);
        assert_eq!(region("123456789012.dkr.ecr.eu-west-1.amazonaws.com"), Some("eu-west-1".into()));
        assert_eq!(region("public.ecr.aws"), Some("us-east-1".into()));
        for host in
            ["docker.io", "1.dkr.ecr.x.amazonaws.com", "123456789012.dkr.ecr.x.example.com", "ghcr.io"]
        {
            assert_eq!(region(host), None, "{host}");
        }
    }
}
