//! Every way to push a blob, under both digest algorithms, with the right content and with the wrong one; and every
//! way to ask for a part of it.

use http::Method;
use wharf_oci::Digest;
use wharf_oci::digest::sha256;

use super::{Answer, Suite, sha512, with_query};

const NAME: &str = "conformance/ways";
const OTHER: &str = "conformance/source";
/// What a chunk has at least in the suite.
const CHUNK: usize = 1024;
const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    PostAlone,
    PostThenPut,
    Stream,
    Chunks { last_by_put: bool, disorder: bool },
}

const WAYS: [Way; 7] = [
    Way::PostAlone,
    Way::PostThenPut,
    Way::Stream,
    Way::Chunks { last_by_put: false, disorder: false },
    Way::Chunks { last_by_put: true, disorder: false },
    Way::Chunks { last_by_put: false, disorder: true },
    Way::Chunks { last_by_put: true, disorder: true },
];

/// Content that is nobody else's.
fn content(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * 31) ^ (number * 101) ^ (at >> 8)) as u8).collect()
}

fn at(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

impl Suite {
    /// Pushes `content` as `digest` and gives the last answer.
    fn push_by(&self, way: Way, digest: &Digest, content: &[u8]) -> Answer {
        let query = format!("digest={digest}");
        match way {
            Way::PostAlone => {
                let path = format!("/v2/{NAME}/blobs/uploads/?{query}");
                self.send(Method::POST, &path, &[OCTETS], content)
            }
            Way::PostThenPut => {
                self.send(Method::PUT, &with_query(&self.open(NAME), &query), &[OCTETS], content)
            }
            Way::Stream => {
                let streamed = self.stream(Method::PATCH, &self.open(NAME), &[OCTETS], content);
                assert_eq!(streamed.status, 202);
                let end = with_query(streamed.header("location"), &query);
                self.send(Method::PUT, &end, &[OCTETS], b"")
            }
            Way::Chunks { last_by_put, disorder } => {
                self.push_in_chunks(&query, content, last_by_put, disorder)
            }
        }
    }

    fn push_in_chunks(&self, query: &str, content: &[u8], last_by_put: bool, disorder: bool) -> Answer {
        let mut location = self.open(NAME);
        let chunks: Vec<(usize, &[u8])> =
            content.chunks(CHUNK).enumerate().map(|(nth, chunk)| (nth * CHUNK, chunk)).collect();
        let send = |location: &str, (start, chunk): (usize, &[u8])| {
            let range = format!("{start}-{}", start + chunk.len() - 1);
            let is_last = last_by_put && start + chunk.len() == content.len();
            let (method, path) = match is_last {
                true => (Method::PUT, with_query(location, query)),
                false => (Method::PATCH, location.to_owned()),
            };
            self.send(method, &path, &[OCTETS, ("content-range", &range)], chunk)
        };
        for (nth, chunk) in chunks.iter().enumerate() {
            if disorder {
                // The one after, or after the last the first once more.
                let wrong = chunks.get(nth + 1).unwrap_or(&chunks[0]);
                assert_eq!(send(&location, *wrong).status, 416, "chunk {nth}");
                let state = self.get(&location);
                assert_eq!(state.status, 204);
                assert_eq!(state.header("range"), format!("0-{}", (nth * CHUNK).saturating_sub(1)));
                location = state.header("location").to_owned();
            }
            let answer = send(&location, *chunk);
            if last_by_put && nth + 1 == chunks.len() {
                return answer;
            }
            assert_eq!(answer.status, 202, "chunk {nth}");
            location = answer.header("location").to_owned();
        }
        self.send(Method::PUT, &with_query(&location, query), &[OCTETS], b"")
    }

    /// The blob is there, whole and under its digest, until it is deleted.
    fn assert_blob_comes_and_goes(&self, repository: &str, digest: &Digest, content: &[u8]) {
        let path = at(repository, digest);
        for method in [Method::HEAD, Method::GET] {
            let found = self.ask(method.clone(), &path);
            assert_eq!((found.status, found.header("content-length")), (200, &*content.len().to_string()));
            assert_eq!(found.header("docker-content-digest"), digest.to_string());
            assert_eq!(found.body, if method == Method::GET { content } else { b"" });
        }
        assert_eq!(self.ask(Method::DELETE, &path).status, 202);
        assert_eq!(self.ask(Method::HEAD, &path).status, 404);
    }
}

#[test]
fn every_way_of_pushing_takes_what_is_right_and_refuses_what_is_wrong() {
    let registry = Suite::start();
    for (algorithm, digest_of) in [("sha256", sha256 as fn(&[u8]) -> Digest), ("sha512", sha512)] {
        for (number, way) in WAYS.into_iter().enumerate() {
            let content = content(number, CHUNK * 3 - 5);
            let digest = digest_of(&content);
            let said = |answer: &Answer| format!("{algorithm} {way:?}: {answer:?}");
            let pushed = registry.push_by(way, &digest, &content);
            assert_eq!(pushed.status, 201, "{}", said(&pushed));
            assert_eq!(pushed.header("docker-content-digest"), digest.to_string(), "{}", said(&pushed));
            assert_eq!(registry.get(pushed.header("location")).body, content, "{}", said(&pushed));
            registry.assert_blob_comes_and_goes(NAME, &digest, &content);

            let spoilt = [&content[..], b"oh no"].concat();
            let refused = registry.push_by(way, &digest, &spoilt);
            assert_eq!((refused.status, &*refused.code()), (400, "DIGEST_INVALID"), "{}", said(&refused));
            assert_eq!(registry.get(&at(NAME, &digest)).status, 404);
        }
        for content in [&b""[..], b"{}"] {
            let digest = digest_of(content);
            assert_eq!(registry.push_by(Way::PostThenPut, &digest, content).status, 201);
            registry.assert_blob_comes_and_goes(NAME, &digest, content);
        }
    }
}

#[test]
fn blobs_are_mounted_with_and_without_a_source_under_both_algorithms() {
    let registry = Suite::start();
    for digest_of in [sha256 as fn(&[u8]) -> Digest, sha512] {
        let content = content(1, 512);
        let digest = digest_of(&content);
        let mount = |source: &str| {
            let path = format!("/v2/{NAME}/blobs/uploads/?mount={digest}{source}");
            registry.send(Method::POST, &path, &[], b"")
        };
        for source in [format!("&from={OTHER}"), String::new()] {
            // As long as it is nowhere, an upload is opened, and it can be sent there.
            let opened = mount(&source);
            assert_eq!(opened.status, 202, "{opened:?}");
            let end = with_query(opened.header("location"), &format!("digest={digest}"));
            assert_eq!(registry.send(Method::PUT, &end, &[OCTETS], &content).status, 201);
            registry.assert_blob_comes_and_goes(NAME, &digest, &content);

            let path = format!("/v2/{OTHER}/blobs/uploads/?digest={digest}");
            assert_eq!(registry.send(Method::POST, &path, &[OCTETS], &content).status, 201);
            let mounted = mount(&source);
            assert_eq!(mounted.status, 201, "{mounted:?}");
            assert_eq!(registry.get(mounted.header("location")).body, content);
            registry.assert_blob_comes_and_goes(NAME, &digest, &content);
            registry.assert_blob_comes_and_goes(OTHER, &digest, &content);
        }
    }
}

#[test]
fn every_part_of_a_blob_that_can_be_asked_for_is_given() {
    let registry = Suite::start();
    let content = content(2, 2048);
    for digest_of in [sha256 as fn(&[u8]) -> Digest, sha512] {
        let digest = digest_of(&content);
        assert_eq!(registry.push_by(Way::PostThenPut, &digest, &content).status, 201);
        for (range, part, said) in [
            ("500-1499", &content[500..1500], "bytes 500-1499/2048"),
            ("500-", &content[500..], "bytes 500-2047/2048"),
            ("-500", &content[1548..], "bytes 1548-2047/2048"),
            ("2000-5000", &content[2000..], "bytes 2000-2047/2048"),
        ] {
            let asked = [("range", &*format!("bytes={range}"))];
            let given = registry.send(Method::GET, &at(NAME, &digest), &asked, b"");
            assert_eq!((given.status, given.header("content-range")), (206, said));
            assert_eq!(given.header("content-length"), part.len().to_string());
            assert_eq!(given.body, part, "{range}");
        }
        for range in ["bytes=500-0", "bytes=5000-10000"] {
            let refused = registry.send(Method::GET, &at(NAME, &digest), &[("range", range)], b"");
            assert_eq!(refused.status, 416, "{range}");
        }
    }
}
