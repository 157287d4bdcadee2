//! `moltproof up`: starts a target as a run does, tells where it is, and keeps it until somebody ends it. Never judges it.

use super::progress::Lines;
use super::signals::Signals;
use super::target::{Manner, Opened, TargetArgs, Terms, runtime};
use super::{Failure, Format, put, say_for_use};
use crate::client::meter::Budget;
use crate::contract::need::{Need, Variant};
use crate::report::Interruption;
use crate::subject::Instance;
use crate::subject::seeding::{self, NotMade};
use crate::subject::tenant::Tenant;
use crate::verdict::Exit;
use crate::wait;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "Examples:
  moltproof up                                             the nearest moltproof.toml, else the embedded reference
  moltproof up --target staging.toml --variant dev-mode    what a scenario of that variant talks to
  moltproof up --tenant acme --tenant globex=premium       with two tenants, as scenarios make theirs
  moltproof up --format json                               everything in one line, for programs

The first line on standard output is the address. Stores are empty but for what the manifest prepares and the tenants that are asked for;
AI Gateway and the Access team domain are the doubles of a run. All of it ends with this command.

Exit codes:
  0    ended by Ctrl-C or SIGTERM
  2    the command line or the manifest is wrong, or the target runs already
  3    the target did not start, or has ended by itself
  130  ended by Ctrl-C before the target was there; 143 by SIGTERM";

/// How often is looked whether the server still runs.
const LOOK_EVERY_MS: u64 = 500;

/// Options of `up`.
#[derive(Debug, clap::Args)]
pub(super) struct UpArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Which variant of the target is started, as the manifest names it.
    #[arg(long, env = "MOLTPROOF_VARIANT", value_name = "VARIANT", value_parser = variant, default_value = "production")]
    variant: Variant,
    /// Also make this tenant, of the tier `free` unless another one is given. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TENANT",
        value_name = "SLUG[=TIER]",
        value_delimiter = ','
    )]
    tenant: Vec<String>,
    /// Form of what is printed: the address, or one line of JSON with the doubles' addresses as well.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Nothing on standard error but complaints.
    #[arg(long, short, env = "MOLTPROOF_QUIET")]
    quiet: bool,
}

fn variant(text: &str) -> Result<Variant, String> {
    Variant::parse(text).ok_or_else(|| {
        let names = Variant::ALL.map(Variant::name);
        format!(
            "there is no variant `{text}`{}; there are {}",
            crate::nearest::hint(text, names),
            names.join(", ")
        )
    })
}

pub(super) fn up(args: &UpArgs) -> Result<Exit, Failure> {
    if args.target.named().contains("://") {
        return Err(Failure::usage(format!(
            "{} is an address: what answers there runs already; give a manifest, or `reference`",
            args.target.named()
        )));
    }
    runtime()?.block_on(async {
        let mut signals = Signals::heard()?;
        let opened = tokio::select! {
            opened = args.target.open(args.terms()) => opened?,
            by = signals.next() => return Err(not_there(by)),
        };
        if !args.quiet {
            opened.target.tell_works(Arc::new(Lines::default()));
        }
        let kept = args.keep(&opened, &mut signals).await;
        // Asked once more, nobody waits for an orderly end: its supervisor sees to the rest.
        tokio::select! {
            () = opened.target.end() => {}
            _again = signals.next() => {}
        }
        kept
    })
}

fn not_there(by: Interruption) -> Failure {
    Failure {
        exit: Exit::of(by),
        message: format!("ended by {} before the target was there", by.words()),
    }
}

impl UpArgs {
    /// What is meant, as `--target` has it.
    pub(super) fn target_named(&self) -> String {
        self.target.named()
    }

    fn terms(&self) -> Terms {
        Terms {
            manner: Manner::Full,
            budget: Budget::default(),
            wait: Duration::ZERO,
            must_answer: false,
            quiet: self.quiet,
            api_worker: false,
        }
    }

