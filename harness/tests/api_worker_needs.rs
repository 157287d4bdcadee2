//! The table of what each criterion of an API worker needs, held against what its sentences say where something is missing. Never starts a Worker of anybody else's.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use async_trait::async_trait;
use moltproof::client::Client;
use moltproof::contract::Contract;
use moltproof::contract::need::{Need as TagNeed, Variant};
use moltproof::contract::profile::Profile;
use moltproof::doctor::text::{Length, render};
use moltproof::doctor::{State, diagnose};
use moltproof::reference::ReferenceTarget;
use moltproof::subject::api_worker::ApiWorker;
use moltproof::subject::dialect::Dialect;
use moltproof::subject::{Disposable, Fault, Instance, Limits, Migrated, Target};
use moltproof_api_worker::look::{Saw, look};
use moltproof_api_worker::needs::{NEEDS, Standing};
use moltproof_api_worker::receiver::Receiver;
use moltproof_api_worker::{Applied, Cause, Need, Stop, Subject, aspects, teeth};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn reference() -> ReferenceTarget {
    ReferenceTarget::start(PathBuf::from(env!("CARGO_BIN_EXE_moltproof")))
        .unwrap()
        .claiming_api_worker(true)
}

/// The same target with these things only, at its beginning.
fn with(whole: &Subject, has: &[Need]) -> Subject {
    let mut subject = Subject::new(
        whole.base.clone(),
        whole.client.clone(),
        whole.gateway.clone(),
    );
    subject.environment.clone_from(&whole.environment);
    for need in has {
        match need {
            Need::Operator => subject.operator.clone_from(&whole.operator),
            Need::Database => subject.database.clone_from(&whole.database),
            Need::Logs => subject.logs.clone_from(&whole.logs),
            Need::Clock => subject.is_clock_told = whole.is_clock_told,
            Need::Receiver => subject.receiver.clone_from(&whole.receiver),
            Need::Files => subject.files.clone_from(&whole.files),
            Need::Runner => subject.runner.clone_from(&whole.runner),
            Need::Seeder => subject.seeder.clone_from(&whole.seeder),
            Need::Resolver => subject.resolver.clone_from(&whole.resolver),
            Need::Restart => subject.own.clone_from(&whole.own),
        }
    }
    subject
}

/// Where the table says something else than the sentences do, at a target that has these things only.
async fn differences(whole: &Subject, has: &[Need]) -> Vec<String> {
    let subject = with(whole, has);
    let said = teeth::judge(&subject, aspects()).await;
    let mut differences = Vec::new();
    for needs in NEEDS {
        let own: Vec<_> = said
            .iter()
            .filter(|one| one.aspect.criterion == needs.criterion)
            .collect();
        let open: Vec<_> = own
            .iter()
            .filter_map(|one| match &one.outcome {
                Err(Stop::Unmet {
                    cause: Cause::Capability(need),
                    ..
                }) => Some((*need, one.aspect.sentence)),
                Ok(_) | Err(_) => None,
            })
            .collect();
        let table = needs.standing(|need| has.contains(&need));
        let holds = match table {
            Standing::Whole => open.is_empty(),
            Standing::InPart(_) => !open.is_empty() && open.len() < own.len(),
            Standing::Not(_) => open.len() == own.len(),
        };
        if !holds {
            differences.push(format!(
                "{} with {has:?}: the table says {table:?}, and of {} sentences are open {open:?}",
                needs.criterion,
                own.len()
            ));
        }
    }
    differences
}

