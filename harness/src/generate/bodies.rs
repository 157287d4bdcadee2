//! Request bodies off their schema: refused as the contract has it, or answered; never a crash, and what is refused leaves nothing behind.
//! Never takes a refusal for proof: the valid body is answered first.

use super::Found;
use super::mutations::{Due, Mutation, due, mutated, mutations};
use super::shrink::{Check as Runs, Drawing, Told, Tried, search};
use super::stage::{Cast, Held, Stage, for_request};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::scene::{Scene, breach, describe, misshapen};
use crate::said::said;
use crate::steps::operating::{QUIET, authorised, tenant_row, usage_rows};
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use crate::wait;
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::sync::Arc;

/// The published schemas of request bodies, each with valid examples.
const SCHEMAS: [(Route, &str); 3] = [
    (
        Route::Chat,
        include_str!("../../../fixtures/schemas/chat-request.schema.json"),
    ),
    (
        Route::Create,
        include_str!("../../../fixtures/schemas/tenant-creation.schema.json"),
    ),
    (
        Route::Change,
        include_str!("../../../fixtures/schemas/tenant-change.schema.json"),
    ),
];

/// Longest text of a body that a reader is shown.
const SHOWN_MAX: usize = 400;

/// Who takes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Chat,
    Create,
    Change,
}

/// A body off a valid one.
#[derive(Debug, Clone)]
struct Mutated {
    route: Route,
    example: usize,
    mutations: Vec<Mutation>,
}

impl Told for Mutated {
    fn lines(&self) -> Vec<String> {
        let route = match self.route {
            Route::Chat => "a chat",
            Route::Create => "the operator's creating request",
            Route::Change => "the operator's changing request",
        };
        let first = format!("{route} with the valid body of example {}", self.example);
        std::iter::once(first)
            .chain(self.mutations.iter().map(Mutation::words))
            .collect()
    }
}

struct Schema {
    route: Route,
    validator: Validator,
    examples: Vec<Value>,
}

fn schemas() -> Result<Vec<Schema>, Stop> {
    let broken = |why: String| Stop::Fault(format!("a built-in schema is broken: {why}"));
    let read = |(route, text): (Route, &str)| {
        let schema: Value =
            serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        let validator =
            jsonschema::draft202012::new(&schema).map_err(|error| broken(error.to_string()))?;
        let examples = schema["examples"].as_array().cloned().unwrap_or_default();
        Ok(Schema {
            route,
            validator,
            examples,
        })
    };
    SCHEMAS.into_iter().map(read).collect()
}

/// Draws and sends.
pub(super) async fn find(stage: &Stage, drawing: Drawing) -> Found {
    let mut schemas = match schemas() {
        Ok(schemas) => schemas,
        Err(stop) => return stop.into(),
    };
    let mut left_out = Vec::new();
    let dialect = stage.run().target.dialect();
    if dialect.create_tenant.is_some() || dialect.change_tenant.is_some() {
        schemas.retain(|schema| schema.route == Route::Chat);
        left_out.push("the operator's bodies: the target has its own (manifest: dialect.create_tenant, change_tenant)".to_owned());
    }
    let routes: Vec<(Route, usize)> = schemas
        .iter()
        .flat_map(|schema| (0..schema.examples.len()).map(|example| (schema.route, example)))
        .collect();
    let strategy =
        (select(routes), mutations()).prop_map(|((route, example), mutations)| Mutated {
            route,
            example,
            mutations,
        });
    let searched = search(&strategy, drawing, &Bodies { stage, schemas }).await;
    Found { searched, left_out }
}

struct Bodies<'a> {
    stage: &'a Stage,
    schemas: Vec<Schema>,
}

impl Runs<Mutated> for Bodies<'_> {
    async fn check(&self, case: &Mutated) -> Tried {
        let mut cast = self.stage.scene();
        let held = match self
            .schemas
            .iter()
            .find(|schema| schema.route == case.route)
        {
            Some(schema) => one(&mut cast, schema, case).await,
            None => Err(Stop::Fault("a route without schema".to_owned()).into()),
        };
        cast.tried(held).await
    }
}

async fn one(cast: &mut Cast, schema: &Schema, case: &Mutated) -> Held {
    let mut tenant = cast.tenant("a", "free").await?;
    let valid = &schema.examples[case.example];
    match case.route {
        Route::Chat => chat(cast, schema, case, &tenant, valid).await,
        Route::Change => change(cast, schema, case, &tenant, valid).await,
        Route::Create => {
            // Its identifiers are nobody's yet.
            let slug = cast.scene.slug(&cast.named("new"));
            tenant.id = crate::subject::run_marks::tenant_id(&slug);
            create(cast, schema, case, &tenant, &slug, valid).await
        }
    }
}

