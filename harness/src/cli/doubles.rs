//! `moltproof doubles`. Never judges the Worker that calls them.

use super::{Failure, Format, put, say};
use crate::doubles::state::{self, Kept, StateError, StateFolder};
use crate::doubles::tls::{CA_FILE, Identity, NAMES};
use crate::doubles::{AccessIssuer, AiGatewayDouble, Alone, FAULT_WORDS, Place};
use crate::said::chain;
use crate::verdict::Exit;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

pub(super) const AFTER_HELP: &str = concat!(
    "Faults, journal and steering: `moltproof doubles --help`.\n\n",
    "Examples:
  moltproof doubles                                        both, for a `wrangler dev` in another terminal
  moltproof doubles --tls                                  for a Worker that accepts https only
  moltproof doubles --ai-gateway-port 0 --team-domain-port 0 --format json"
);

const EXIT_CODES: &str = "Exit codes:
  0    ended by Ctrl-C or SIGTERM
  2    a port or the state folder is in use, or an option is wrong
  3    another fault";

/// Everything that can be asked of running doubles.
pub(super) fn after_long_help() -> String {
    let mut text = String::from(
        "Faults: the Worker sends the header `x-moltproof-fault: WORDS`, or the last user message holds `[[fault:WORDS]]`.
  `,` separates the replies of a sequence (the last repeats), `+` joins words into one reply,
  `@TEXT` at the end restricts them to models that contain TEXT. Examples: [[fault:503,200]]  [[fault:slow=2s+429]]  [[fault:503@70b]]\n",
    );
    for word in FAULT_WORDS {
        let _infallible = writeln!(text, "    {:<20} {}", word.form, word.meaning);
    }
    text.push_str(
        "
The AI Gateway's own addresses:
  GET    /__moltproof/journal               every call, newest last; secrets as facts, never as values
                                            ?since=N  only calls after number N   ?marker=TOKEN  only prompts with [[mp-TOKEN]]
  DELETE /__moltproof/journal               forgets calls, and begins sequences of faults anew
The team domain's own addresses:
  GET    /__moltproof/keys                  keys, and how the key set answers
  POST   /__moltproof/rotate                a new key signs from now on; the others stay published
  POST   /__moltproof/retire?kid=KID        a key leaves the key set; without kid all but the current one
  POST   /__moltproof/outage?as=unavailable the key set answers 503; or as=closed, as=hanging
  DELETE /__moltproof/outage                it answers again

",
    );
    text.push_str(EXIT_CODES);
    text.push_str("\n\n");
    text.push_str(AFTER_HELP);
    text
}

/// Options of `doubles`.
#[derive(Debug, clap::Args)]
pub(super) struct DoublesArgs {
    /// Port of the AI Gateway; 0 takes a free one.
    #[arg(
        long,
        env = "MOLTPROOF_AI_GATEWAY_PORT",
        value_name = "PORT",
        default_value_t = 8790
    )]
    ai_gateway_port: u16,
    /// Port of the team domain; 0 takes a free one.
    #[arg(
        long,
        env = "MOLTPROOF_TEAM_DOMAIN_PORT",
        value_name = "PORT",
        default_value_t = 8791
    )]
    team_domain_port: u16,
    /// Address to listen on; 0.0.0.0 lets containers and other machines in, the journal included.
    #[arg(
        long,
        env = "MOLTPROOF_HOST",
        value_name = "IP",
        default_value = "127.0.0.1"
    )]
    host: IpAddr,
    /// Host by which the Worker reaches the doubles, such as host.docker.internal.
    /// Without it: `localhost` with --tls, else the address listened on.
    #[arg(long, env = "MOLTPROOF_PUBLIC_NAME", value_name = "NAME")]
    public_name: Option<String>,
    /// Speaks https, with a certificate of an authority made here, for Workers that insist on it.
    #[arg(long, env = "MOLTPROOF_TLS")]
    tls: bool,
    /// Folder of ca.pem, server.pem and server-key.pem: yours if they are there, else they are made. Implies --tls.
    /// Without it: `tls` in the state folder.
    #[arg(long, env = "MOLTPROOF_TLS_DIR", value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// A further name or address for the certificate. May be repeated.
    #[arg(
        long,
        env = "MOLTPROOF_TLS_NAME",
        value_name = "NAME",
        value_delimiter = ','
    )]
    tls_name: Vec<String>,
    /// The gateway answers 401 (code 2009) to calls without the key, as one with authentication does.
    #[arg(long, env = "MOLTPROOF_AUTHENTICATED")]
    authenticated: bool,
    #[command(flatten)]
    state: StateArgs,
    /// Form of what is printed: lines for .dev.vars, or one line of JSON.
    #[arg(long, env = "MOLTPROOF_FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Where keys are kept.
