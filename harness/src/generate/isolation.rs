//! The isolation matrix: tenants × roles × routes × carriers, with the same request allowed before it is refused.
//! Never judges by the answers alone: the stores of those who did not call are looked at too.

use super::Found;
use super::carriers::Carrier;
use super::matrix::{Probe, Role, Route, TENANTS, matrix, worlds};
use super::shrink::{Check as Runs, Drawing, Fewer, Searched, Tried, run_all};
use super::stage::{Cast, Halt, Held, Stage, for_request};
use crate::client::Request;
use crate::doubles::{Reply, Script};
use crate::evidence::Exchange;
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::{
    authorised, difference, expect_usage_count, gateway, holdings, start_gateway, usage_rows,
};
use crate::subject::dialect::AdminRoute;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::Arc;

/// Requests side by side in one world.
const AT_ONCE: usize = 16;

/// Worlds side by side: while one waits for its rows another asks.
const WORLDS_AT_ONCE: usize = 2;

/// Requests of a caller in one world beside its probes: the positive controls, before and after.
const CONTROLS: usize = 6;

/// Runs the whole matrix in an order that the seed decides.
pub(super) async fn find(stage: &Stage, drawing: Drawing) -> Found {
    let run = stage.run();
    let quota = usize::try_from(run.target.limits().quota.0).unwrap_or(usize::MAX);
    if quota <= CONTROLS {
        return Stop::NotVerified(format!(
            "a quota of {quota} requests leaves none for probes (manifest: [limits] quota)"
        ))
        .into();
    }
    let routes = stage.scene().scene.dialect().admin_routes("", "").len();
    let mut probes = matrix(routes);
    fastrand::Rng::with_seed(drawing.seed).shuffle(&mut probes);
    let trees = worlds(probes, quota - CONTROLS).into_iter().map(Fewer::of);
    let world = World {
        stage,
        judged: Cell::new(0),
    };
    let searched = run_all(trees.collect(), WORLDS_AT_ONCE, &world).await;
    Found {
        // Cases are probes here, not the worlds they are put into.
        searched: Searched {
            cases: world.judged.get(),
            ..searched
        },
        left_out: Vec::new(),
    }
}

/// Three tenants of their own, and the probes that are sent among them.
struct World<'a> {
    stage: &'a Stage,
    /// Probes whose answers were judged.
    judged: Cell<usize>,
}

impl Runs<Vec<Probe>> for World<'_> {
    async fn check(&self, case: &Vec<Probe>) -> Tried {
        let mut cast = self.stage.scene();
        let held = play(&mut cast, case, &self.judged).await;
        cast.tried(held).await
    }
}

async fn play(cast: &mut Cast, probes: &[Probe], judged: &Cell<usize>) -> Held {
    let mut tenants = Vec::new();
    for (number, (name, tier)) in TENANTS.into_iter().enumerate() {
        let tenant = cast.tenant(name, tier).await?;
        let (marker, tokens) = (cast.marker(name), tokens_of(number));
        let reply = Reply::answer(&greeting(&tenant), tokens.0, tokens.1);
        let gateway = cast.scene.gateway().await?;
        gateway.script(&marker, Script::always(reply));
        tenants.push(tenant);
    }
    let answer = start_gateway(&mut cast.scene, &tenants[1].id).await?;
    if answer.status != 200 {
        return Err(Stop::Fault(format!("cannot start a gateway: {}", describe(&answer))).into());
    }
    for (number, tenant) in tenants.iter().enumerate() {
        control(cast, number, tenant).await?;
    }
    for caller in 0..TENANTS.len() {
        let own: Vec<Probe> = probes
            .iter()
            .copied()
            .filter(|probe| probe.caller == caller)
            .collect();
        if !own.is_empty() {
            round(cast, &tenants, caller, &own, judged).await?;
        }
    }
    Ok(())
}

/// What a model says to a tenant and to nobody else.
fn greeting(tenant: &Tenant) -> String {
    format!("This is for {} alone.", tenant.slug)
}

/// Different for each tenant, so that a row on the wrong bill shows.
fn tokens_of(number: usize) -> (u64, u64) {
    let number = number as u64 + 1;
    (11 * number, number)
}

