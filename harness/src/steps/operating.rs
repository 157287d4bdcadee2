//! What an operator does and what the stores then hold, shared by the steps of several areas. Never asserts and defines no step.

mod starting;

use crate::client::Request;
use crate::contract::need::{Need, Variant};
use crate::evidence::Exchange;
use crate::observe::Row;
use crate::run::scene::{Scene, breach, describe};
use crate::subject::layout::Table;
use crate::subject::operator::Operator;
use crate::subject::registry::{self, Entry};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Severity, Stop, Unmet};
use crate::wait::{self, Look};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing more may happen before it counts as not happening.
/// Evidence: what follows an answer (a usage row, a log line) was seen within 20 ms of it; a quiet window follows a positive signal where there is one.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

/// Longest time that a scenario waits for a change to be seen.
/// Evidence: several waits must fit into one step (90 s), and KV's own minute (60 s) would make a run take an hour.
pub(crate) const SETTLED_MAX: Duration = Duration::from_secs(10);

/// How long a log line may take to be seen.
pub(crate) const LOG_SOON: Duration = Duration::from_secs(2);

/// A path with the tenant id filled in.
pub(crate) fn at(template: &str, id: &str) -> String {
    template.replace("{id}", id)
}

/// What makes an operator: of the team domain that the instance trusts, else of the one that production trusts, else the
/// credential that was given.
pub(crate) async fn operator(s: &mut Scene) -> Result<Operator, Stop> {
    let own = s.instance().await?.operator();
    let found = match own {
        Some(operator) => Some(operator),
        None => s.run.target.instance(Variant::Production).await?.operator(),
    };
    let operator = found.ok_or_else(|| {
        Stop::NotVerified(format!("needs {}: {}", Need::Admin, Need::Admin.remedy()))
    })?;
    if operator != Operator::ByHand {
        s.run.remember_secret(operator.secret());
    }
    Ok(operator)
}

/// A good operator's token; not every credential is one.
pub(crate) async fn operator_token(s: &mut Scene) -> Result<String, Stop> {
    match operator(s).await? {
        Operator::Token(token) => Ok(token),
        Operator::ByHand | Operator::ServiceToken { .. } => Err(Stop::NotVerified(
            "needs an operator's token: a service token is none that the Worker sees; give [operator] token".to_owned(),
        )),
    }
}

/// A request with the operator's token.
pub(crate) async fn authorised(s: &mut Scene, request: Request) -> Result<Request, Stop> {
    Ok(operator(s).await?.on(request))
}

/// Sends an admin request as operator.
pub(crate) async fn operate(
    s: &mut Scene,
    method: &str,
    path: String,
    body: Option<&Value>,
) -> Result<Arc<Exchange>, Stop> {
    let request = Request::new(method, path);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let request = authorised(s, request).await?;
    s.send(request).await
}

/// The creating request of the operator.
pub(crate) async fn creation(s: &mut Scene, body: &Value) -> Result<Request, Stop> {
    let request = Request::new("POST", s.dialect().tenants).json(body);
    authorised(s, request).await
}

/// Creates a tenant as operator, whatever the answer.
pub(crate) async fn create(s: &mut Scene, body: &Value) -> Result<Arc<Exchange>, Stop> {
    let request = creation(s, body).await?;
    s.send(request).await
}

/// Reads a tenant as operator.
pub(crate) async fn read(s: &mut Scene, id: &str) -> Result<Arc<Exchange>, Stop> {
    let path = at(&s.dialect().tenant, id);
    operate(s, "GET", path, None).await
}

/// Changes a tenant as operator.
pub(crate) async fn change(s: &mut Scene, id: &str, to: &Value) -> Result<Arc<Exchange>, Stop> {
    let path = at(&s.dialect().tenant, id);
    operate(s, "PATCH", path, Some(to)).await
}

/// Deletes a tenant as operator.
pub(crate) async fn delete(s: &mut Scene, id: &str) -> Result<Arc<Exchange>, Stop> {
    let path = at(&s.dialect().tenant, id);
    operate(s, "DELETE", path, None).await
}

