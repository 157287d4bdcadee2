//! Spellings of a host: it alone says who is asked. Never asks a resolver: which tenant a spelling names is worked out here.

use super::Found;
use super::host_spelling::{CANARY, Spelling, Who, criteria, name, spellings, who};
use super::pair::{Pair, Pairs};
use super::shrink::{Check as Runs, Drawing, Tried, search};
use super::stage::{Cast, Halt, Held, Stage, for_request};
use crate::client::Request;
use crate::evidence::cut;
use crate::run::scene::describe;
use crate::verdict::{Check, Stop};

/// Draws and asks.
pub(super) async fn find(stage: &Stage, drawing: Drawing) -> Found {
    let check = Hosts {
        pairs: Pairs::of(stage),
        stage,
    };
    let searched = search(&spellings(), drawing, &check).await;
    Found {
        searched,
        left_out: Vec::new(),
    }
}

struct Hosts<'a> {
    pairs: Pairs<'a>,
    stage: &'a Stage,
}

impl Runs<Spelling> for Hosts<'_> {
    async fn check(&self, case: &Spelling) -> Tried {
        let mut cast = self.stage.scene();
        let held = match self.pairs.take().await {
            Ok(pair) => ask(&mut cast, &pair, case).await,
            Err(stop) => Err(Halt::from(stop)),
        };
        cast.tried(held).await
    }
}

async fn ask(cast: &mut Cast, pair: &Pair, case: &Spelling) -> Held {
    let instance = cast.scene.instance().await?;
    if !instance.base.starts_with("http://") {
        let why = "spellings of a host are sent byte for byte, which needs a target at an http:// address";
        return Err(Stop::NotVerified(why.to_owned()).into());
    }
    let tenants = &pair.tenants;
    let host = case.host(tenants, &instance.app_domain);
    let who = who(&host, tenants);
    let own = match who {
        Who::Own(own) | Who::OwnOrRefused(own) => own,
        Who::Nobody => 0,
    };
    let chat = case.chat && instance.gateway.is_some();
    let request = if chat {
        cast.scene.chat_request(&host)
    } else {
        cast.scene.status_request(&host)
    };
    let other = &tenants[1 - own];
    let request = case.names.iter().fold(request, |request, carrier| {
        carrier.on(request.clone(), other).unwrap_or(request)
    });
    let answer = cast
        .scene
        .send_raw(
            host.as_bytes(),
            Request {
                host: None,
                ..request
            },
        )
        .await?;
    if answer.status == 429 {
        return Err(Stop::NotVerified("a rate limit was met: give premium and enterprise tenants 600 requests a minute, or let the harness choose the client ip".to_owned()).into());
    }
    let words = format!("host `{}`", cut(&host, 120));
    let is_plain = !matches!(who, Who::Nobody) || answer.header("x-request-id").is_some();
    let refused = [400, 404].contains(&answer.status);
    match who {
        Who::OwnOrRefused(_) if refused || cast.is_the_runtimes(&answer) => {}
        Who::Own(number) | Who::OwnOrRefused(number) => {
            let seen = if chat {
                billed(cast, &answer)
            } else {
                cast.scene.who_answered(&answer).await?
            };
            let tenant = &tenants[number];
            let check = cast.scene.expect(
                answer.status == 200
                    && seen.is_some_and(|seen| seen == tenant.slug || seen == tenant.id),
                format!("an answer of tenant {} ({})", name(number), tenant.slug),
                || describe(&answer),
            );
            cast.about(&criteria(case, who), for_request(check, &words))?;
        }
        Who::Nobody if cast.is_the_runtimes(&answer) => {}
        Who::Nobody => {
            let check =
                cast.scene
                    .expect(refused, "status 400 or 404, for it is no tenant's", || {
                        describe(&answer)
                    });
            cast.about(&criteria(case, who), for_request(check, &words))?;
            if answer.status == 404 && answer.header("x-request-id").is_some() {
                let check = cast.scene.expect_error(&answer, 404, "TENANT_NOT_FOUND");
                cast.about(&["RES-012"], for_request(check, &words))?;
            }
            let shown = answer.shown();
            let check: Check = cast.scene.expect(
                !shown.contains(CANARY),
                "an answer that repeats nothing of the host",
                || describe(&answer),
            );
            cast.about(&["SEC-001"], for_request(check, &words))?;
        }
    }
    if is_plain {
        cast.sound(&answer)
    } else {
        Ok(())
    }
}

/// Whom the AI Gateway's journal names for the case's chat.
fn billed(cast: &Cast, answer: &crate::evidence::Exchange) -> Option<String> {
    let dialect = cast.scene.run.target.dialect();
    let gateway = cast.scene.opened()?.gateway.clone()?;
    let calls = gateway.journal(&cast.scene.marker());
    let named = calls
        .first()?
        .metadata_kept
        .as_ref()?
        .get(&dialect.metadata_tenant)?;
    (answer.status == 200)
        .then(|| named.as_str().map(str::to_owned))
        .flatten()
}
