//! The words of `EXPOSE`, once their variables are replaced.

use std::net::IpAddr;

/// What one word of `EXPOSE` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// `port/protocol`, one for each port of a range.
    pub ports: Vec<String>,
    /// The protocol is not written in lower case.
    pub odd_protocol: bool,
    /// An address or a host's port is written too, which means nothing.
    pub host_part: bool,
}

/// A word of `EXPOSE` that is no port, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExposeError {
    /// The sentence.
    pub message: String,
}

/// Reads `[[ip:]host:]port[-port][/protocol]`.
///
/// # Errors
/// If a port is no number up to 65535, the ranges do not fit together, or address or protocol is unknown.
pub fn parse(word: &str) -> Result<Ports, ExposeError> {
    let fail = |message: String| Err(ExposeError { message });
    let mut parts = word.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let (host, ip) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    if range.is_empty() {
        return fail(format!("invalid port: {word:?}: no port specified"));
    }
    let lower = if protocol.is_empty() { "tcp".into() } else { protocol.to_lowercase() };
    if !matches!(lower.as_str(), "tcp" | "udp" | "sctp") {
        return fail(format!("invalid port: {word:?}: invalid proto: {protocol}"));
    }
    let address = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return fail(format!("invalid IP address: {address}"));
    }
    let Some((start, end)) = port_range(range) else {
        return fail(format!("invalid containerPort: {range}"));
    };
    if !host.is_empty() {
        let Some((host_start, host_end)) = port_range(host) else {
            return fail(format!("invalid hostPort: {host}"));
        };
        if end != start && end - start != host_end - host_start {
            return fail(format!(
                "invalid ranges specified for container and host Ports: {range} and {host}"
            ));
        }
    }
    Ok(Ports {
        ports: (start..=end).map(|port| format!("{port}/{lower}")).collect(),
        odd_protocol: !protocol.is_empty() && protocol != lower,
        host_part: !ip.is_empty() || !host.is_empty(),
    })
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        for (word, ports) in [
            ("80", vec!["80/tcp"]),
            ("80/", vec!["80/tcp"]),
            ("53/UDP", vec!["53/udp"]),
            ("80-82/sctp", vec!["80/sctp", "81/sctp", "82/sctp"]),
            ("8080:80", vec!["80/tcp"]),
            ("127.0.0.1:8080:80", vec!["80/tcp"]),
            ("127.0.0.1::80", vec!["80/tcp"]),
            ("[::1]:1-2:80-81", vec!["80/tcp", "81/tcp"]),
            ("1-9:80", vec!["80/tcp"]),
        ] {
            assert_eq!(parse(word).unwrap().ports, ports, "{word}");
        }
        let odd = parse("1:80/TCP").unwrap();
        assert!(odd.odd_protocol && odd.host_part);
        let plain = parse("80/tcp").unwrap();
        assert!(!plain.odd_protocol && !plain.host_part);
    }

    #[test]
    fn what_is_no_port() {
        for (word, message) in [
            ("", "invalid port: \"\": no port specified"),
            ("/tcp", "invalid port: \"/tcp\": no port specified"),
            ("80/icmp", "invalid port: \"80/icmp\": invalid proto: icmp"),
            ("x", "invalid containerPort: x"),
            ("65536", "invalid containerPort: 65536"),
            ("82-80", "invalid containerPort: 82-80"),
            ("x:80", "invalid hostPort: x"),
            ("1-3:80-81", "invalid ranges specified for container and host Ports: 80-81 and 1-3"),
            ("1.2.3:1:80", "invalid IP address: 1.2.3"),
        ] {
            assert_eq!(parse(word).unwrap_err().message, message, "{word}");
        }
    }
}