/// The positive control: the tenant itself is answered, on both of its hosts, and the operator reads it.
async fn control(cast: &mut Cast, number: usize, tenant: &Tenant) -> Held {
    for host in [&tenant.host, tenant.domains.first().unwrap_or(&tenant.host)] {
        let request = cast.scene.status_request(host);
        let answer = cast.scene.send(request).await?;
        let who = cast.scene.who_answered(&answer).await?;
        let check = cast.scene.expect(
            who.as_deref() == Some(tenant.slug.as_str()),
            format!("tenant {} answered as itself", TENANTS[number].0),
            || describe(&answer),
        );
        cast.about(&["ISO-001"], check)?;
    }
    let path = cast.scene.dialect().tenant.replace("{id}", &tenant.id);
    if path.is_empty() {
        return Ok(());
    }
    let request = authorised(&mut cast.scene, Request::new("GET", path)).await?;
    let answer = cast.scene.send(request).await?;
    let check = cast.scene.expect(
        answer.status == 200,
        format!("the operator reads tenant {}", TENANTS[number].0),
        || describe(&answer),
    );
    cast.about(&["ISO-001"], check)
}

/// The request of a probe, and the route it goes to.
async fn request_of(
    cast: &mut Cast,
    tenants: &[Tenant],
    probe: Probe,
) -> Result<Option<Request>, Stop> {
    let (caller, other) = (&tenants[probe.caller], &tenants[probe.other]);
    let prompt = Scene::prompt(&cast.marker(TENANTS[probe.caller].0));
    let chat = json!({ "messages": [{ "role": "user", "content": prompt }] });
    let scene = &cast.scene;
    let request = match probe.route {
        Route::Health => scene.health_request(),
        Route::Status => scene.status_request(&caller.host),
        Route::Chat => scene.chat_request_with(&caller.host, &chat),
        Route::Unknown => {
            let is_chat = matches!(probe.carrier, Carrier::Path(path) if path.contains("chat"));
            if is_chat {
                Request::new("POST", "/").json(&chat)
            } else {
                Request::new("GET", "/")
            }
        }
        Route::Admin(number) => {
            let nobody = uuid::Uuid::new_v4().hyphenated().to_string();
            let id = if probe.role == Role::Caller {
                &other.id
            } else {
                &nobody
            };
            let fresh = scene.slug(&cast.named("uncreated"));
            let routes = scene.dialect().admin_routes(id, &fresh);
            // An operator's request that is about no tenant in its path is about all of them.
            let about_one = |route: &&AdminRoute| {
                probe.role == Role::Caller || route.path.contains(id.as_str())
            };
            match routes.get(number).filter(about_one) {
                Some(route) => route.request(),
                None => return Ok(None),
            }
        }
    };
    let request = request.host(&caller.host);
    let request = if probe.role == Role::Operator {
        authorised(&mut cast.scene, request).await?
    } else {
        request
    };
    let taken = |request: &Request, name: &str| {
        request
            .headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
    };
    if let Carrier::Header(name, _) | Carrier::Claim(name, _) = probe.carrier
        && taken(&request, name)
    {
        // Two of one header are no request that says anything about either.
        return Ok(None);
    }
    Ok(probe.carrier.on(request, other))
}

async fn round(
    cast: &mut Cast,
    tenants: &[Tenant],
    caller: usize,
    probes: &[Probe],
    judged: &Cell<usize>,
) -> Held {
    let mut before = Vec::new();
    for (number, tenant) in tenants.iter().enumerate() {
        if number != caller {
            before.push((number, whole(cast, tenant).await?));
        }
    }
    let mut sent = Vec::new();
    for &probe in probes {
        if let Some(request) = request_of(cast, tenants, probe).await? {
            sent.push((probe, request));
        }
    }
    let mut chats = 0;
    for batch in sent.chunks(AT_ONCE) {
        let requests = batch.iter().map(|(_, request)| request.clone()).collect();
        let answers = cast.scene.send_all(requests).await?;
        for ((probe, _), answer) in batch.iter().zip(answers) {
            chats += usize::from(is_answered_chat(&answer));
            judge(cast, tenants, *probe, &answer)?;
            judged.set(judged.get() + 1);
        }
    }
    bills(cast, &tenants[caller], caller, chats).await?;
    for (number, before) in before {
        let after = whole(cast, &tenants[number]).await?;
        let lines = difference(&before, &after);
        let name = TENANTS[number].0;
        let check = cast.scene.expect(
            lines.is_empty(),
            format!(
                "nothing of tenant {name} changed by calls of tenant {}",
                TENANTS[caller].0
            ),
            || lines.join("; "),
        );
        cast.about(&["ISO-001"], check)?;
    }
    Ok(())
}

/// All that is held of a tenant, and how its gateway stands.
async fn whole(cast: &mut Cast, tenant: &Tenant) -> Result<Value, Halt> {
    let mut all = holdings(&mut cast.scene, tenant).await?;
    let answer = gateway(&mut cast.scene, &tenant.id).await?;
    if let Value::Object(all) = &mut all {
        all.insert(
            "gateway".to_owned(),
            json!({ "status": answer.status, "body": answer.json() }),
        );
    }
    Ok(all)
}

