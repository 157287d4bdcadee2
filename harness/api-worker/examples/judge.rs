//! Judges a running API worker, without the rest of the program. Never does what the program does not.
//!
//! `cargo run -p moltproof-api-worker --example judge -- [--only API-002] [--database FILE] [--files FOLDER] [--migrate 'COMMAND {migrations} {database}'] [--listen HOST:PORT] -- COMMAND ARGUMENTS…`
//!
//! With `--teeth` the target is judged through each deviant, by the criterion that it breaks; with `--whole` by all others as well.
//! `--deviant NAME` takes one of them. `--generate CASES` plays drawn sequences in place of all that; `--seed SEED` draws others.
//! With `--list` in place of all that it tells the sentences that are judged, each after its criterion.
//! The command is started with the variables of the contract (AI Gateway, Access, `TEST_CLOCK`, `WEBHOOK_ALLOWED_ADDRESSES`, `WEBHOOK_RESOLVER_URL`), and has to answer at `--listen`.
//! It is not killed here: what takes an instance of its own is not judged.

use moltproof_api_worker::generate::search;
use moltproof_api_worker::receiver::Receiver;
use moltproof_api_worker::resolver::Resolver;
use moltproof_api_worker::teeth::{Interceptor, deviants};
use moltproof_api_worker::{Aspect, Cause, Need, Places, Scripts, Stop, Subject, aspects, tool};
use moltproof_doubles::{AccessIssuer, AiGatewayDouble};
use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
struct Wish {
    is_list: bool,
    is_teeth: bool,
    is_whole: bool,
    deviant: Option<String>,
    generate: Option<usize>,
    seed: u64,
    only: Vec<String>,
    database: Option<String>,
    files: Option<String>,
    migrate: Option<String>,
    listen: String,
    command: Vec<String>,
}

fn wish() -> Result<Wish, Box<dyn Error>> {
    let mut wish = Wish {
        listen: "127.0.0.1:8790".to_owned(),
        ..Wish::default()
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--teeth" => wish.is_teeth = true,
            "--list" => wish.is_list = true,
            "--whole" => wish.is_whole = true,
            "--deviant" => wish.deviant = Some(value()?),
            "--generate" => wish.generate = Some(value()?.parse()?),
            "--seed" => wish.seed = value()?.parse()?,
            "--only" => wish.only.push(value()?),
            "--database" => wish.database = Some(value()?),
            "--files" => wish.files = Some(value()?),
            "--migrate" => wish.migrate = Some(value()?),
            "--listen" => wish.listen = value()?,
            "--" => wish.command = words.by_ref().collect(),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(wish)
}

/// The command, ended with the value.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // A runner ends what it has started when it is asked to end, not when it is killed.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if asked.is_err() {
            drop(self.0.kill());
        }
        drop(self.0.wait());
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

fn start(
    wish: &Wish,
    (gateway, access): (&AiGatewayDouble, &AccessIssuer),
    (receiver, resolver): (&Receiver, &Resolver),
    lines: &Lines,
) -> Result<Started, Box<dyn Error>> {
    let (program, arguments) = wish.command.split_first().ok_or("no command after --")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("AI_GATEWAY_BASE_URL", gateway.base_url())
        .env("CLOUDFLARE_AI_GATEWAY_API_KEY", "cf-aig-key-of-the-double")
        .env("CF_ACCESS_TEAM_DOMAIN", access.origin())
        .env("CF_ACCESS_AUD", access.audience())
        .env("TEST_CLOCK", "true")
        .env("ENVIRONMENT", "production")
        .env("WEBHOOK_ALLOWED_ADDRESSES", receiver.authority())
        .env("WEBHOOK_TIMEOUT_MS", "1000")
        .env("WEBHOOK_RESOLVER_URL", resolver.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let lines = Arc::clone(lines);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
    }
    Ok(Started(child))
}

/// Waits until the target answers anything at all.
async fn ready(subject: &Subject) -> Result<(), Box<dyn Error>> {
    let deadline = moltproof_doubles::clock::now() + Duration::from_secs(60);
    while moltproof_doubles::clock::now() < deadline {
        let health = subject.client.get(format!("{}/v1/usage", subject.base));
        if health.send().await.is_ok() {
            return Ok(());
        }
        tokio::task::spawn_blocking(std::thread::yield_now).await?;
    }
    Err(format!("nothing answers at {}", subject.base).into())
}

fn told(aspect: &Aspect, outcome: &Result<String, Stop>) -> String {
    let (mark, what) = match outcome {
        Ok(saw) => ("ok      ", saw.clone()),
        Err(Stop::Violated(violation)) => ("VIOLATED", violation.to_string()),
        Err(stop @ Stop::Unmet { .. }) => ("unmet   ", stop.to_string()),
        Err(Stop::Fault(why)) => ("FAULT   ", why.clone()),
    };
    format!(
        "{mark} {} {}\n           {what}",
        aspect.criterion, aspect.sentence
    )
}

