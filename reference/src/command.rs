//! The `serve` command, shared by the thin binary and by other command lines. Never keeps a secret on a command line.

use crate::backend::{Backend, ServeError};
use crate::config::{Config, VARIABLES};
use crate::log::StderrSink;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Exit code when the configuration is malformed.
pub const EXIT_MISCONFIGURED: u8 = 2;
/// Exit code when a store cannot be opened or the address cannot be bound.
pub const EXIT_CANNOT_OPEN: u8 = 3;

/// Serves the reference backend; everything but the address is configured by environment variables.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = variables_help())]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
}

fn variables_help() -> String {
    let mut help = String::from("Environment variables:\n");
    for variable in VARIABLES {
        // Writing to a String cannot fail.
        writeln!(
            help,
            "  {}\n      {} [default: {}]",
            variable.name, variable.meaning, variable.default
        )
        .unwrap_or_default();
    }
    help.push_str("\nExit codes: 0 after an orderly shutdown, 2 misconfigured, 3 cannot open a store or bind the address.");
    help
}

/// Serves on a runtime of its own until SIGINT or SIGTERM.
#[must_use]
pub fn run(args: &ServeArgs) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(serve(args)),
        Err(error) => fail(EXIT_CANNOT_OPEN, &error),
    }
}

/// Serves on the present runtime until SIGINT or SIGTERM.
pub async fn serve(args: &ServeArgs) -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return fail(EXIT_MISCONFIGURED, &error),
    };
    let backend = match Backend::open(config, Arc::new(StderrSink)) {
        Ok(backend) => backend,
        Err(error) => return fail(EXIT_CANNOT_OPEN, &with_causes(&error)),
    };
    let (listener, shutdown) = match TcpListener::bind(args.listen)
        .await
        .and_then(|listener| Ok((listener, stop_signal()?)))
    {
        Ok(ready) => ready,
        Err(error) => {
            return fail(
                EXIT_CANNOT_OPEN,
                &format!("cannot listen on {}: {error}", args.listen),
            );
        }
    };
    if let Ok(address) = listener.local_addr() {
        // Nobody may be reading; the server is there all the same.
        drop(writeln!(std::io::stdout(), "listening on http://{address}"));
    }
    match backend.serve(listener, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ServeError::ShutdownTimedOut) => fail(EXIT_CANNOT_OPEN, &error),
    }
}

/// Done at the first SIGINT or SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "{error}"));
    ExitCode::from(code)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        write!(text, ": {cause}").unwrap_or_default();
        next = cause.source();
    }
    text
}