#[tokio::test]
async fn the_table_of_needs_says_what_the_sentences_say() {
    let reference = reference();
    let whole = reference.api_worker().await.unwrap().unwrap();
    let mut found = Vec::new();
    let all = Need::ALL;
    // What is named by one criterion each is left out at once.
    let rare = [
        Need::Logs,
        Need::Receiver,
        Need::Resolver,
        Need::Runner,
        Need::Seeder,
        Need::Restart,
    ];
    let without = |gone: &[Need]| -> Vec<Need> {
        all.into_iter()
            .filter(|need| !gone.contains(need))
            .collect()
    };
    let mut sets = vec![Vec::new(), all.to_vec(), without(&rare)];
    for need in all.into_iter().filter(|need| !rare.contains(need)) {
        sets.push(without(&[need]));
        sets.push(vec![need]);
    }
    for has in sets {
        found.extend(differences(&whole.subject, &has).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn what_is_not_judged_for_want_of_something_names_its_key() {
    let reference = reference();
    let whole = reference.api_worker().await.unwrap().unwrap();
    for (need, key, count) in [
        (Need::Restart, "launch", 1),
        (Need::Resolver, "api_worker.resolver", 2),
    ] {
        let others = Need::ALL.into_iter().filter(|other| *other != need);
        let subject = with(&whole.subject, &others.collect::<Vec<_>>());
        let own = aspects().iter().filter(|one| one.criterion == "API-010");
        let said = teeth::judge(&subject, own).await;
        let open: Vec<_> = said.iter().filter(|one| one.outcome.is_err()).collect();
        assert_eq!(open.len(), count, "{open:?}");
        for one in open {
            let lacking = Stop::Unmet {
                cause: Cause::Capability(need),
                seen: "the target does not offer it".to_owned(),
            };
            assert_eq!(one.outcome, Err(lacking), "{}", one.aspect.sentence);
        }
        assert_eq!(need.remedy().1, key);
    }
}

/// The reference's API worker alone.
struct Alone(ReferenceTarget);

#[async_trait]
impl Target for Alone {
    fn name(&self) -> String {
        "alone".to_owned()
    }

    fn lacks(&self, need: TagNeed) -> Option<String> {
        self.0.lacks(need)
    }

    fn dialect(&self) -> &Dialect {
        self.0.dialect()
    }

    fn profiles(&self) -> &[Profile] {
        &[Profile::ApiWorker]
    }

    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    async fn api_worker(&self) -> Result<Option<Arc<ApiWorker>>, Fault> {
        self.0.api_worker().await
    }

    async fn instance(&self, variant: Variant) -> Result<Arc<Instance>, Fault> {
        self.0.instance(variant).await
    }

    async fn disposable(&self) -> Result<Box<dyn Disposable>, Fault> {
        self.0.disposable().await
    }

    async fn migrate(&self, folder: &Path, database: &Path) -> Result<Migrated, Fault> {
        self.0.migrate(folder, database).await
    }

    fn migrations(&self) -> Option<PathBuf> {
        self.0.migrations()
    }
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_the_reference_and_counts_every_criterion() {
    let target: Arc<dyn Target> = Arc::new(Alone(reference()));
    let client = Client::new().unwrap();
    let contract = Contract::embedded().unwrap();
    let found = diagnose(&client, &target, &contract, Duration::ZERO).await;
    let told = render(&found, Length::Screen);
    assert_eq!(found.worst(), State::Ok, "{told}");
    let counts = [found.coverage.must, found.coverage.should].map(|level| level.verifiable);
    assert_eq!(counts, [13, 1], "{told}");
    assert!(told.lines().count() <= 40, "{told}");
}

/// How a thing came out at the doctor's.
async fn saw(subject: &Subject, name: &str) -> Saw {
    let looks = look(subject).await;
    let one = looks.into_iter().find(|look| look.name == name);
    one.unwrap().saw
}

#[tokio::test]
async fn what_a_manifest_states_and_what_does_not_work_is_found() {
    let reference = reference();
    let whole = reference.api_worker().await.unwrap().unwrap();
    let all = || with(&whole.subject, &Need::ALL);
    let folder = tempfile::tempdir().unwrap();
    let mut lying = all();
    lying.runner = Some(Arc::new(|_, folder, _| {
        Ok(Applied {
            has_succeeded: true,
            database: folder.join("none"),
        })
    }));
    let mut elsewhere = all();
    elsewhere.database = Some(folder.path().join("another.sqlite"));
    std::fs::write(folder.path().join("another.sqlite"), "").unwrap();
    let mut forbidden = all();
    forbidden.receiver = Some(Arc::new(Receiver::start().unwrap()));
    let mut stranger = all();
    stranger.operator = Some(Arc::new(|_| "no token".to_owned()));
    let mut silent = all();
    silent.logs = Some(Arc::new(Vec::new));
    for (subject, name) in [
        (lying, "tool"),
        (elsewhere, "look"),
        (forbidden, "webhooks"),
        (stranger, "operator"),
        (silent, "log"),
    ] {
        let saw = saw(&subject, name).await;
        assert!(matches!(saw, Saw::Fails(_)), "{name}: {saw:?}");
    }
    let unclaimed = with(&whole.subject, &[Need::Operator]);
    assert_eq!(saw(&unclaimed, "test-clock").await, Saw::NotOffered);
}