/// Starts a tenant's gateway as operator, and lets it come up where it is started in the background.
pub(crate) async fn start_gateway(s: &mut Scene, id: &str) -> Result<Arc<Exchange>, Stop> {
    let path = at(&s.dialect().gateway_start, id);
    let answer = operate(s, "POST", path, None).await?;
    starting::let_it_come_up(s, id, &answer).await?;
    Ok(answer)
}

/// Reads a tenant's gateway as operator.
pub(crate) async fn gateway(s: &mut Scene, id: &str) -> Result<Arc<Exchange>, Stop> {
    let path = at(&s.dialect().gateway, id);
    operate(s, "GET", path, None).await
}

/// Reads a tenant's gateway as operator, once it is no longer coming up: a chat may have started it.
pub(crate) async fn settled_gateway(s: &mut Scene, id: &str) -> Result<Arc<Exchange>, Stop> {
    let answer = gateway(s, id).await?;
    if !starting::is_coming_up(s, &answer) {
        return Ok(answer);
    }
    starting::let_it_come_up(s, id, &answer).await?;
    gateway(s, id).await
}

/// Presupposes that an answer about a tenant's gateway tells of the sandbox of that tenant: where another one is told, ISO-001 is broken.
pub(crate) fn presuppose_own_sandbox(answer: &Exchange, tenant: &Tenant) -> Check {
    let text = answer.text();
    let is_id = |word: &&str| {
        word.strip_prefix("sk-")
            .is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let mut told = text
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
        .filter(is_id);
    let is_foreign = told.next().is_some() && !text.contains(&tenant.sandbox_id);
    if !is_foreign {
        return Ok(());
    }
    Err(breach(
        format!("an answer about the sandbox {}", tenant.sandbox_id),
        describe(answer),
    )
    .or_unmet("ISO-001"))
}

/// Does what a scenario only presupposes: another answer than expected leaves it unjudged.
pub(crate) fn presuppose(answer: &Exchange, wanted: bool, what: &str) -> Check {
    if wanted {
        return Ok(());
    }
    Err(Stop::Unmet(Unmet {
        because: at_fault(answer),
        expected: "a request of which the scenario only makes use to succeed".to_owned(),
        seen: format!("{what}: {}", describe(answer)),
    }))
}

/// Asserts what must hold of an answer before anything can be judged: where it does not, the operation is at fault, and no criterion.
pub(crate) fn expect_first(
    s: &mut Scene,
    answer: &Exchange,
    holds: bool,
    expected: impl Into<String>,
) -> Check {
    if holds {
        s.checks += 1;
        return Ok(());
    }
    Err(Stop::Unmet(Unmet {
        because: at_fault(answer),
        expected: expected.into(),
        seen: describe(answer),
    }))
}

/// As [`expect_first`], of the status.
pub(crate) fn expect_status_first(s: &mut Scene, answer: &Exchange, status: u16) -> Check {
    let holds = answer.status == status;
    expect_first(s, answer, holds, format!("status {status}"))
}

/// What is at fault when a request is not answered as it has to be before anything can be judged. The same for all tenants, so that one
/// cause is told once.
pub(crate) fn at_fault(answer: &Exchange) -> String {
    let path = answer.request.path.split('?').next().unwrap_or_default();
    let is_id = |segment: &str| uuid::Uuid::try_parse(segment).is_ok();
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| if is_id(segment) { "{id}" } else { segment })
        .collect();
    let what = format!(
        "status {} of {} {}",
        answer.status,
        answer.request.method,
        segments.join("/")
    );
    if answer.status == 429 {
        format!("the rate limit ({what})")
    } else {
        what
    }
}

/// The worst of several checks: a breach before a finding of shape, so that no harmless difference hides a broken promise, and any finding
/// before what could not be judged.
pub(crate) fn worst(checks: impl IntoIterator<Item = Check>) -> Check {
    let mut worst = Ok(());
    for check in checks {
        if let Err(Stop::Fault(_)) = check {
            return check;
        }
        if badness(&check) > badness(&worst) {
            worst = check;
        }
    }
    worst
}

fn badness(check: &Check) -> u8 {
    match check {
        Ok(()) => 0,
        Err(Stop::NotApplicable(_)) => 1,
        Err(Stop::NotVerified(_)) => 2,
        Err(Stop::Unmet(_)) => 3,
        Err(Stop::Violation(finding)) if finding.severity == Severity::Shape => 4,
        Err(Stop::Violation(_)) => 5,
        Err(Stop::Fault(_)) => 6,
    }
}

