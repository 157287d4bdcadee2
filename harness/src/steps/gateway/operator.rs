//! What the operator changes and reads of a tenant's routing, and what stands in its record. Never sends a prompt.

use super::metadata::PLATFORM_BEFORE;
use super::model_word;
use crate::observe::CannotObserve;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::operate;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"the record of tenant "([^"]+)" has the tier "([^"]*)""#,
        |s, a| Box::pin(record_has_tier(s, a)),
    );
    book.step(
        r#"the record of tenant "([^"]+)" has a platform (of 200 letters|of 60 letters beyond ASCII|with quotes and backslashes|beyond ASCII)"#,
        |s, a| Box::pin(record_has_platform(s, a)),
    );
    book.step(
        r#"the operator moves tenant "([^"]+)" to tier "([^"]+)""#,
        |s, a| Box::pin(moves(s, a)),
    );
    book.step(
        r#"the operator gives tenant "([^"]+)" another domain and moves it to tier "([^"]+)" in one change"#,
        |s, a| Box::pin(moves_with_a_domain(s, a)),
    );
    book.step(
        r#"the operator reads the routing of tenant "([^"]+)""#,
        |s, a| Box::pin(reads_routing(s, a)),
    );
    book.asserting(&["AIG-015"], 
        r#"the routing shows tier "([^"]+)", the (8b|70b) model with (\d+) ms and (no fallback|the 8b model with (\d+) ms as fallback)"#,
        |s, a| Box::pin(routing_shows(s, a)),
    );
}

async fn write(s: &mut Scene, column: &str, value: &str, id: &str) -> Check {
    let sql = format!("UPDATE tenants SET {column} = ?1 WHERE id = ?2");
    let value = match column {
        "tier" => s.run.target.dialect().tier(value).to_owned(),
        _ => value.to_owned(),
    };
    let changed = s
        .d1()
        .await?
        .execute(&sql, &[json!(value), json!(id)])
        .await
        .map_err(|error| not_written(error, column, &value))?;
    if changed == 1 {
        Ok(())
    } else {
        Err(Stop::Fault(format!(
            "{changed} records of tenant {id} in place of one"
        )))
    }
}

/// A database that refuses the value itself keeps what SCH-008 wants where the schema can say it: then no record is like that.
fn not_written(error: CannotObserve, column: &str, value: &str) -> Stop {
    if error.why.contains("CHECK constraint failed") {
        return Stop::NotVerified(format!(
            "no record can have the {column} `{value}`: the database refuses it itself, as SCH-008 wants ({})",
            error.why
        ));
    }
    error.into()
}

async fn record_has_tier(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    write(s, "tier", a.text(2), &tenant.id).await?;
    a.text(2).clone_into(&mut tenant.tier);
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn record_has_platform(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    s.notes
        .insert(PLATFORM_BEFORE.to_owned(), json!(tenant.platform));
    tenant.platform = match a.text(2) {
        "of 200 letters" => "p".repeat(200),
        "of 60 letters beyond ASCII" => "ü平".repeat(30),
        "beyond ASCII" => "plattform-ü-平台".to_owned(),
        _ => r#"we"b\","x":null,"y":""#.to_owned(),
    };
    write(s, "platform", &tenant.platform, &tenant.id).await?;
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn moves(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    move_with(s, &a, tenant, json!({})).await
}

async fn moves_with_a_domain(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.tenant(a.text(1))?;
    tenant.domains = vec![s.domain("moved")];
    let given = json!({ "domains": tenant.domains });
    move_with(s, &a, tenant, given).await
}

/// One change by the operator: the tier that the sentence names, and more fields.
async fn move_with(s: &mut Scene, a: &Args, mut tenant: Tenant, mut fields: Value) -> Check {
    fields["tier"] = json!(a.text(2));
    let path = s.dialect().tenant.replace("{id}", &tenant.id);
    let request = s.operator_request("PATCH", &path).await?;
    let answer = s.send(request.json(&fields)).await?;
    s.expect_status(&answer, 200)?;
    a.text(2).clone_into(&mut tenant.tier);
    s.know_tenant(a.text(1), tenant);
    Ok(())
}

async fn reads_routing(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let path = s.dialect().routing.replace("{id}", &tenant.id);
    operate(s, "GET", path, None).await.map(drop)
}

async fn routing_shows(s: &mut Scene, a: Args) -> Check {
    let (answer, dialect) = (s.last()?, s.dialect());
    s.expect_status(&answer, 200)?;
    let at = |pointer: &str| answer.at(pointer).unwrap_or(Value::Null);
    let tier = at(&dialect.routing_tier);
    s.expect(
        a.text(1).split('|').any(|name| tier == name),
        format!("tier {} at {}", a.text(1), dialect.routing_tier),
        || describe(&answer),
    )?;
    s.expect(
        at(&dialect.routing_model) == model_word(a.text(2))?,
        format!(
            "model {} at {}",
            model_word(a.text(2))?,
            dialect.routing_model
        ),
        || describe(&answer),
    )?;
    let timeout: u64 = a.number(3)?;
    s.expect(
        at(&dialect.routing_timeout_ms) == timeout,
        format!("{timeout} at {}", dialect.routing_timeout_ms),
        || describe(&answer),
    )?;
    let (fallback, fallback_timeout) = if a.text(4) == "no fallback" {
        (Value::Null, Value::Null)
    } else {
        (json!(model_word("8b")?), json!(a.number::<u64>(5)?))
    };
    s.expect(
        at(&dialect.routing_fallback_model) == fallback
            && at(&dialect.routing_fallback_timeout_ms) == fallback_timeout,
        format!(
            "{fallback} at {} and {fallback_timeout} at {}",
            dialect.routing_fallback_model, dialect.routing_fallback_timeout_ms
        ),
        || describe(&answer),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(why: &str) -> Stop {
        let error = CannotObserve {
            what: "D1",
            why: why.to_owned(),
        };
        not_written(error, "tier", "gold")
    }

    #[test]
    fn a_tier_that_the_database_refuses_is_not_verified_and_any_other_failure_a_fault() {
        let check =
            refused("status 500: CHECK constraint failed: tier IN ('free'): SQLITE_CONSTRAINT");
        assert!(
            matches!(check, Stop::NotVerified(why) if why.contains("`gold`") && why.contains("SCH-008"))
        );
        assert!(matches!(refused("database is locked"), Stop::Fault(_)));
    }
}
