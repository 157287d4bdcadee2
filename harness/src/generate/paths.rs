//! Spellings of a path, one change upon another: no admin route opens without a token, and the host alone says who is asked.
//! Never takes a refusal for proof: the route opens with a token first.

use super::Found;
use super::pair::{Pair, Pairs};
use super::path_spelling::{Base, Spelling, is_well_formed, spellings};
use super::shrink::{Check as Runs, Drawing, Tried, search};
use super::stage::{Cast, Halt, Held, Stage, for_request};
use crate::client::Request;
use crate::evidence::{Exchange, cut};
use crate::run::scene::describe;
use crate::steps::operating::authorised;
use crate::subject::tenant::Tenant;
use crate::verdict::Stop;

/// Draws and asks.
pub(super) async fn find(stage: &Stage, drawing: Drawing) -> Found {
    let check = Paths {
        pairs: Pairs::of(stage),
        stage,
    };
    let searched = search(&spellings(), drawing, &check).await;
    Found {
        searched,
        left_out: Vec::new(),
    }
}

struct Paths<'a> {
    pairs: Pairs<'a>,
    stage: &'a Stage,
}

impl Runs<Spelling> for Paths<'_> {
    async fn check(&self, case: &Spelling) -> Tried {
        let mut cast = self.stage.scene();
        let held = match self.pairs.take().await {
            Ok(pair) => ask(&mut cast, &pair, case).await,
            Err(stop) => Err(Halt::from(stop)),
        };
        if matches!(held, Err(Halt::Broken(_))) {
            self.pairs.spoil().await;
        }
        cast.tried(held).await
    }
}

/// The request of a case.
fn request_of(cast: &Cast, pair: &Pair, case: &Spelling, fresh: &str) -> Request {
    let dialect = cast.scene.dialect();
    let tenant = &pair.tenants[0];
    let public: Vec<String> = dialect
        .public_paths()
        .into_iter()
        .filter(|path| !path.is_empty())
        .collect();
    let routes = dialect.admin_routes(&tenant.id, fresh);
    let mut request = match case.base {
        Base::Admin(number) => routes[number % routes.len()].request(),
        Base::Console => Request::new("GET", format!("{}/", dialect.console)),
        Base::Public(number) => Request::new("GET", public[number % public.len()].clone()),
    };
    request.path = case.twists.iter().fold(request.path, |path, twist| {
        twist.on(&path, &public, &tenant.host)
    });
    if let Some(method) = case.method {
        method.clone_into(&mut request.method);
    }
    if let Some(carrier) = case.names {
        request = carrier
            .on(request.clone(), &pair.tenants[1])
            .unwrap_or(request);
    }
    request
}

/// The tenant's record as the operator reads it.
async fn record(cast: &mut Cast, tenant: &Tenant) -> Result<std::sync::Arc<Exchange>, Stop> {
    let path = cast.scene.dialect().tenant.replace("{id}", &tenant.id);
    let request = authorised(&mut cast.scene, Request::new("GET", path)).await?;
    cast.scene.send(request).await
}

async fn ask(cast: &mut Cast, pair: &Pair, case: &Spelling) -> Held {
    let instance = cast.scene.instance().await?;
    if !instance.base.starts_with("http://") {
        let why = "spellings of a path are sent byte for byte, which needs a target at an http:// address";
        return Err(Stop::NotVerified(why.to_owned()).into());
    }
    let tenant = &pair.tenants[0];
    let fresh = cast.scene.slug(&cast.named("uncreated"));
    let before = record(cast, tenant).await?;
    let check = cast
        .scene
        .expect(before.status == 200, "the operator reads tenant a", || {
            describe(&before)
        });
    cast.about(&["ACC-017"], check)?;
    let request = request_of(cast, pair, case, &fresh);
    let words = format!("{} {}", request.method, cut(&request.path, 200));
    let attempts = cast
        .scene
        .attempt_all_raw(tenant.host.as_bytes(), vec![request.clone()])
        .await?;
    let Some(Ok(answer)) = attempts.into_iter().next() else {
        // Closed without an answer: nothing opened; but a well-formed request must be answered.
        let check = cast
            .scene
            .expect(!is_well_formed(&request.path), "an answer", || {
                "none".to_owned()
            });
        return cast.about(&["ERR-001"], for_request(check, &words));
    };
    if answer.status == 429 {
        return Err(Stop::NotVerified(
            "a rate limit was met: give premium and enterprise tenants 600 requests a minute"
                .to_owned(),
        )
        .into());
    }
    closed(cast, pair, case, &answer, &words)?;
    if !["GET", "HEAD", "OPTIONS"].contains(&request.method.as_str()) {
        let after = record(cast, tenant).await?;
        let check = cast.scene.expect(
            after.status == before.status && after.json() == before.json(),
            "tenant a as it was",
            || format!("{} became {}", describe(&before), describe(&after)),
        );
        cast.about(&["ACC-017"], for_request(check, &words))?;
        if request.method == "POST" {
            let host = instance.tenant_host(&fresh);
            let asked = cast.scene.status_request(&host);
            let answer = cast.scene.send(asked).await?;
            let check = cast
                .scene
                .expect(answer.status != 200, "no tenant made", || describe(&answer));
            cast.about(&["ACC-017"], for_request(check, &words))?;
        }
    }
    Ok(())
}

fn closed(cast: &mut Cast, pair: &Pair, case: &Spelling, answer: &Exchange, words: &str) -> Held {
    let [tenant, other] = &pair.tenants;
    // A public route may be asked in any spelling that the target takes for it: then the answer is the public one.
    let is_public = answer
        .sent_json()
        .is_some_and(|body| pair.public.contains(&body))
        || (matches!(answer.request.method.as_str(), "HEAD" | "OPTIONS")
            && answer.body_len == 0
            && matches!(case.base, Base::Public(_)));
    let opened = (200..300).contains(&answer.status) && !is_public;
    let criterion = if matches!(case.base, Base::Public(_)) {
        "RES-010"
    } else {
        "ACC-017"
    };
    let check = cast.scene.expect(
        !opened,
        "a refusal, or a public answer of tenant a's own",
        || describe(answer),
    );
    cast.about(&[criterion], for_request(check, words))?;
    let (shown, sent) = (answer.shown(), format!("{:?}", answer.request));
    let names = [
        &tenant.sandbox_id,
        &other.slug,
        &other.id,
        &other.sandbox_id,
    ];
    let leaked = names
        .into_iter()
        .chain(&other.domains)
        .find(|name| shown.contains(name.as_str()) && !sent.contains(name.as_str()));
    let check = cast.scene.expect(
        leaked.is_none(),
        "nothing that only an operator or another tenant may read",
        || {
            format!(
                "`{}` in {}",
                leaked.map_or("", String::as_str),
                describe(answer)
            )
        },
    );
    cast.about(&[criterion], for_request(check, words))?;
    // What is no request at all is refused by HTTP itself, which knows nothing of the contract's errors.
    let bare = answer.header("x-request-id").is_none() && answer.status == 400;
    if bare && !is_well_formed(&answer.request.path) {
        Ok(())
    } else {
        cast.sound(answer)
    }
}