/// Lets a change by the operator, or behind the target's back, become visible to resolution.
pub(crate) async fn settle(s: &Scene) -> Check {
    let delay = s.run.target.limits().registry_delay;
    if delay > SETTLED_MAX {
        return Err(too_late(delay));
    }
    if !delay.is_zero() {
        wait::pass(delay).await;
    }
    Ok(())
}

/// Why nothing can be told of a change that is seen after minutes.
pub(crate) fn too_late(delay: Duration) -> Stop {
    Stop::NotVerified(format!(
        "a change is seen after {} s, longer than a scenario waits: run a variant that keeps tenants for at most {} s (manifest: [limits] tenant_cache_ms, registry_delay_ms)",
        delay.as_secs(),
        SETTLED_MAX.as_secs()
    ))
}

/// The column of a tenant's sandbox id.
const SANDBOX_ID: &str = "sandbox_id";

/// The row of a tenant.
pub(crate) async fn tenant_row(s: &mut Scene, id: &str) -> Result<Option<Row>, Stop> {
    let sql =
        "SELECT id, platform, tier, sandbox_id, created_at, updated_at FROM tenants WHERE id = ?1";
    Ok(s.d1()
        .await?
        .query(sql, &[json!(id)])
        .await?
        .into_iter()
        .next())
}

/// The sandbox id that a tenant's row holds; not verified where the target stores none.
pub(crate) fn stored_sandbox_id(s: &Scene, row: Option<&Row>) -> Result<Option<String>, Stop> {
    let layout = s.run.target.layout();
    layout
        .column(Table::Tenants, SANDBOX_ID)
        .map_err(Stop::NotVerified)?;
    let stored = row.and_then(|row| row[SANDBOX_ID].as_str());
    Ok(stored.map(str::to_owned))
}

/// Whether the target's rows hold sandbox ids.
pub(crate) fn stores_sandbox_ids(s: &Scene) -> bool {
    let layout = s.run.target.layout();
    layout.column(Table::Tenants, SANDBOX_ID).is_ok()
}

/// Puts a row into the table of tenants behind the target's back.
pub(crate) async fn insert_tenant(s: &mut Scene, id: &str, sandbox_id: &str) -> Check {
    let sql = "INSERT INTO tenants (id, platform, tier, sandbox_id, created_at, updated_at) VALUES (?1, 'web', ?4, ?2, ?3, ?3)";
    let free = s.run.target.dialect().tier("free").to_owned();
    let values = [
        json!(id),
        json!(sandbox_id),
        json!(crate::clock::epoch_ms()),
        json!(free),
    ];
    s.d1().await?.execute(sql, &values).await?;
    Ok(())
}

/// The usage rows of a tenant.
pub(crate) async fn usage_rows(s: &mut Scene, id: &str) -> Result<Vec<Row>, Stop> {
    let sql = "SELECT id, tenant_id, model, tokens_in, tokens_out, latency_ms, created_at FROM usage WHERE tenant_id = ?1 ORDER BY id";
    Ok(s.d1().await?.query(sql, &[json!(id)]).await?)
}

