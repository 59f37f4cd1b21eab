//! How far a rollout has come, by what the Deployment says of itself. The rules are those of
//! `kubectl rollout status`.

use serde_json::Value;

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not yet, and what is missing.
    Waiting(String),
    /// Every replica runs the new image and is available.
    Done,
    /// It will not happen, and why.
    Failed(String),
}

/// Reads the state. What is older than `generation` was said of another image.
pub(super) fn progress(deployment: &Value, generation: u64) -> Progress {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let count = |name: &str| status[name].as_u64().unwrap_or(0);
    if spec["paused"] == true {
        return Progress::Failed("the Deployment is paused, so nothing rolls out".into());
    }
    if count("observedGeneration") < generation {
        return Progress::Waiting("the cluster has not looked at the change yet".into());
    }
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let progressing = conditions.iter().find(|condition| condition["type"] == "Progressing");
    if let Some(condition) = progressing
        && (condition["status"] == "False" || condition["reason"] == "ProgressDeadlineExceeded")
    {
        let part = |name: &str| condition[name].as_str().unwrap_or_default();
        return Progress::Failed(format!("{}: {}", part("reason"), part("message")));
    }
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let (updated, available, all) = (count("updatedReplicas"), count("availableReplicas"), count("replicas"));
    if updated < wanted {
        return Progress::Waiting(format!("{updated} of {wanted} replicas have the new image"));
    }
    if all > updated {
        return Progress::Waiting(format!("{} old replicas are still there", all - updated));
    }
    if available < updated {
        return Progress::Waiting(format!("{available} of {updated} new replicas are available"));
    }
    Progress::Done
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: Value) -> Progress {
        progress(&json!({ "spec": { "replicas": 2 }, "status": status }), 3)
    }

    #[test]
    fn a_rollout_is_done_when_every_replica_is_new_and_available() {
        let done =
            json!({ "observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        assert_eq!(of(done.clone()), Progress::Done);
        for (key, value) in
            [("observedGeneration", 2), ("updatedReplicas", 1), ("replicas", 3), ("availableReplicas", 1)]
        {
            let mut early = done.clone();
            early[key] = json!(value);
            assert!(matches!(of(early), Progress::Waiting(_)), "{key} {value}");
        }
        assert!(matches!(of(Value::Null), Progress::Waiting(_)));
    }

    #[test]
    fn a_failure_counts_only_for_the_change_that_was_made() {
        let condition = json!({ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out" });
        let failed = |generation: u64| json!({ "observedGeneration": generation, "conditions": [condition] });
        assert_eq!(of(failed(3)), Progress::Failed("ProgressDeadlineExceeded: timed out".into()));
        assert!(matches!(of(failed(2)), Progress::Waiting(_)));
        let paused = json!({ "spec": { "paused": true } });
        assert!(matches!(progress(&paused, 1), Progress::Failed(_)));
    }
}
