//! Ways that do not lead to a builder: each is said at once, with its cause.

use std::net::TcpListener;

use wharf_buildkit::address::{Address, Tls};
use wharf_buildkit::transport;
use wharf_testkit::{Authority, Forwarder};

use super::{Papers, at, chain, engine, worker};

async fn complaint(address: &Address) -> String {
    match transport::connect(address).await {
        Ok(_) => panic!("{address} leads to a builder"),
        Err(error) => chain(&error),
    }
}

#[tokio::test]
async fn certificates_that_are_wrong_are_named() {
    let engine = engine!(Trixie);
    let (papers, stranger) = (Papers::new(), Authority::new());
    let (good, trusted) = (papers.authority.identity(&["ci"]), papers.authority.certificate());
    let tls = Forwarder::tls(&engine.socket(), &papers.server, &papers.authority);
    let address: Address = format!("tcp://{}", tls.address()).parse().unwrap();
    let with = |client: Tls| address.clone().secured(&client);

    let said = complaint(&with(papers.client(&stranger.certificate(), &good))).await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    let said = complaint(&with(papers.client(&trusted, &stranger.identity(&["ci"])))).await;
    assert!(said.contains("fatal alert"), "{said}");
    let said = complaint(&with(papers.client(&trusted, &papers.authority.expired(&["ci"])))).await;
    assert!(said.contains("CertificateExpired"), "{said}");
    let nobody = Tls { certificate: None, key: None, ..papers.good() };
    let said = complaint(&with(nobody)).await;
    assert!(said.contains("CertificateRequired"), "{said}");
    let other = Tls { server_name: Some("other.example".into()), ..papers.good() };
    let said = complaint(&with(other)).await;
    assert!(said.contains("not valid for name") && said.contains("other.example"), "{said}");
    let missing = Tls { authority: Some("/nowhere/ca.pem".into()), ..papers.good() };
    let said = complaint(&with(missing)).await;
    assert!(said.contains("reading /nowhere/ca.pem"), "{said}");

    let expired = papers.authority.expired(&["127.0.0.1"]);
    let old = Forwarder::tls(&engine.socket(), &expired, &papers.authority);
    let address: Address = format!("tcp://{}", old.address()).parse().unwrap();
    let said = complaint(&address.secured(&papers.good())).await;
    assert!(said.contains("certificate expired"), "{said}");
    at(&with(papers.good())).await;
}

#[tokio::test]
async fn what_is_no_builder_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = complaint(&format!("tcp://{gone}").parse().unwrap()).await;
    assert!(said.contains(&gone.to_string()) && said.contains("refused"), "{said}");
    let said = complaint(&"unix:///nowhere/buildkitd.sock".parse().unwrap()).await;
    assert!(said.contains("No such file"), "{said}");
}

#[tokio::test]
async fn a_way_on_which_nothing_moves_is_given_up() {
    let engine = engine!(Trixie);
    let way = Forwarder::plain(&engine.socket());
    let address = format!("tcp://{}", way.address());
    way.freeze();
    let said = complaint(&address.parse().unwrap()).await;
    assert!(said.contains("no answer within 20s"), "{said}");
    way.mend();
    way.slow_down(20_000);
    worker(&address).await;
    way.cut();
    let said = complaint(&address.parse().unwrap()).await;
    assert!(said.contains("closed the connection") || said.contains("reset"), "{said}");
}

#[tokio::test]
async fn a_builder_that_dies_ends_what_waits_for_it() {
    let engine = engine!(Trixie);
    let way = Forwarder::plain(&engine.socket());
    let channel = transport::connect(&format!("tcp://{}", way.address()).parse().unwrap()).await.unwrap();
    wharf_buildkit::upkeep::workers(&channel).await.unwrap();
    way.cut();
    let status = wharf_buildkit::upkeep::workers(&channel).await.unwrap_err();
    assert!(wharf_buildkit::is_lost(&status), "{status:?}");
    let said = wharf_buildkit::reason(&status);
    assert!(said.contains("connection"), "{said}");
}
