//! safetensors: a length, a JSON header, numbers. Harmless if the header is what the format says.

use serde_json::{Map, Value};

use super::Issue;
use crate::blob::Blob;
use crate::findings::Severity;

/// The format's own limit.
const MAX_HEADER: u64 = 100_000_000;

/// What is wrong with a file.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    match fault(blob) {
        Some(what) => {
            vec![Issue::new("safetensors-header", Severity::High, format!("it has a header that {what}"))]
        }
        None => Vec::new(),
    }
}

fn fault(blob: &Blob) -> Option<String> {
    let prefix = blob.bytes(0, 8).ok()?;
    let Ok(length) = prefix.try_into().map(u64::from_le_bytes) else { return Some("is cut off".into()) };
    if length > MAX_HEADER || length > blob.len() - 8 {
        return Some("is longer than the file or the format allows".into());
    }
    let text = blob.bytes(8, length as usize).ok()?;
    if text.first() != Some(&b'{') {
        return Some("is no JSON object".into());
    }
    let Ok(header) = serde_json::from_slice::<Map<String, Value>>(&text) else {
        return Some("is no JSON object".into());
    };
    let data = blob.len() - 8 - length;
    let mut spans = Vec::new();
    for (name, tensor) in &header {
        if name == "__metadata__" {
            if !tensor.as_object().is_some_and(|entries| entries.values().all(Value::is_string)) {
                return Some("has metadata other than text".into());
            }
            continue;
        }
        match span(tensor) {
            Some((begin, end)) if end <= data => spans.push((begin, end)),
            Some(_) => return Some(format!("puts `{name}` beyond the end of the file")),
            None => return Some(format!("describes `{name}` in a way that does not add up")),
        }
    }
    spans.sort_unstable();
    let mut next = 0;
    for (begin, end) in spans {
        if begin != next {
            return Some("leaves gaps between tensors or lets them overlap".into());
        }
        next = end;
    }
    (next != data).then(|| "does not account for all bytes of the file".into())
}

/// Where a tensor lies, if type, shape and place agree.
fn span(tensor: &Value) -> Option<(u64, u64)> {
    let offsets = tensor.get("data_offsets")?.as_array()?;
    let [begin, end] = offsets.as_slice() else { return None };
    let (begin, end) = (begin.as_u64()?, end.as_u64()?);
    let mut bits: u64 = match tensor.get("dtype")?.as_str()? {
        "F4" | "F6_E2M3" | "F6_E3M2" => return (begin <= end).then_some((begin, end)),
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    };
    for dimension in tensor.get("shape")?.as_array()? {
        bits = bits.checked_mul(dimension.as_u64()?)?;
    }
    (end.checked_sub(begin)? == bits / 8).then_some((begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(header: &str, data: usize) -> bool {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        !check(&Blob::from(bytes)).is_empty()
    }

    #[test]
    fn headers_must_describe_the_file() {
        let tensor =
            |begin: u64, end: u64| format!(r#"{{"dtype":"F32","shape":[2],"data_offsets":[{begin},{end}]}}"#);
        assert!(!faulty(
            &format!(r#"{{"a":{},"b":{},"__metadata__":{{"format":"pt"}}}}"#, tensor(0, 8), tensor(8, 16)),
            16
        ));
        assert!(!faulty("{}", 0));
        assert!(faulty(&format!(r#"{{"a":{}}}"#, tensor(0, 8)), 4));
        assert!(faulty(&format!(r#"{{"a":{}}}"#, tensor(0, 8)), 9));
        assert!(faulty(&format!(r#"{{"a":{},"b":{}}}"#, tensor(0, 8), tensor(4, 12)), 12));
        assert!(faulty(&format!(r#"{{"a":{}}}"#, tensor(0, 7)), 7));
        assert!(faulty("{\"a\":", 0));
        assert!(!check(&Blob::from(vec![0xff; 40])).is_empty());
    }
}
