//! The doubles over TLS, as Workers meet them that insist on it. It never switches verification off.

use moltproof::doubles::tls::{CA_FILE, Identity, NAMES};
use moltproof::doubles::{AccessIssuer, AiGatewayDouble, Outcome, Place, Reply, Script};
use reqwest::{Certificate, Client};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{DEADLINE, body};

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

fn trusting(ca_pem: &str) -> Client {
    let ca = Certificate::from_pem(ca_pem.as_bytes()).unwrap();
    Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .build()
        .unwrap()
}

fn doubles() -> (Identity, AiGatewayDouble, AccessIssuer) {
    let identity = Identity::generate(&names()).unwrap();
    let place = Place::with(Some(identity.clone()));
    (
        identity,
        AiGatewayDouble::start_at(&place).unwrap(),
        AccessIssuer::start_at(&place).unwrap(),
    )
}

#[tokio::test]
async fn who_trusts_the_authority_reaches_both_doubles_and_nobody_else_does() {
    let (identity, gateway, access) = doubles();
    assert!(access.origin().starts_with("https://localhost:"));
    assert_eq!(access.origin(), format!("https://{}", access.authority()));
    let certs = format!("{}/cdn-cgi/access/certs", access.origin());
    let chat = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let other = Identity::generate(&names()).unwrap();
    for (ca, is_reached) in [(identity.ca_pem(), true), (other.ca_pem(), false)] {
        let client = trusting(ca);
        let keys = client.get(&certs).send().await;
        let answer = client.post(&chat).json(&body("tlstlstls")).send().await;
        assert_eq!(keys.is_ok_and(|keys| keys.status() == 200), is_reached);
        assert_eq!(
            answer.is_ok_and(|answer| answer.status() == 200),
            is_reached
        );
    }
    assert_eq!(access.fetches(), 1, "a failed handshake fetches nothing");
    assert_eq!(gateway.journal("tlstlstls").len(), 1);
}

#[tokio::test]
async fn the_certificate_is_good_for_cloudflares_names_and_for_the_address() {
    let (identity, gateway, access) = doubles();
    let port = |origin: &str| origin.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let to = |name: &str, port: u16| {
        let ca = Certificate::from_pem(identity.ca_pem().as_bytes()).unwrap();
        Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .resolve(name, ([127, 0, 0, 1], port).into())
            .build()
            .unwrap()
    };
    let port = (port(gateway.origin()), port(&access.origin()));
    let name = "gateway.ai.cloudflare.com";
    let url = format!(
        "https://{name}:{}/v1/acct/gw/workers-ai/v1/chat/completions",
        port.0
    );
    let answer = to(name, port.0).post(url).json(&body("names")).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    for name in ["my-team.cloudflareaccess.com", "127.0.0.1"] {
        let url = format!("https://{name}:{}/cdn-cgi/access/certs", port.1);
        assert_eq!(
            to(name, port.1).get(url).send().await.unwrap().status(),
            200,
            "{name}"
        );
    }
    let name = "somebody-else.example";
    let url = format!("https://{name}:{}/cdn-cgi/access/certs", port.1);
    assert!(
        to(name, port.1).get(url).send().await.is_err(),
        "{name} is not in the certificate"
    );
}

#[tokio::test]
async fn faults_on_the_wire_strike_below_tls_too() {
    let (identity, gateway, _access) = doubles();
    let chat = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    for (marker, reply, outcome) in [
        ("resetreset", Reply::default().reset(), Outcome::Reset),
        ("cutcutcut", Reply::default().cut_inside(0), Outcome::Cut),
    ] {
        gateway.script(marker, Script::always(reply));
        let answer = trusting(identity.ca_pem())
            .post(&chat)
            .json(&body(marker))
            .send()
            .await;
        let whole = match answer {
            Ok(answer) => answer.bytes().await.is_ok(),
            Err(_reset) => false,
        };
        assert!(!whole, "{marker}");
        let seen = gateway
            .wait_until(marker, DEADLINE, |seen| {
                seen.iter().all(|one| one.finished_at.is_some())
            })
            .await;
        assert_eq!(seen[0].outcome, outcome);
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_kept_identity_stays_until_its_names_change_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("tls");
    let first = Identity::in_folder(&folder, &names()).unwrap();
    let again = Identity::in_folder(&folder, &names()).unwrap();
    assert_eq!(first.ca_pem(), again.ca_pem());
    assert_eq!(
        std::fs::read_to_string(folder.join(CA_FILE)).unwrap(),
        first.ca_pem()
    );
    assert_eq!(mode(&folder.join("server-key.pem")), 0o600);
    let more = [names(), vec!["host.docker.internal".to_owned()]].concat();
    assert_ne!(
        Identity::in_folder(&folder, &more).unwrap().ca_pem(),
        first.ca_pem()
    );
}

#[test]
fn files_of_somebody_else_are_used_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let made = Identity::in_folder(folder.path(), &names()).unwrap();
    std::fs::remove_file(folder.path().join("made-by-moltproof.json")).unwrap();
    let other_names = ["else.example".to_owned()];
    let used = Identity::in_folder(folder.path(), &other_names).unwrap();
    assert_eq!(used.ca_pem(), made.ca_pem());
    let key = folder.path().join("server-key.pem");
    std::fs::write(&key, "no key").unwrap();
    assert!(Identity::in_folder(folder.path(), &other_names).is_err());
    std::fs::remove_file(&key).unwrap();
    let error = Identity::in_folder(folder.path(), &other_names).unwrap_err();
    assert!(error.to_string().contains("server-key.pem"), "{error}");
    let ca = std::fs::read_to_string(folder.path().join(CA_FILE)).unwrap();
    assert_eq!(ca, made.ca_pem(), "nothing was replaced");
}
