//! The data layer of an API worker, judged: each criterion API-001 to API-014 as sentences, each with a function that judges it.
//!
//! To add a sentence: write an async function over a [`Subject`] in the module of its criterion below `criterion`,
//! which returns what was seen or a [`Stop`], and add it to that module's `ASPECTS` with [`aspect!`].
//! Never takes an expected value from an implementation, and never starts one.

mod aspect;
mod call;
mod chat;
mod criterion;
mod database;
pub mod generate;
pub mod look;
pub mod needs;
mod oracle;
mod outcome;
mod own;
mod played;
pub mod receiver;
pub mod resolver;
mod sample;
mod scene;
mod scripts;
mod secret;
mod subject;
pub mod teeth;
pub mod tool;
mod wait;
pub mod witness;
pub mod words;
mod wrong;

pub use aspect::{Alone, Aspect, Judging};
pub use criterion::aspects;
pub use outcome::{Cause, Judged, Need, Severity, Stop, Violation};
pub use own::{OwnInstance, OwnInstances};
pub use scripts::{Documented, Places, Script, Scripts, Unreadable};
pub use secret::Credentials;
pub use subject::{Applied, Logs, Operator, Runner, Subject};