#[derive(Debug, clap::Args)]
pub(super) struct StateArgs {
    /// Folder that keeps audience and keys, so that they are the same after a restart and `token mint` can sign.
    /// Without it: moltproof/doubles in the folder `XDG_STATE_HOME`, or in ~/.local/state.
    #[arg(long, env = "MOLTPROOF_STATE", value_name = "DIR")]
    state: Option<PathBuf>,
}

impl StateArgs {
    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let of_system = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            // The standard has relative paths ignored.
            .filter(|path| path.is_absolute());
        let of_home = || std::env::home_dir().map(|home| home.join(".local/state"));
        of_system
            .or_else(of_home)
            .map(|base| base.join("moltproof/doubles"))
            .ok_or_else(|| {
                Failure::usage("there is no home folder to keep keys in; give --state DIR")
            })
    }
}

/// A state folder that cannot serve is the user's to mend.
pub(super) fn state_failure(error: &StateError) -> Failure {
    Failure::usage(chain(error))
}

/// Both doubles, and what a Worker must be told of them.
struct Running {
    gateway: AiGatewayDouble,
    access: AccessIssuer,
    key: String,
    ca_file: Option<PathBuf>,
    state: StateFolder,
}

pub(super) fn doubles(args: &DoublesArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::fault(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let cannot = |error: io::Error| Failure::fault(format!("cannot wait for signals: {error}"));
        // Before anything is printed: whoever reads the addresses may end the doubles at once.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let running = start(args)?;
        put(&match args.format {
            Format::Text => dev_vars(&running),
            Format::Json => format!("{}\n", facts(&running)),
        })?;
        if args.format == Format::Text {
            say(&hints(&running));
        }
        tokio::select! {
            _signal = interrupt.recv() => {}
            _signal = terminate.recv() => {}
        }
        Ok(Exit::Conforms)
    })
}

fn start(args: &DoublesArgs) -> Result<Running, Failure> {
    let state = StateFolder::take(&args.state.folder()?).map_err(|error| state_failure(&error))?;
    let kept = state.kept().map_err(|error| state_failure(&error))?;
    let folder = state.path().to_owned();
    let (tls, ca_file) = identity(args, &folder)?;
    let place = |port| Place {
        ip: args.host,
        port,
        tls: tls.clone(),
        name: args.public_name.clone(),
    };
    let key = kept.as_ref().map_or_else(
        || format!("mpk-{}", uuid::Uuid::new_v4().simple()),
        |kept| kept.ai_gateway_key.clone(),
    );
    let (port, option) = (args.ai_gateway_port, "--ai-gateway-port");
    let alone = Alone {
        key: key.clone(),
        authenticated: args.authenticated,
    };
    let gateway = AiGatewayDouble::start_alone(&place(port), alone)
        .map_err(|error| no_socket(&error, args.host, port, option))?;
    let (port, option) = (args.team_domain_port, "--team-domain-port");
    let ai_gateway_key = key.clone();
    let keeper = Box::new(move |team: &_| {
        let kept = Kept {
            ai_gateway_key: ai_gateway_key.clone(),
            team: Clone::clone(team),
        };
        state::keep(&folder, &kept).map_err(|error| {
            let place = folder.display();
            io::Error::other(format!("cannot keep keys in {place}: {error}"))
        })
    });
    let team = kept.as_ref().map(|kept| &kept.team);
    let access = AccessIssuer::start_alone(&place(port), team, keeper)
        .map_err(|error| no_socket(&error, args.host, port, option))?;
    Ok(Running {
        gateway,
        access,
        key,
        ca_file,
        state,
    })
}

