//! Streams of several tenants at once, each parted inside a character. Never relies on the order in which they end.

use super::{chat_of, first_piece, marker_of, rest};
use crate::client::stream::Next;
use crate::doubles::{Reply, Script, StreamDialect};
use crate::oracle::completion;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::verdict::{Check, OrUnmet as _, Stop};
use serde_json::json;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a stream of tenant "([^"]+)" is parted inside a character"#,
        |s, a| Box::pin(alone(s, a)),
    );
    book.asserting(
        &["ISO-003"],
        r#"streams of tenants "([^"]+)", each parted inside a character at the same time, say what each one's model said"#,
        |s, a| Box::pin(at_once(s, a)),
    );
}

/// What the model says to a tenant: the first word comes as a whole event, the second is parted.
fn pieces(name: &str) -> [String; 2] {
    [format!("For {name}: "), format!("Grüße, {name}.")]
}

/// Opens the stream of a tenant and reads it up to the moment when half a character is under way.
async fn half(s: &mut Scene, name: &str) -> Check {
    let tenant = s.tenant(name)?;
    let pieces = pieces(name);
    let pieces = [pieces[0].as_str(), pieces[1].as_str()];
    let reply = Reply::stream(StreamDialect::OpenAi, &pieces, 17, 5)
        .split_inside_a_character()
        .hold_after(1);
    let marker = marker_of(s, name);
    s.gateway().await?.script(&marker, Script::always(reply));
    let body = chat_of(s, name, &json!({ "stream": true }));
    let request = s.chat_request_with(&tenant.host, &body);
    s.open_stream(name, request).await?;
    let (status, first) = first_piece(s, name).await?;
    s.expect(status == 200, "a streamed answer", || {
        format!("status {status}")
    })
    .or_unmet("a stream that is refused")?;
    s.expect(
        matches!(first, Next::Bytes(_)),
        format!("a first piece of the stream of tenant `{name}`"),
        || first.to_string(),
    )
}

/// Lets the model go on, and judges what its tenant has read in the end.
async fn whole(s: &mut Scene, name: &str) -> Check {
    let answer = rest(s, name, name).await?;
    let said = pieces(name).concat();
    let read = completion::streamed(&answer.text());
    s.expect(
        read.text == said && read.done,
        format!("a stream that says \"{said}\" and ends with [DONE]"),
        || format!("{read} from {}", describe(&answer)),
    )
}

/// Tries in all: a stream of another scenario may come between, where streams do not keep to themselves.
const TRIES: usize = 4;

async fn alone(s: &mut Scene, a: Args) -> Check {
    let mut check = Ok(());
    for _try in 0..TRIES {
        check = half(s, a.text(1)).await;
        if check.is_ok() {
            check = whole(s, a.text(1)).await;
        }
        match &check {
            Err(Stop::Violation(_)) => {}
            Ok(()) | Err(_) => break,
        }
    }
    check.or_unmet("AIG-017")
}

async fn at_once(s: &mut Scene, a: Args) -> Check {
    let names: Vec<&str> = a.text(1).split(", ").collect();
    for name in &names {
        half(s, name).await?;
    }
    for name in &names {
        whole(s, name).await?;
    }
    Ok(())
}
