//! What a tenant looks like whose creation or change was answered without telling: an operator looks at it. Never looks where an answer tells.

use super::Scene;
use crate::client::Request;
use crate::evidence::Exchange;
use crate::subject::dialect::Dialect;
use crate::subject::dialect::operation::Operation;
use crate::verdict::Stop;
use serde_json::Value;
use std::sync::Arc;

/// Where every tenant of `shapes.md` has its id.
const ID: &str = "/id";

/// Which tenant has to be looked at, if an operator has made or changed one and the answer does not tell of it.
fn untold(dialect: &Dialect, asked: &Request, answer: &Exchange) -> Option<String> {
    let is_done = asked.as_operator && (200..300).contains(&answer.status);
    if !is_done || dialect.tenant_id.is_empty() {
        return None;
    }
    let spoken = dialect.speak(asked.clone());
    let id = if spoken.operation == Some(Operation::ChangeTenant) {
        spoken.id
    } else if spoken.operation == Some(Operation::CreateTenant) {
        dialect.id_in_location(answer).or_else(|| {
            let fields: Value = serde_json::from_slice(&asked.body).ok()?;
            fields["id"].as_str().map(str::to_owned)
        })
    } else {
        None
    };
    let tells = answer.json().is_some_and(|body| body.pointer(ID).is_some());
    id.filter(|_| !tells)
}

impl Scene {
    /// The answer, with what a look at the tenant tells where it tells nothing of it itself.
    pub(in crate::run) async fn told_later(
        &mut self,
        asked: &Request,
        answer: Exchange,
    ) -> Result<Exchange, Stop> {
        let dialect = self.run.target.dialect();
        let Some(id) = untold(dialect, asked, &answer) else {
            return Ok(answer);
        };
        let mut look = Request {
            method: "GET".to_owned(),
            path: dialect.tenant.replace("{id}", &id),
            body: bytes::Bytes::new(),
            reading: None,
            ..asked.clone()
        };
        look.headers
            .retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
        // Who cannot look is left with the answer alone.
        let Ok(look) = self.addressed(look) else {
            return Ok(answer);
        };
        let base = self.instance().await?.base.clone();
        // Boxed: nearly no request is followed by a look.
        let looking = Box::pin(self.run.client.send(&base, &look, answer.number));
        let seen = looking.await?;
        let told_later = (seen.status == 200).then(|| Arc::new(seen));
        Ok(Exchange {
            told_later,
            ..answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::samples::answer;
    use serde_json::json;

    fn creation() -> Request {
        let request =
            Request::new("POST", "/api/admin/tenants").json(&json!({ "id": "u-1", "slug": "a" }));
        Request {
            as_operator: true,
            ..request
        }
    }

    #[test]
    fn a_creation_without_a_body_is_looked_at_by_its_location_or_the_id_asked_for() {
        let dialect = Dialect::default();
        let mut created = answer(201, "", "");
        assert_eq!(untold(&dialect, &creation(), &created).unwrap(), "u-1");
        for location in [
            "/api/admin/tenants/u-2",
            "https://ops.example/x/u-2?v=1",
            "u-2/",
        ] {
            created.headers = vec![("location".to_owned(), location.to_owned())];
            assert_eq!(untold(&dialect, &creation(), &created).unwrap(), "u-2");
        }
        let bare = answer(201, "application/json", r#"{"ok":true}"#);
        assert!(untold(&dialect, &creation(), &bare).is_some());
    }

    #[test]
    fn what_tells_is_refused_or_is_nobodys_is_not_looked_at() {
        let dialect = Dialect::default();
        let told = answer(201, "application/json", r#"{"id":"u-1"}"#);
        let refused = answer(409, "", "");
        for done in [told, refused] {
            assert_eq!(untold(&dialect, &creation(), &done), None);
        }
        let stranger = Request {
            as_operator: false,
            ..creation()
        };
        assert_eq!(untold(&dialect, &stranger, &answer(201, "", "")), None);
        let chat = Request {
            path: dialect.chat.clone(),
            ..creation()
        };
        assert_eq!(untold(&dialect, &chat, &answer(200, "", "")), None);
    }

    #[test]
    fn a_look_tells_what_the_answer_does_not_and_is_no_part_of_what_was_sent() {
        let seen = answer(200, "application/json", r#"{"id":"u-1","slug":"a"}"#);
        let changed = Exchange {
            told_later: Some(Arc::new(seen)),
            ..answer(200, "application/json", r#"{"slug":"b"}"#)
        };
        assert_eq!(changed.text_at("/slug").unwrap(), "b");
        assert_eq!(changed.text_at("/id").unwrap(), "u-1");
        assert_eq!(changed.text(), r#"{"slug":"b"}"#);
    }
}