/// The valid body with a case's own names in it.
fn filled(valid: &Value, slug: &str, id: &str, domain: &str) -> Value {
    let text = valid
        .to_string()
        .replace("{slug}", slug)
        .replace("{id}", id)
        .replace("{domain}", domain);
    serde_json::from_str(&text).unwrap_or_default()
}

/// A request with a body as it stands.
fn with_bytes(method: &str, path: String, body: &[u8]) -> Request {
    Request::new(method, path)
        .header("content-type", "application/json")
        .bytes(body.to_vec())
}

fn shown(body: &[u8]) -> String {
    crate::evidence::cut(&String::from_utf8_lossy(body), SHOWN_MAX)
}

/// Judges the answer to a mutated body. Says whether it was let through.
fn judge(
    cast: &mut Cast,
    criterion: &'static str,
    answer: &Exchange,
    body: &[u8],
    due: Due,
) -> Result<bool, super::stage::Halt> {
    let words = format!("body `{}`", shown(body));
    // A crash is a crash, whatever was due.
    cast.sound(answer)?;
    let through = (200..300).contains(&answer.status);
    let malformed = [(400, "INVALID_REQUEST"), (413, "PAYLOAD_TOO_LARGE")];
    let as_malformed = malformed
        .iter()
        .any(|(status, code)| answer.status == *status && answer.has_code(code));
    let failed_upstream = answer.has_code("AI_UPSTREAM_FAILED") && answer.status == 502;
    let check = match (due, answer.status) {
        (Due::Refused, _) if as_malformed => Ok(()),
        (Due::Refused, 400..=499) if cast.scene.accept_refusal(answer) => Ok(()),
        (Due::Refused, 400..=499) => Err(misshapen(
            "400 INVALID_REQUEST or 413 PAYLOAD_TOO_LARGE",
            describe(answer),
        )),
        (Due::Refused, _) => Err(breach(
            "400 INVALID_REQUEST or 413 PAYLOAD_TOO_LARGE",
            describe(answer),
        )),
        (Due::Open, 400..=499) => Ok(()),
        (Due::Open, _) if through || failed_upstream => Ok(()),
        (Due::Open, _) => Err(breach(
            "an answer, or a refusal of status 4xx",
            describe(answer),
        )),
    };
    cast.scene.checks += usize::from(check.is_ok());
    cast.about(&[criterion], for_request(check, &words))?;
    Ok(through)
}

async fn chat(
    cast: &mut Cast,
    schema: &Schema,
    case: &Mutated,
    tenant: &Tenant,
    valid: &Value,
) -> Held {
    let gateway = cast.scene.gateway().await?;
    let control = cast
        .scene
        .send(cast.scene.chat_request_with(&tenant.host, valid))
        .await?;
    let check = cast.scene.expect_status(&control, 200);
    cast.about(&["AIG-018"], for_request(check, "the valid body"))?;
    let rows = settled_rows(cast, tenant, 1).await?;
    let marker = cast.marker("b");
    let prompt = Scene::prompt(&marker);
    let mut marked = valid.clone();
    // In two places, so that a mutation that takes one leaves the other.
    marked["user"] = json!(prompt);
    if let Some(content) = marked.pointer_mut("/messages/0/content") {
        *content = json!(prompt);
    }
    let body = mutated(&marked, &case.mutations);
    let path = cast.scene.dialect().chat;
    let request = with_bytes("POST", path, &body).host(&tenant.host);
    let answer = cast.scene.send(request).await?;
    let due = due(&schema.validator, &body, &case.mutations);
    let through = judge(cast, "AIG-018", &answer, &body, due)?;
    if through || answer.status >= 500 {
        return Ok(());
    }
    wait::quiet(QUIET).await;
    let calls = gateway.journal(&marker).len();
    let check = cast.scene.expect(
        calls == 0,
        "no model call for a body that is refused",
        || format!("{calls} calls"),
    );
    cast.about(
        &["AIG-018"],
        for_request(check, &format!("body `{}`", shown(&body))),
    )?;
    let after = usage_rows(&mut cast.scene, &tenant.id).await?.len();
    let check = cast
        .scene
        .expect_eq("usage rows after a refused body:", &rows, &after);
    cast.about(
        &["USG-013"],
        for_request(check, &format!("body `{}`", shown(&body))),
    )
}