    /// Starts the instance, tells of it, and waits until somebody ends it.
    async fn keep(&self, opened: &Opened, signals: &mut Signals) -> Result<Exit, Failure> {
        let (target, name) = (opened.target.as_ref(), self.variant.name());
        if let Some(reason) = target.lacks(Need::Variant(self.variant)) {
            return Err(Failure::usage(format!("no variant `{name}`: {reason}")));
        }
        if target.standing().contains(&self.variant) {
            return Err(Failure::usage(format!(
                "{}: variant `{name}` has an address, where it runs already; only what the manifest launches can be started",
                opened.named
            )));
        }
        let begun = async {
            let instance = target.instance(self.variant).await;
            let instance = instance.map_err(|fault| Failure::fault(fault.0))?;
            let mut tenants = Vec::new();
            for wanted in &self.tenant {
                tenants.push(make(opened, &instance, wanted).await?);
            }
            Ok::<_, Failure>((instance, tenants))
        };
        let (instance, tenants) = tokio::select! {
            begun = begun => begun?,
            by = signals.next() => return Err(not_there(by)),
        };
        self.tell(opened, &instance, &tenants)?;
        loop {
            tokio::select! {
                () = wait::pass(Duration::from_millis(LOOK_EVERY_MS)) => {}
                _asked = signals.next() => return Ok(Exit::Conforms),
            }
            if let Err(fault) = target.instance(self.variant).await {
                return Err(Failure::fault(fault.0));
            }
        }
    }

    fn tell(
        &self,
        opened: &Opened,
        instance: &Instance,
        tenants: &[Tenant],
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => put(&format!("{}\n", facts(opened, instance, tenants))),
            Format::Text => {
                put(&format!("{}\n", instance.base))?;
                if !self.quiet {
                    say_for_use(hints(opened, instance, tenants).trim_end());
                }
                Ok(())
            }
        }
    }
}

/// Makes a tenant as scenarios do.
async fn make(opened: &Opened, instance: &Arc<Instance>, wanted: &str) -> Result<Tenant, Failure> {
    let (slug, tier) = wanted.split_once('=').unwrap_or((wanted, "free"));
    let tenant = Tenant::new(instance, slug, tier);
    let made = seeding::make(&opened.client, opened.target.as_ref(), instance, &tenant).await;
    made.map_err(|error| match error {
        NotMade::NoWay(why) => Failure::usage(format!("--tenant {wanted}: {why}")),
        NotMade::Fault(fault) => Failure::fault(fault.0),
    })
}

fn facts(opened: &Opened, instance: &Instance, tenants: &[Tenant]) -> Value {
    let gateway = instance.gateway.as_ref();
    let access = instance.access.as_ref();
    let tenants: Vec<Value> = tenants
        .iter()
        .map(|one| json!({ "slug": one.slug, "host": one.host, "id": one.id, "tier": one.tier }))
        .collect();
    json!({
        "address": instance.base,
        "target": opened.target.name(),
        "variant": instance.variant.name(),
        "app_domain": instance.app_domain,
        "ai_gateway": gateway.map(|double| json!({ "base_url": double.base_url() })),
        "team_domain": access.map(|double| json!({ "origin": double.origin(), "audience": double.audience() })),
        "operator_token": token(instance),
        "tenants": tenants,
    })
}

/// What makes a request an operator's here. It is of the team domain that ends with this command, and worth nothing elsewhere.
fn token(instance: &Instance) -> Option<String> {
    let access = instance.access.as_ref()?;
    Some(access.token(crate::doubles::TokenKind::Good))
}

fn hints(opened: &Opened, instance: &Instance, tenants: &[Tenant]) -> String {
    let mut out = format!(
        "{}, variant {}, is there; Ctrl-C ends it\n",
        opened.target.name(),
        instance.variant.name()
    );
    let mut line = |head: &str, text: &str| {
        let _infallible = writeln!(out, "  {head:<12} {text}");
    };
    if let Some(gateway) = &instance.gateway {
        line("AI Gateway", &gateway.base_url());
    }
    if let Some(access) = &instance.access {
        line("team domain", &access.origin());
        line("audience", access.audience());
    }
    for tenant in tenants {
        line("tenant", &format!("{} ({})", tenant.host, tenant.tier));
    }
    if let Some(token) = token(instance) {
        line(
            "operator",
            "for lines that ask for it, in another terminal:",
        );
        let _infallible = writeln!(out, "export CF_ACCESS_JWT_ASSERTION='{token}'");
    }
    out
}
