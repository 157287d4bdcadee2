//! How bytes leave the gateway double: held, stalled, cut, reset, and clients that leave. It never tests bodies.

use std::time::Duration;

use futures_util::StreamExt;
use moltproof::doubles::{AiGatewayDouble, Attempt, Outcome, Reply, Script, StreamDialect};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{DEADLINE, ask, body, request};

const PIECES: &[&str] = &["one ", "two ", "three"];

fn gateway() -> AiGatewayDouble {
    AiGatewayDouble::start().unwrap()
}

fn stream() -> Reply {
    Reply::stream(StreamDialect::OpenAi, PIECES, 11, 5)
}

async fn until(
    gateway: &AiGatewayDouble,
    marker: &str,
    condition: impl Fn(&Attempt) -> bool,
) -> Attempt {
    let attempts = gateway
        .wait_until(marker, DEADLINE, |all| all.last().is_some_and(&condition))
        .await;
    let last = attempts.last().unwrap().clone();
    assert!(condition(&last), "the deadline passed: {last:?}");
    last
}

/// Everything a raw client gets until the connection closes, and whether it closed with a reset.
async fn raw(gateway: &AiGatewayDouble, marker: &str) -> (String, bool) {
    let url = gateway.base_url();
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut socket = TcpStream::connect(host).await.unwrap();
    let body = body(marker).to_string();
    let head = format!(
        "POST /v1/acct/gw/workers-ai/v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut bytes))
        .await
        .unwrap();
    (String::from_utf8_lossy(&bytes).into_owned(), read.is_err())
}

#[tokio::test]
async fn a_held_stream_shows_its_first_chunks_and_goes_on_when_released() {
    let gateway = gateway();
    let response = ask(&gateway, "held0001", Script::always(stream().hold_after(1))).await;
    let mut chunks = response.bytes_stream();
    let first = tokio::time::timeout(DEADLINE, chunks.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(first.starts_with(b"data: ") && first.ends_with(b"\n\n"));
    let held = until(&gateway, "held0001", |attempt| attempt.chunks_sent == 1).await;
    assert_eq!(
        (held.outcome, held.finished_at),
        (Outcome::InProgress, None)
    );
    let quiet = tokio::time::timeout(Duration::from_millis(30), chunks.next()).await;
    assert!(quiet.is_err(), "nothing may follow before the release");
    gateway.release("held0001");
    let rest: Vec<_> = chunks.map(Result::unwrap).collect().await;
    assert!(rest.concat().ends_with(b"data: [DONE]\n\n"));
    let ended = until(&gateway, "held0001", |attempt| {
        attempt.finished_at.is_some()
    })
    .await;
    assert_eq!(
        (ended.outcome, ended.chunks_sent, ended.client_gone),
        (Outcome::Answered(200), 6, false)
    );
}

#[tokio::test]
async fn a_release_before_the_hold_is_reached_counts() {
    let gateway = gateway();
    gateway.script("early001", Script::always(stream().hold_after(2)));
    gateway.release("early001");
    let text = request(&gateway, &body("early001"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_hanging_reply_is_journalled_as_hung_and_comes_when_released() {
    let gateway = gateway();
    gateway.script("hang0001", Script::always(Reply::default().hang()));
    let answer = request(&gateway, &body("hang0001"))
        .header("cf-aig-request-timeout", "1")
        .send();
    let release = async {
        until(&gateway, "hang0001", |attempt| {
            attempt.outcome == Outcome::Hung
        })
        .await;
        gateway.release("hang0001");
    };
    let (answer, ()) = tokio::join!(answer, release);
    assert_eq!(answer.unwrap().status(), 200);
    until(&gateway, "hang0001", |attempt| {
        attempt.outcome == Outcome::Answered(200)
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_a_hanging_reply_is_noticed() {
    let gateway = gateway();
    gateway.script("leaves01", Script::always(Reply::default().hang()));
    let message = body("leaves01");
    tokio::select! {
        _ = request(&gateway, &message).send() => panic!("a hanging reply answered"),
        _ = until(&gateway, "leaves01", |attempt| attempt.outcome == Outcome::Hung) => {}
    }
    let gone = until(&gateway, "leaves01", |attempt| attempt.client_gone).await;
    assert_eq!((gone.outcome, gone.chunks_sent), (Outcome::Hung, 0));
    assert!(gone.finished_at.is_some());
}

#[tokio::test]
async fn a_client_that_leaves_a_held_stream_is_noticed() {
    let gateway = gateway();
    let response = ask(&gateway, "leaves02", Script::always(stream().hold_after(2))).await;
    until(&gateway, "leaves02", |attempt| attempt.chunks_sent == 2).await;
    drop(response);
    let gone = until(&gateway, "leaves02", |attempt| attempt.client_gone).await;
    assert_eq!(
        (gone.outcome, gone.chunks_sent),
        (Outcome::Answered(200), 2)
    );
}

#[tokio::test]
async fn a_stalled_stream_is_hung_after_its_chunks_whatever_is_released() {
    let gateway = gateway();
    let response = ask(
        &gateway,
        "stall001",
        Script::always(stream().stall_after(1)),
    )
    .await;
    until(&gateway, "stall001", |attempt| {
        attempt.outcome == Outcome::Hung
    })
    .await;
    gateway.release("stall001");
    let mut chunks = response.bytes_stream();
    assert!(chunks.next().await.unwrap().is_ok());
    assert!(
        tokio::time::timeout(Duration::from_millis(30), chunks.next())
            .await
            .is_err()
    );
    drop(chunks);
    let gone = until(&gateway, "stall001", |attempt| attempt.client_gone).await;
    assert_eq!((gone.outcome, gone.chunks_sent), (Outcome::Hung, 1));
}

#[tokio::test]
async fn a_cut_stream_lacks_its_end() {
    let gateway = gateway();
    gateway.script("cut00001", Script::always(stream().cut_after(2)));
    let (bytes, reset) = raw(&gateway, "cut00001").await;
    assert!(
        !reset && bytes.matches("data: ").count() == 2 && bytes.ends_with("\n\n\r\n"),
        "{bytes}"
    );
    let attempt = until(&gateway, "cut00001", |attempt| {
        attempt.finished_at.is_some()
    })
    .await;
    assert_eq!(
        (attempt.outcome, attempt.chunks_sent, attempt.client_gone),
        (Outcome::Cut, 2, false)
    );
    let response = ask(&gateway, "cut00002", Script::always(stream().cut_after(99))).await;
    assert!(response.bytes().await.is_err(), "all chunks, but no end");
}

#[tokio::test]
async fn a_reply_can_be_cut_inside_a_chunk() {
    let gateway = gateway();
    gateway.script("cut00003", Script::always(stream().cut_inside(1)));
    let (bytes, _) = raw(&gateway, "cut00003").await;
    assert_eq!(bytes.matches("data: ").count(), 2, "{bytes}");
    assert!(!bytes.ends_with('\n'), "{bytes}");
    let plain = ask(
        &gateway,
        "cut00004",
        Script::always(Reply::default().cut_inside(0)),
    )
    .await;
    assert!(plain.bytes().await.is_err());
}

#[tokio::test]
async fn a_reset_connection_gives_no_answer() {
    let gateway = gateway();
    gateway.script("reset001", Script::always(Reply::default().reset()));
    assert_eq!(raw(&gateway, "reset001").await, (String::new(), true));
    assert!(request(&gateway, &body("reset001")).send().await.is_err());
    until(&gateway, "reset001", |attempt| {
        attempt.outcome == Outcome::Reset
    })
    .await;
}

#[tokio::test]
async fn a_garbled_answer_is_no_http() {
    let gateway = gateway();
    gateway.script("garbled1", Script::always(Reply::default().garbled()));
    let (bytes, _) = raw(&gateway, "garbled1").await;
    assert!(!bytes.is_empty() && !bytes.starts_with("HTTP/"));
    assert!(request(&gateway, &body("garbled1")).send().await.is_err());
}

#[tokio::test]
async fn a_paced_stream_takes_its_time_and_arrives_whole() {
    let gateway = gateway();
    let reply = stream().paced(Duration::from_millis(5));
    let text = ask(&gateway, "paced001", Script::always(reply))
        .await
        .text()
        .await
        .unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"));
    let attempt = until(&gateway, "paced001", |attempt| {
        attempt.finished_at.is_some()
    })
    .await;
    assert!(attempt.finished_at.unwrap() >= attempt.at + Duration::from_millis(30));
}

#[tokio::test]
async fn a_delayed_reply_waits_before_its_first_byte_only() {
    let gateway = gateway();
    let reply = stream().delayed(Duration::from_millis(30));
    ask(&gateway, "delayed1", Script::always(reply)).await;
    let attempt = until(&gateway, "delayed1", |a| a.finished_at.is_some()).await;
    assert!(attempt.finished_at.unwrap() >= attempt.at + Duration::from_millis(30));
    assert_eq!(attempt.outcome, Outcome::Answered(200));
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_journalled() {
    let gateway = gateway();
    let url = gateway.base_url();
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket
        .write_all(b"\x16\x03\x01\x00\x05hello")
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(gateway.journal("").len(), 1);
    let mut odd = TcpStream::connect(host).await.unwrap();
    odd.write_all(b"FROB http://[::1%25]/\xc3\xbc HTTP/1.1\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    answer.clear();
    odd.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(gateway.journal("").len(), 2);
}
