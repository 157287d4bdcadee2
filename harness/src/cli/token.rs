//! `moltproof token`. Never asks a team domain: it signs with the keys that `moltproof doubles` keeps.

use super::doubles::{StateArgs, state_failure};
use super::{Failure, Format, put};
use crate::doubles::{Due, KeyName, SHORT_NAMES, TokenKind, Wish, state};
use crate::said::chain;
use crate::verdict::Exit;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  moltproof token mint                                     a good token, by the keys of the doubles that run
  curl -H \"cf-access-jwt-assertion: $(moltproof token mint --kind expired)\" http://localhost:8787/api/admin/tenants
  moltproof token kinds                                    every kind, and what is wrong with it";

/// Longest life that can be given: no session of Access is longer than a month.
const LIFE_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Options of `token`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, clap::Subcommand)]
enum TokenVerb {
    /// Prints a token, and nothing else, on standard output.
    #[command(after_help = EXAMPLES)]
    Mint(MintArgs),
    /// Lists the kinds of tokens, and what each breaks.
    #[command(after_help = EXAMPLES)]
    Kinds(KindsArgs),
}

/// Options of `token mint`.
#[derive(Debug, clap::Args)]
struct MintArgs {
    /// What is right or wrong with it; `moltproof token kinds` lists the kinds.
    #[arg(long, env = "MOLTPROOF_TOKEN_KIND", value_name = "KIND", default_value = "good", value_parser = kind)]
    kind: TokenKind,
    #[command(flatten)]
    state: StateArgs,
    /// Audience other than that of the doubles, such as your own application's.
    #[arg(long, env = "MOLTPROOF_TOKEN_AUD", value_name = "AUD")]
    aud: Option<String>,
    /// Issuer other than the doubles' team domain.
    #[arg(long, env = "MOLTPROOF_TOKEN_ISS", value_name = "URL")]
    iss: Option<String>,
    /// Whom a user's token names.
    #[arg(long, env = "MOLTPROOF_TOKEN_EMAIL", value_name = "EMAIL")]
    email: Option<String>,
    /// From now until it expires, such as 90s, 15m, 1h or 2d; without it as long as Access's.
    #[arg(long, env = "MOLTPROOF_TOKEN_TTL", value_name = "TIME", value_parser = life)]
    ttl: Option<Duration>,
    /// The key that signs, by its `kid`; without it the current one.
    #[arg(long, env = "MOLTPROOF_TOKEN_KEY", value_name = "KID")]
    key: Option<String>,
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Options of `token kinds`.
#[derive(Debug, clap::Args)]
struct KindsArgs {
    /// Form of the output.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn kind(text: &str) -> Result<TokenKind, String> {
    TokenKind::parse(text).ok_or_else(|| {
        let names: Vec<&str> = TokenKind::all().iter().map(|kind| kind.name()).collect();
        format!(
            "no token is called `{text}`{}; there are: {} (`moltproof token kinds` says what each is)",
            crate::nearest::hint(text, names.iter().copied()),
            names.join(", ")
        )
    })
}

fn life(text: &str) -> Result<Duration, String> {
    let at = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(at.unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .filter(|life| !life.is_zero() && *life <= LIFE_MAX)
        .ok_or_else(|| "write a time from 1s to 31d, such as 90s, 15m, 1h or 2d".to_owned())
}

pub(super) fn token(args: &TokenArgs) -> Result<Exit, Failure> {
    match &args.verb {
        TokenVerb::Mint(args) => mint(args),
        TokenVerb::Kinds(args) => kinds(args),
    }
}

fn mint(args: &MintArgs) -> Result<Exit, Failure> {
    let folder = args.state.folder()?;
    let kept = state::read(&folder).map_err(|error| state_failure(&error))?;
    let wish = Wish {
        audience: args.aud.clone(),
        issuer: args.iss.clone(),
        email: args.email.clone(),
        life: args.ttl,
        key: args.key.as_deref().map(KeyName::of),
    };
    let token = kept
        .team
        .token(args.kind, &wish)
        .map_err(|error| Failure::usage(chain(&error)))?;
    put(&match args.format {
        Format::Text => format!("{token}\n"),
        Format::Json => {
            let facts = json!({
                "kind": args.kind.name(),
                "meaning": args.kind.meaning(),
                "due": due(args.kind),
                "header": "cf-access-jwt-assertion",
                "issuer": wish.issuer.as_deref().unwrap_or(kept.team.origin()),
                "audience": wish.audience.as_deref().unwrap_or(kept.team.audience()),
                "token": token,
            });
            format!("{facts}\n")
        }
    })?;
    Ok(Exit::Conforms)
}

fn due(kind: TokenKind) -> &'static str {
    match kind.due() {
        Due::Accepted => "accepted",
        Due::Refused => "refused",
        Due::Either => "either",
    }
}

fn kinds(args: &KindsArgs) -> Result<Exit, Failure> {
    let short = |kind: TokenKind| -> Vec<&str> {
        let names = SHORT_NAMES.iter().filter(|(_, known)| *known == kind);
        names.map(|(short, _)| *short).collect()
    };
    let text = match args.format {
        Format::Json => {
            let list: Vec<_> = TokenKind::all()
                .iter()
                .map(|kind| {
                    json!({ "kind": kind.name(), "short": short(*kind), "due": due(*kind), "meaning": kind.meaning() })
                })
                .collect();
            format!("{:#}\n", json!(list))
        }
        Format::Text => {
            let mut text =
                String::from("kind (or short)                       due       meaning\n");
            for kind in TokenKind::all() {
                let mut name = kind.name().to_owned();
                for short in short(*kind) {
                    let _infallible = write!(name, " ({short})");
                }
                let _infallible = writeln!(text, "{name:<37} {:<9} {}", due(*kind), kind.meaning());
            }
            text
        }
    };
    put(&text)?;
    Ok(Exit::Conforms)
}