fn is_answered_chat(answer: &Exchange) -> bool {
    answer.request.method == "POST" && answer.status == 200 && answer.request.body.contains("[[mp-")
}

fn judge(cast: &mut Cast, tenants: &[Tenant], probe: Probe, answer: &Arc<Exchange>) -> Held {
    let caller = &tenants[probe.caller];
    let words = probe.words();
    let criteria = probe.carrier.criteria();
    let sent = format!("{:?}", answer.request);
    let shown = answer.shown();
    let names = tenants
        .iter()
        .filter(|tenant| tenant.id != caller.id)
        .flat_map(|tenant| {
            [&tenant.slug, &tenant.id, &tenant.sandbox_id]
                .into_iter()
                .chain(&tenant.domains)
        });
    // What the caller said itself may come back; what it could not know may not.
    let foreign = names
        .into_iter()
        .find(|name| shown.contains(name.as_str()) && !sent.contains(name.as_str()));
    let check = cast.scene.expect(
        foreign.is_none(),
        format!("an answer that names no other tenant: {words}"),
        || {
            format!(
                "`{}` in {}",
                foreign.map_or("", String::as_str),
                describe(answer)
            )
        },
    );
    cast.about(&criteria, check)?;
    let own = match probe.route {
        Route::Admin(_) if probe.role == Role::Caller => {
            let check = cast.scene.expect_error(answer, 403, "ACCESS_DENIED");
            return cast.about(&["ACC-001", "ISO-001"], for_request(check, &words));
        }
        // The path alone says whom an operator means: nobody.
        Route::Admin(_) => matches!(answer.status, 400 | 404),
        Route::Health => answer.status == 200,
        Route::Unknown if answer.status >= 300 => answer.status < 500,
        Route::Chat => answer.status == 200 && answer.text().contains(&greeting(caller)),
        Route::Status | Route::Unknown => {
            let pointer = cast.scene.dialect().status_tenant;
            let says = cast.scene.run.target.dialect().status_tenant.is_empty()
                || answer.text_at(&pointer).as_deref() == Some(caller.slug.as_str());
            (answer.status == 200 && says)
                || (is_answered_chat(answer) && answer.text().contains(&greeting(caller)))
        }
    };
    let expected = match probe.route {
        Route::Admin(_) => format!("404, for the path names nobody: {words}"),
        Route::Health | Route::Status | Route::Chat | Route::Unknown => {
            format!(
                "an answer of tenant {}'s own: {words}",
                TENANTS[probe.caller].0
            )
        }
    };
    let check = if own {
        cast.scene.checks += 1;
        Ok(())
    } else {
        Err(breach(expected, describe(answer)))
    };
    cast.about(&criteria, check)?;
    cast.sound(answer)
}

/// The calls of models and the usage rows of a caller: as many as chats that were answered, and nobody else's.
async fn bills(cast: &mut Cast, caller: &Tenant, number: usize, chats: usize) -> Held {
    let marker = cast.marker(TENANTS[number].0);
    let calls = cast.scene.gateway().await?.journal(&marker);
    let check = cast.scene.expect_eq(
        &format!("model calls of tenant {}:", TENANTS[number].0),
        &chats,
        &calls.len(),
    );
    cast.about(&["ISO-001"], check)?;
    for call in calls {
        let kept = call.metadata_kept.unwrap_or_default();
        let dialect = cast.scene.run.target.dialect();
        let wanted = [
            (
                dialect.metadata_tenant.clone(),
                vec![&caller.id, &caller.slug],
            ),
            (
                dialect.metadata_sandbox_id.clone(),
                vec![&caller.sandbox_id],
            ),
        ];
        for (key, own) in wanted {
            let seen = kept.get(&key).and_then(Value::as_str);
            let check = cast.scene.expect(
                seen.is_none_or(|seen| own.iter().any(|own| *own == seen)),
                format!(
                    "`{key}` of tenant {} in the metadata of its calls",
                    TENANTS[number].0
                ),
                || said(&seen),
            );
            cast.about(&["ISO-001", "AIG-003"], check)?;
        }
    }
    let check = expect_usage_count(&mut cast.scene, caller, chats).await;
    cast.about(&["ISO-001", "USG-012"], check)?;
    let rows = usage_rows(&mut cast.scene, &caller.id).await?;
    let tokens = tokens_of(number);
    let strange = rows.iter().find(|row| {
        (row["tokens_in"].as_u64(), row["tokens_out"].as_u64()) != (Some(tokens.0), Some(tokens.1))
    });
    let check = cast.scene.expect(
        strange.is_none(),
        format!(
            "usage rows of tenant {} with its own tokens",
            TENANTS[number].0
        ),
        || said(&strange),
    );
    cast.about(&["ISO-001", "USG-012"], check)
}