/// Judges the target through each deviant by the criterion that it breaks, or by all.
async fn teeth(wish: &Wish, mut subject: Subject) -> Result<ExitCode, Box<dyn Error>> {
    let (base, logs) = (subject.base.clone(), subject.logs.clone());
    let mut out = std::io::stdout().lock();
    let mut wrong = 0;
    for deviant in deviants() {
        let is_wanted = wish.only.is_empty() || wish.only.iter().any(|id| id == deviant.breaks);
        let is_named = wish
            .deviant
            .as_ref()
            .is_none_or(|name| name == deviant.name);
        if !is_wanted || !is_named {
            continue;
        }
        let interceptor = Interceptor::start(&base, deviant)?;
        interceptor.base().clone_into(&mut subject.base);
        subject.logs = logs.clone().map(|logs| interceptor.logs(logs));
        let judge = &subject;
        let own = aspects()
            .iter()
            .filter(|one| wish.is_whole || one.criterion == deviant.breaks);
        let judged = own.map(|aspect| async move { (aspect, aspect.judge(judge).await) });
        let judged = futures_util::future::join_all(judged).await;
        let blamed = judged
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Err(Stop::Violated(_))))
            .map(|(aspect, _)| aspect.criterion);
        let blamed: std::collections::BTreeSet<&str> = blamed.collect();
        let mark = match (blamed.contains(deviant.breaks), blamed.len()) {
            (false, _) => "MISSED",
            (true, 1) => "caught",
            (true, _) => "BLAMES",
        };
        wrong += usize::from(mark != "caught");
        writeln!(out, "{mark} {} {}", deviant.breaks, deviant.name)?;
        for (aspect, outcome) in &judged {
            let is_told = match outcome {
                Ok(_)
                | Err(Stop::Unmet {
                    cause: Cause::Capability(_),
                    ..
                }) => false,
                Err(Stop::Violated(_) | Stop::Unmet { .. } | Stop::Fault(_)) => true,
            };
            if is_told {
                writeln!(out, "       {}", told(aspect, outcome))?;
            }
        }
        out.flush()?;
    }
    writeln!(out, "{wrong} deviants were missed or blamed on others")?;
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays drawn sequences.
async fn searched(
    wish: &Wish,
    subject: &Subject,
    cases: usize,
) -> Result<ExitCode, Box<dyn Error>> {
    let searched = search(subject, wish.seed, cases).await;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} sequences of seed {}, {} comparisons held",
        searched.cases, wish.seed, searched.checks
    )?;
    if let Some(found) = &searched.found {
        writeln!(
            out,
            "VIOLATED {}: expected {}; saw {found}",
            found.criterion, found.expected
        )?;
    }
    if let Some(stop) = &searched.stopped {
        writeln!(out, "{stop}")?;
    }
    Ok(if searched.found.is_none() && searched.stopped.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let wish = wish()?;
    if wish.is_list {
        let mut out = std::io::stdout().lock();
        for aspect in aspects() {
            writeln!(out, "{}\t{}", aspect.criterion, aspect.sentence)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let _watching = moltproof_doubles::lag::watch();
    let gateway = Arc::new(AiGatewayDouble::start()?);
    let access = Arc::new(AccessIssuer::start()?);
    let receiver = Arc::new(Receiver::start()?);
    let resolver = Arc::new(Resolver::start()?);
    let lines = Lines::default();
    let _started = start(&wish, (&gateway, &access), (&receiver, &resolver), &lines)?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A connection that is kept may be closed under the next request.
        .pool_max_idle_per_host(0)
        .build()?;
    let base = format!("http://{}", wish.listen);
    let mut subject = Subject::new(base, client, gateway);
    subject.operator = Some(Arc::new(move |email| access.users_token(email)));
    subject.logs = Some(Arc::new(move || {
        lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }));
    subject.database = wish.database.as_ref().map(Into::into);
    if let Some(folder) = &wish.files {
        let places = Places::below(Path::new(folder));
        subject.files = Some(Arc::new(Scripts::read(&places)?));
    }
    if let Some(words) = &wish.migrate {
        let words = words.split_whitespace().map(str::to_owned).collect();
        subject.runner = Some(tool::command(words, PathBuf::from("."), None));
    }
    subject.is_clock_told = true;
    subject.receiver = Some(receiver);
    subject.resolver = Some(resolver);
    ready(&subject).await?;
    if wish.is_teeth {
        return teeth(&wish, subject).await;
    }
    if let Some(cases) = wish.generate {
        return searched(&wish, &subject, cases).await;
    }
    let subject = &subject;
    let wanted = aspects()
        .iter()
        .filter(|aspect| wish.only.is_empty() || wish.only.iter().any(|id| id == aspect.criterion));
    let judged = wanted.map(|aspect| async move {
        let began = moltproof_doubles::clock::now();
        let outcome = aspect.judge(subject).await;
        (aspect, outcome, began.elapsed())
    });
    let judged = futures_util::future::join_all(judged).await;
    let mut out = std::io::stdout().lock();
    for (aspect, outcome, took) in &judged {
        writeln!(out, "{} ({} ms)", told(aspect, outcome), took.as_millis())?;
    }
    let good = judged.iter().filter(|(_, outcome, _)| outcome.is_ok());
    let good = good.count();
    // A command at one address is not started twice.
    let beyond = judged.iter().filter(|(_, outcome, _)| {
        matches!(
            outcome,
            Err(Stop::Unmet {
                cause: Cause::Capability(Need::Restart),
                ..
            })
        )
    });
    let beyond = beyond.count();
    writeln!(
        out,
        "{good} of {} hold, {beyond} not judged here",
        judged.len()
    )?;
    Ok(if good + beyond == judged.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