/// The ids of a tenant's usage rows.
pub(crate) async fn usage_ids(s: &mut Scene, id: &str) -> Result<Vec<String>, Stop> {
    let rows = usage_rows(s, id).await?;
    let ids = rows.iter().filter_map(|row| row["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// Waits until a tenant has exactly as many usage rows; more than that is a finding at once.
pub(crate) async fn expect_usage_count(s: &mut Scene, tenant: &Tenant, count: usize) -> Check {
    let d1 = s.d1().await?;
    let deadline = s.run.target.limits().usage_visible;
    let sql = "SELECT count(*) AS n FROM usage WHERE tenant_id = ?1";
    s.expect_soon(
        &format!("{count} usage rows of tenant `{}`", tenant.slug),
        deadline,
        || async {
            let rows = d1.query(sql, &[json!(tenant.id)]).await?;
            let seen = rows.first().and_then(|row| row["n"].as_u64()).unwrap_or(0);
            Ok(if seen == count as u64 {
                Look::Done(())
            } else {
                Look::NotYet(format!("{seen} rows"))
            })
        },
    )
    .await
}

/// The keys under which a tenant is registered in KV.
pub(crate) fn registry_keys(s: &Scene, tenant: &Tenant) -> Vec<String> {
    registry::entries_of(s.run.target.as_ref(), tenant)
        .into_iter()
        .map(|entry| entry.key)
        .collect()
}

/// All that the stores hold of a tenant: row, usage, registry, entries and objects of its sandbox.
pub(crate) async fn holdings(s: &mut Scene, tenant: &Tenant) -> Result<Value, Stop> {
    let row = tenant_row(s, &tenant.id).await?;
    let usage = usage_rows(s, &tenant.id).await?;
    let kv = s.kv().await?;
    let prefix = format!("{}/", tenant.sandbox_id);
    let mut entries = Map::new();
    let mut keys = registry_keys(s, tenant);
    keys.extend(kv.keys(&prefix).await?);
    for key in keys {
        let entry = Entry::read(kv.as_ref(), &key).await?;
        if let Some(metadata) = entry.as_ref().and_then(|entry| entry.metadata.as_ref()) {
            entries.insert(format!("{key} (metadata)"), metadata.clone());
        }
        entries.insert(key, json!(entry.map(|entry| entry.value)));
    }
    Ok(json!({
        "row": row,
        "usage": usage,
        "kv": entries,
        "r2": objects(s, &prefix).await?,
    }))
}

/// The objects below a prefix of the bucket, their bytes as escaped text.
pub(crate) async fn objects(s: &mut Scene, prefix: &str) -> Result<Map<String, Value>, Stop> {
    let r2 = s.r2().await?;
    let mut list = Map::new();
    for key in r2.keys(prefix).await? {
        let bytes = r2.get(&key).await?.unwrap_or_default();
        list.insert(key, json!(bytes.escape_ascii().to_string()));
    }
    Ok(list)
}

/// What differs between two snapshots, in one line per part; empty if nothing does.
pub(crate) fn difference(before: &Value, after: &Value) -> Vec<String> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return if before == after {
            Vec::new()
        } else {
            vec![format!("{before} became {after}")]
        };
    };
    let mut lines = Vec::new();
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let part = difference(
            before.get(key).unwrap_or(&Value::Null),
            after.get(key).unwrap_or(&Value::Null),
        );
        lines.extend(part.into_iter().map(|line| format!("{key}: {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_is_worse_than_a_finding_of_shape() {
        use crate::run::scene::{breach, misshapen};
        let shape = || Err(misshapen("a", "b"));
        let broken = || Err(breach("c", "d"));
        assert_eq!(worst([Ok(()), shape(), broken()]), broken());
        assert_eq!(worst([Ok(()), shape(), Ok(())]), shape());
        assert_eq!(worst([Ok(())]), Ok(()));
    }

    #[test]
    fn what_could_not_be_judged_hides_no_finding() {
        use crate::run::scene::misshapen;
        let untold = || Err(misshapen("a", "b").or_unmet("RL-001"));
        let shape = || Err(misshapen("c", "d"));
        assert_eq!(worst([untold(), shape()]), shape());
        assert_eq!(worst([Ok(()), untold()]), untold());
    }

    #[test]
    fn a_cause_is_the_same_for_every_tenant() {
        use crate::evidence::samples::answer;
        let mut one = answer(403, "application/json", "{}");
        one.request.path = format!("/api/admin/tenants/{}?limit=1", uuid::Uuid::new_v4());
        assert_eq!(at_fault(&one), "status 403 of GET /api/admin/tenants/{id}");
        one.status = 429;
        assert!(at_fault(&one).starts_with("the rate limit (status 429 of"));
    }

    #[test]
    fn a_difference_names_the_part_that_changed() {
        let before = json!({ "row": { "tier": "free" }, "kv": {} });
        let after = json!({ "row": { "tier": "premium" }, "kv": {} });
        assert_eq!(
            difference(&before, &after),
            ["row: tier: \"free\" became \"premium\""]
        );
        assert!(difference(&before, &before).is_empty());
    }
}
