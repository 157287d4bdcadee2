//! Moltproof: contract tests and conformance verdicts for multi-tenant Moltworker backends.
//!
//! It takes no expected value from the backend it judges.

pub mod baseline;
pub mod catalogue;
pub mod cli;
pub mod client;
pub mod contract;
mod counted;
mod digest;
pub mod doctor;
pub mod evidence;
pub mod generate;
pub mod init;
mod lasting;
pub mod nearest;
pub mod observe;
pub mod oracle;
pub mod reference;
pub mod replay;
pub mod report;
pub mod run;
mod said;
mod scratch;
pub mod scrub;
pub mod steps;
pub mod store;
pub mod subject;
pub mod suite;
pub mod sweep;
pub mod tamper;
pub mod teeth;
pub mod verdict;
pub mod wait;

pub use moltproof_doubles::{self as doubles, clock, lag};