/// How many rows a tenant has once those that are due are there.
async fn settled_rows(
    cast: &mut Cast,
    tenant: &Tenant,
    due: usize,
) -> Result<usize, super::stage::Halt> {
    let check = crate::steps::operating::expect_usage_count(&mut cast.scene, tenant, due).await;
    cast.about(&["USG-001"], check)?;
    Ok(due)
}

async fn operate(cast: &mut Cast, request: Request) -> Result<Arc<Exchange>, Stop> {
    let request = authorised(&mut cast.scene, request).await?;
    cast.scene.send(request).await
}

async fn remove(cast: &mut Cast, id: &str) -> Result<(), Stop> {
    let path = cast.scene.dialect().tenant.replace("{id}", id);
    operate(cast, Request::new("DELETE", path)).await.map(drop)
}

async fn change(
    cast: &mut Cast,
    schema: &Schema,
    case: &Mutated,
    tenant: &Tenant,
    valid: &Value,
) -> Held {
    let name = cast.named("other");
    let (slug, domain) = (cast.scene.slug(&name), cast.scene.domain(&name));
    let path = cast.scene.dialect().tenant.replace("{id}", &tenant.id);
    let valid = filled(valid, &slug, &tenant.id, &domain);
    let control = operate(cast, Request::new("PATCH", path.clone()).json(&valid)).await?;
    let check = cast.scene.expect_status(&control, 200);
    cast.about(&["SCH-008"], for_request(check, "the valid body"))?;
    let before = operate(cast, Request::new("GET", path.clone())).await?;
    let body = mutated(&valid, &case.mutations);
    let answer = operate(cast, with_bytes("PATCH", path.clone(), &body)).await?;
    let due = due(&schema.validator, &body, &case.mutations);
    let through = judge(cast, "SCH-008", &answer, &body, due)?;
    let after = operate(cast, Request::new("GET", path)).await?;
    if !through {
        let check = cast.scene.expect(
            before.json() == after.json(),
            "a tenant that a refused body leaves as it was",
            || format!("{} became {}", describe(&before), describe(&after)),
        );
        cast.about(
            &["SCH-008"],
            for_request(check, &format!("body `{}`", shown(&body))),
        )?;
    }
    // Whatever it is called now: nothing of the run may be left under a name that is not the run's.
    Ok(remove(cast, &tenant.id).await?)
}

async fn create(
    cast: &mut Cast,
    schema: &Schema,
    case: &Mutated,
    tenant: &Tenant,
    slug: &str,
    valid: &Value,
) -> Held {
    let path = cast.scene.dialect().tenants;
    let domain = cast.scene.domain(&cast.named("new"));
    let valid = filled(valid, slug, &tenant.id, &domain);
    let control = operate(cast, Request::new("POST", path.clone()).json(&valid)).await?;
    let check = cast.scene.expect_status(&control, 201);
    cast.about(&["SCH-008"], for_request(check, "the valid body"))?;
    let made = control.text_at("/id").unwrap_or_else(|| tenant.id.clone());
    remove(cast, &made).await?;
    let body = mutated(&valid, &case.mutations);
    let answer = operate(cast, with_bytes("POST", path, &body)).await?;
    let id = answer.text_at("/id").filter(|_| answer.status == 201);
    if let Some(id) = &id {
        remove(cast, id).await?;
    }
    let due = due(&schema.validator, &body, &case.mutations);
    let through = judge(cast, "SCH-008", &answer, &body, due)?;
    if !through {
        let row = tenant_row(&mut cast.scene, &tenant.id).await?;
        let check = cast
            .scene
            .expect(row.is_none(), "no tenant of a refused body", || said(&row));
        cast.about(
            &["SCH-008"],
            for_request(check, &format!("body `{}`", shown(&body))),
        )?;
        let host = cast.scene.instance().await?.tenant_host(slug);
        let request = cast.scene.status_request(&host);
        let answer = cast.scene.send(request).await?;
        let check = cast
            .scene
            .expect(answer.status != 200, "no tenant of a refused body", || {
                describe(&answer)
            });
        cast.about(
            &["SCH-008"],
            for_request(check, &format!("body `{}`", shown(&body))),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_valid_by_its_schema() {
        for schema in schemas().unwrap() {
            assert!(!schema.examples.is_empty());
            for example in &schema.examples {
                let body = filled(example, "a", "6d70", "a.customer.example");
                assert!(schema.validator.is_valid(&body), "{body}");
            }
        }
    }
}
