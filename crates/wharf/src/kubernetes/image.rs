//! Which container of a Deployment runs the release, and what its image becomes.

use serde_json::Value;
use wharf_deploy::Target;
use wharf_oci::Reference;

/// The container and its image: the one that was named, else the only one with an image of ours.
pub(super) fn container(
    deployment: &Value,
    named: Option<&str>,
    ours: &[Reference],
) -> Result<(String, String), String> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    let all: Vec<(String, String)> = containers
        .into_iter()
        .flatten()
        .filter_map(|found| Some((found["name"].as_str()?.into(), found["image"].as_str()?.into())))
        .collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    if let Some(named) = named {
        let found = all.iter().find(|(name, _)| name == named);
        return found.cloned().ok_or_else(|| format!("has no container `{named}`, only {names}"));
    }
    let matching: Vec<&(String, String)> = all.iter().filter(|(_, image)| is_ours(image, ours)).collect();
    match matching.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(format!("has no container with the image {}: {names}", ours[0].familiar_name())),
        _ => Err(format!("has several containers with the image {}: {names}", ours[0].familiar_name())),
    }
}

fn is_ours(image: &str, ours: &[Reference]) -> bool {
    image.parse::<Reference>().is_ok_and(|image| ours.iter().any(|name| name.name() == image.name()))
}

/// The release's image by digest. The registry that the cluster pulls from stays, if it is one of ours.
pub(super) fn pinned(previous: &str, target: &Target) -> String {
    let kept = previous.parse::<Reference>().ok().filter(|_| is_ours(previous, &target.names));
    let name = kept.as_ref().or(target.names.first()).map(Reference::familiar_name).unwrap_or_default();
    format!("{name}:{}@{}", target.tag, target.digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_container_is_the_one_with_our_image() {
        let deployment = json!({ "spec": { "template": { "spec": { "containers": [
            { "name": "proxy", "image": "envoy:1" }, { "name": "api", "image": "r.example/org/churn:1" },
        ] } } } });
        let ours = ["r.example/org/churn".parse().unwrap()];
        assert_eq!(container(&deployment, None, &ours).unwrap().0, "api");
        assert_eq!(container(&deployment, Some("proxy"), &ours).unwrap().1, "envoy:1");
        assert!(container(&deployment, Some("web"), &ours).unwrap_err().contains("proxy, api"));
        assert!(container(&deployment, None, &["other/churn".parse().unwrap()]).is_err());
    }
}