fn identity(
    args: &DoublesArgs,
    state: &Path,
) -> Result<(Option<Identity>, Option<PathBuf>), Failure> {
    if !args.tls && args.tls_dir.is_none() {
        return Ok((None, None));
    }
    let folder = args.tls_dir.clone().unwrap_or_else(|| state.join("tls"));
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    names.extend(args.public_name.clone());
    names.extend(args.tls_name.iter().cloned());
    if !args.host.is_unspecified() {
        names.push(args.host.to_string());
    }
    names.sort();
    names.dedup();
    let identity = Identity::in_folder(&folder, &names)
        .map_err(|error| Failure::usage(format!("--tls: {}", chain(&error))))?;
    let ca_file = folder.join(CA_FILE);
    let ca_file = std::fs::canonicalize(&ca_file).unwrap_or(ca_file);
    Ok((Some(identity), Some(ca_file)))
}

fn no_socket(error: &io::Error, host: IpAddr, port: u16, option: &str) -> Failure {
    let variable = format!("MOLTPROOF{}", option[1..].to_uppercase().replace('-', "_"));
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        Failure::usage(format!(
            "port {port} of {host} is in use, perhaps by another `moltproof doubles`; choose another with {option} PORT (or {variable}), 0 for a free one"
        ))
    } else if kind == io::ErrorKind::PermissionDenied {
        Failure::usage(format!(
            "port {port} of {host} may not be used by you; choose one above 1023 with {option} PORT (or {variable})"
        ))
    } else if kind == io::ErrorKind::AddrNotAvailable {
        Failure::usage(format!(
            "--host {host} is no address of this machine; give 127.0.0.1, ::1, 0.0.0.0 or one that `ip addr` shows"
        ))
    } else {
        Failure::fault(format!("cannot start on port {port}: {}", chain(error)))
    }
}

/// What the Worker's configuration must say.
fn variables(running: &Running) -> [(&'static str, String); 4] {
    [
        ("CF_ACCESS_TEAM_DOMAIN", running.access.origin()),
        ("CF_ACCESS_AUD", running.access.audience().to_owned()),
        ("AI_GATEWAY_BASE_URL", running.gateway.base_url()),
        ("CLOUDFLARE_AI_GATEWAY_API_KEY", running.key.clone()),
    ]
}

fn dev_vars(running: &Running) -> String {
    let mut text = String::from("# .dev.vars\n");
    let mut arguments = String::new();
    for (name, value) in variables(running) {
        let _infallible = writeln!(text, "{name}=\"{value}\"");
        let _infallible = write!(arguments, " --var {name}:{value}");
    }
    if let Some(file) = &running.ca_file {
        let _infallible = writeln!(
            text,
            "# Node must trust the doubles; in the shell that starts wrangler:\n#   export NODE_EXTRA_CA_CERTS='{}'\n# For a Worker that puts https:// before a bare name: CF_ACCESS_TEAM_DOMAIN=\"{}\"",
            file.display(),
            running.access.authority()
        );
    }
    let _infallible = writeln!(
        text,
        "# Or without .dev.vars:\n#   npx wrangler dev{arguments}"
    );
    text
}

fn facts(running: &Running) -> Value {
    let map = |pairs: &[(&str, String)]| -> Value {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let ca_file = running
        .ca_file
        .as_ref()
        .map(|file| file.display().to_string());
    let environment: Vec<_> = ca_file
        .iter()
        .map(|file| ("NODE_EXTRA_CA_CERTS", file.clone()))
        .collect();
    let (gateway, access) = (running.gateway.origin(), running.access.origin());
    json!({
        "variables": map(&variables(running)),
        "environment": map(&environment),
        "ca_file": ca_file,
        "state": running.state.path().display().to_string(),
        "ai_gateway": {
            "origin": gateway,
            "base_url": running.gateway.base_url(),
            "journal_url": format!("{gateway}/__moltproof/journal"),
        },
        "team_domain": {
            "origin": access,
            "host": running.access.authority(),
            "certs_url": format!("{access}/cdn-cgi/access/certs"),
            "keys_url": format!("{access}/__moltproof/keys"),
        },
    })
}

fn hints(running: &Running) -> String {
    format!(
        "AI Gateway   {}  (calls: curl {}/__moltproof/journal)\nTeam domain  {}  (keys: curl {}/__moltproof/keys)\nTokens       moltproof token mint --kind good --state '{}'\nFaults and more: moltproof doubles --help. Ctrl-C ends.",
        running.gateway.base_url(),
        running.gateway.origin(),
        running.access.origin(),
        running.access.origin(),
        running.state.path().display()
    )
}
