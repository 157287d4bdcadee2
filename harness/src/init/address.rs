//! A Worker that runs already: its address, and the names of the variables that hold the operator's secrets. Never asks for a secret itself.

use super::checked;
use super::{ADDRESS, Asks, Known, NotDrafted, OperatorBy, Way};

/// Asks for what is not known of it.
pub(super) fn at_address(known: &Known, asks: &mut dyn Asks) -> Result<Way, NotDrafted> {
    let default = known.address.as_deref().unwrap_or(ADDRESS);
    let address = asks.text("Its address", default)?;
    checked::address(&address)?;
    let ways = [
        "nothing; what needs an operator is not verified".to_owned(),
        "an Access service token".to_owned(),
        "an Access token".to_owned(),
    ];
    let operator = match asks.choice(
        "What proves to it that the harness is an operator?",
        &ways,
        0,
    )? {
        1 => OperatorBy::ServiceToken(
            variable(
                asks,
                "The environment variable that holds its client id",
                "CF_ACCESS_CLIENT_ID",
            )?,
            variable(
                asks,
                "The environment variable that holds its secret",
                "CF_ACCESS_CLIENT_SECRET",
            )?,
        ),
        2 => OperatorBy::Token(variable(
            asks,
            "The environment variable that holds it",
            "CF_ACCESS_TOKEN",
        )?),
        _ => OperatorBy::Unknown,
    };
    let told = known.address.is_some() || address != default;
    Ok(Way::Address {
        address,
        operator,
        told,
    })
}

fn variable(asks: &mut dyn Asks, question: &str, default: &str) -> Result<String, NotDrafted> {
    let name = asks.text(question, default)?;
    checked::variable(&name)?;
    Ok(name)
}
