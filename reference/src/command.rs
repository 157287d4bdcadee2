//! The `serve` command, shared by the thin binary and by other command lines. Never keeps a secret on a command line.

use crate::backend::{Backend, ServeError};
use crate::config::{Config, VARIABLES};
use crate::log::{StderrSink, causes};
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code when the configuration is malformed.
pub const EXIT_MISCONFIGURED: u8 = 2;
/// Exit code when a store cannot be opened or the address cannot be bound.
pub const EXIT_CANNOT_OPEN: u8 = 3;

/// Connections that may wait to be taken in. With the usual 128 a burst of callers filled the line, and each one turned away by it
/// came back a second later: 10,000 connections took 27 s to be made. The kernel takes 4,096 at most unless told otherwise.
const WAITING_CONNECTIONS: u32 = 4_096;

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
        Err(error) => return fail(EXIT_CANNOT_OPEN, &causes(&error)),
    };
    let (listener, shutdown) =
        match listen(args.listen).and_then(|listener| Ok((listener, stop_signal()?))) {
            Ok(ready) => ready,
            Err(error) => {
                return fail(EXIT_CANNOT_OPEN, &cannot_listen(args.listen, &error));
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

/// Why it cannot listen there, and what to do where somebody else does.
fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    let (ip, port) = (address.ip(), address.port());
    if error.kind() == std::io::ErrorKind::AddrInUse {
        format!(
            "cannot listen on {address}: port {port} is in use, perhaps by another server of this kind or by `wrangler dev`; \
             end that one, or choose another port with --listen {ip}:PORT or the variable LISTEN; --listen {ip}:0 takes a free one"
        )
    } else {
        format!("cannot listen on {address}: {error}")
    }
}

/// A listener with room for a burst of callers.
///
/// # Errors
/// What the system says.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As `TcpListener::bind` has it: connections of a former process that still linger are in nobody's way.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_CONNECTIONS)
}

/// Done at the first SIGINT or SIGTERM.
///
/// # Errors
/// What the system says.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
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
