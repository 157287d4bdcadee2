//! The commands of the worker's program: serving, and applying the schema's files. Never keeps a secret on a command line.

use crate::backend::Backend;
use crate::config::{Config, variables};
use crate::store::schema;
use moltworker_reference::clock::SystemClock;
use moltworker_reference::command::{EXIT_CANNOT_OPEN, EXIT_MISCONFIGURED, listen, stop_signal};
use moltworker_reference::log::{StderrSink, causes};
use moltworker_reference::ports::Clock;
use moltworker_reference::store::migrations::{Migration, from_dir};
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What the program does; everything but the address is configured by environment variables.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Serves the API worker; its database is brought up to date first.
    #[command(after_help = variables_help())]
    Serve(ServeArgs),
    /// Applies what is missing of the schema to `API_DB`, for the environment that `ENVIRONMENT` names.
    Migrate(MigrateArgs),
    /// Applies the development seed to `API_DB`, after the schema.
    SeedDevelopment,
    /// Applies the production set-up to `API_DB`, after the schema; refused over development data.
    SetUpProduction,
}

/// Which migrations.
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    /// The folder of numbered files, in place of those that the program has in it.
    #[arg(long)]
    pub folder: Option<PathBuf>,
}

/// Where to serve.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8788")]
    pub listen: SocketAddr,
}

fn variables_help() -> String {
    let mut help = String::from("Environment variables:\n");
    for variable in variables() {
        // Writing to a String cannot fail.
        writeln!(
            help,
            "  {}\n      {} [default: {}]",
            variable.name, variable.meaning, variable.default
        )
        .unwrap_or_default();
    }
    help.push_str("\nExit codes: 0 after an orderly shutdown, 2 misconfigured, 3 cannot open the database or bind the address.");
    help
}

/// Does what a command says.
#[must_use]
pub fn run(command: &Command) -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return fail(EXIT_MISCONFIGURED, &error),
    };
    match command {
        Command::Serve(args) => serve_on_own_runtime(args, config),
        Command::Migrate(args) => match args.folder.as_deref().map(from_dir).transpose() {
            Ok(files) => apply(&config, &files.unwrap_or_else(schema::embedded), None),
            Err(error) => fail(EXIT_CANNOT_OPEN, &causes(&error)),
        },
        Command::SeedDevelopment => set_up(&config, &schema::development_seed()),
        Command::SetUpProduction => set_up(&config, &schema::production_set_up()),
    }
}

/// Serves on a runtime of its own until SIGINT or SIGTERM, configured by the environment.
#[must_use]
pub fn serve(args: &ServeArgs) -> ExitCode {
    run(&Command::Serve(args.clone()))
}

fn serve_on_own_runtime(args: &ServeArgs, config: Config) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(serve_until_signal(args, config)),
        Err(error) => fail(EXIT_CANNOT_OPEN, &error),
    }
}

async fn serve_until_signal(args: &ServeArgs, config: Config) -> ExitCode {
    let backend = match Backend::open(config, Arc::new(StderrSink)) {
        Ok(backend) => backend,
        Err(error) => return fail(EXIT_CANNOT_OPEN, &causes(&error)),
    };
    let ready = listen(args.listen).and_then(|listener| Ok((listener, stop_signal()?)));
    let (listener, shutdown) = match ready {
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
        Err(error) => fail(EXIT_CANNOT_OPEN, &error),
    }
}

fn set_up(config: &Config, file: &Migration) -> ExitCode {
    apply(config, &schema::embedded(), Some(file))
}

fn apply(config: &Config, migrations: &[Migration], file: Option<&Migration>) -> ExitCode {
    let Some(path) = &config.api_db else {
        return fail(EXIT_MISCONFIGURED, &"API_DB: set it to the database file");
    };
    let now = SystemClock::new().now_ms();
    let migrated = schema::migrate(path, migrations, config.environment, now);
    let applied = migrated.and_then(|()| match file {
        Some(file) => schema::set_up(path, file, config.environment, now),
        None => Ok(()),
    });
    match applied {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_CANNOT_OPEN, &causes(&error)),
    }
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "{error}"));
    ExitCode::from(code)
}
