//! A feature of one's own beside the contract, with a step of its own, judged in a test. Never needs more than this file.

use moltproof::contract::select::Selection;
use moltproof::run::book::{Args, Book};
use moltproof::run::scene::Scene;
use moltproof::suite::{CannotRun, Judged, Suite};
use moltproof::verdict::Check;

/// A promise of our own, in the contract's form: profile, id, level, sentence.
const FEATURE: &str = r#"
@core
Feature: What our support team relies on

  @OWN-001 @must
  Rule: OWN-001 Every answer can be found in the log
    Every answer to a tenant carries an `X-Request-Id` of at least 16 characters.

    @needs.tenants @needs.hosts
    Scenario: The status of a tenant
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer has a request id of at least 16 characters
"#;

/// The one step that the contract does not have.
fn add_steps(book: &mut Book) {
    book.step(
        r"the answer has a request id of at least (\d+) characters",
        |scene, args| Box::pin(has_request_id(scene, args)),
    );
}

async fn has_request_id(scene: &mut Scene, args: Args) -> Check {
    let least: usize = args.number(1)?;
    let answer = scene.last()?;
    let id = answer.header("x-request-id").unwrap_or_default().to_owned();
    scene.expect(
        id.len() >= least,
        format!("an X-Request-Id of at least {least} characters"),
        || format!("`{id}`"),
    )
}

/// Our promise, and two of the contract's.
///
/// # Errors
/// When the run cannot begin.
pub(crate) async fn judge(program: &str) -> Result<Judged, CannotRun> {
    let ids = ["OWN-001", "RES-002", "SCH-001"]
        .map(str::to_owned)
        .to_vec();
    Suite::builder()
        .reference()
        .program(program)
        .feature("own/support.feature", FEATURE)
        .steps(add_steps)
        .select(Selection {
            ids,
            ..Selection::default()
        })
        .run()
        .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CannotRun> {
    judge("moltproof").await?.assert_conforms();
    Ok(())
}
