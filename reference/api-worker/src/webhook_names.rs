//! Where the names of webhooks lead to: by the system's resolver, or by one that is asked over HTTPS in JSON. Never decides what may be called.

use moltworker_reference::upstream_client;
use serde::Deserialize;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// The records that hold an address: A and AAAA, by name and by number.
const ADDRESSES: [(&str, u16); 2] = [("A", 1), ("AAAA", 28)];
/// The status of an answer about a name that is there.
const NO_ERROR: u16 = 0;
/// The status of an answer about a name that is not.
const NO_SUCH_NAME: u16 = 3;

/// Whom names are asked of.
#[derive(Clone)]
pub(crate) enum Names {
    /// The system's resolver.
    System,
    /// A resolver over HTTPS.
    Asked {
        /// By which it is asked.
        client: reqwest::Client,
        /// Where.
        url: Url,
    },
}

/// What such a resolver answers.
#[derive(Deserialize)]
struct Answered {
    #[serde(rename = "Status")]
    status: u16,
    #[serde(rename = "Answer", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: u16,
    data: String,
}

impl Names {
    /// The system's resolver, or the one at this address.
    pub(crate) fn of(url: Option<Url>, timeout: Duration) -> Result<Self, reqwest::Error> {
        let Some(url) = url else {
            return Ok(Self::System);
        };
        let client = upstream_client::client(|builder| builder.timeout(timeout))?;
        Ok(Self::Asked { client, url })
    }

    /// Every address of a name; of both families, or an error.
    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            }
            Self::Asked { client, url } => {
                let asked = ADDRESSES.map(|kind| ask(client, url, name, kind));
                let found = futures_util::future::try_join_all(asked).await?;
                Ok(found.concat())
            }
        }
    }
}

async fn ask(
    client: &reqwest::Client,
    url: &Url,
    name: &str,
    (kind, number): (&str, u16),
) -> io::Result<Vec<IpAddr>> {
    let mut url = url.clone();
    url.query_pairs_mut()
        .append_pair("name", name)
        .append_pair("type", kind);
    let request = client.get(url).header("accept", "application/dns-json");
    let answer = request.send().await.map_err(io::Error::other)?;
    let answer = answer.error_for_status().map_err(io::Error::other)?;
    let answer = answer.bytes().await.map_err(io::Error::other)?;
    let answer: Answered = serde_json::from_slice(&answer).map_err(io::Error::other)?;
    match answer.status {
        NO_ERROR => {}
        NO_SUCH_NAME => return Ok(Vec::new()),
        status => return Err(io::Error::other(format!("the resolver says {status}"))),
    }
    // An alias on the way is a record of another kind.
    let records = answer.records.iter();
    let records = records.filter(|record| record.kind == number);
    let parsed = records.map(|record| record.data.parse().map_err(io::Error::other));
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Names of a resolver that answers questions for A and for AAAA so.
    async fn names(answers: [(u16, &'static str); 2]) -> Names {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dns-query", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _peer) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                assert!(head.contains("name=hooks.example&type="), "{head}");
                let (status, body) = answers[usize::from(head.contains("type=AAAA "))];
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Names::of(Some(Url::parse(&url).unwrap()), Duration::from_secs(30)).unwrap()
    }

    #[tokio::test]
    async fn every_address_of_both_families_is_told_and_no_alias() {
        let four = r#"{"Status":0,"Answer":[{"type":5,"data":"b.example."},{"type":1,"data":"203.0.113.1"},{"type":1,"data":"10.0.0.1"}]}"#;
        let six = r#"{"Status":0,"Answer":[{"type":28,"data":"::ffff:10.0.0.2"}]}"#;
        let names = names([(200, four), (200, six)]).await;
        let found = names.addresses("hooks.example").await;
        let wanted = ["203.0.113.1", "10.0.0.1", "::ffff:10.0.0.2"];
        let wanted: Vec<IpAddr> = wanted.map(|one| one.parse().unwrap()).into();
        assert_eq!(found.unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_leads_nowhere() {
        let none = r#"{"Status":3}"#;
        let names = names([(200, none), (200, none)]).await;
        let found = names.addresses("hooks.example").await;
        assert!(found.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_an_error_whatever_the_other_says() {
        let public = r#"{"Status":0,"Answer":[{"type":1,"data":"203.0.113.1"}]}"#;
        for broken in [
            (200, r#"{"Status":2}"#),
            (502, "{}"),
            (200, "no JSON"),
            (
                200,
                r#"{"Status":0,"Answer":[{"type":28,"data":"no address"}]}"#,
            ),
        ] {
            let names = names([(200, public), broken]).await;
            let found = names.addresses("hooks.example").await;
            assert!(found.is_err(), "{broken:?}");
        }
    }
}
