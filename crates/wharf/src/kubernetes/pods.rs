//! The pods that a selector finds, as far as they are ready for work.

use serde_json::Value;

use super::api::Api;
use super::kubeconfig::Connection;

/// Their names.
pub(crate) async fn ready_pods(
    connection: Connection,
    namespace: &str,
    selector: &str,
) -> anyhow::Result<Vec<String>> {
    let list = Api::pods(connection, namespace)?.list(selector).await?;
    let pods = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = pods.iter().filter(|pod| is_ready(pod)).filter_map(|pod| pod["metadata"]["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// A pod that is on its way out is ready for a while yet, and not for us.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_come_or_go_are_not_ready() {
        let pod = |ready: &str, leaves: Value| {
            json!({
                "metadata": { "name": "b", "deletionTimestamp": leaves },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
            })
        };
        assert!(is_ready(&pod("True", Value::Null)));
        assert!(!is_ready(&pod("False", Value::Null)));
        assert!(!is_ready(&pod("True", json!("2026-01-01T00:00:00Z"))));
        assert!(!is_ready(&json!({})));
    }
}
