//! Findings in the forms that people and programs read: text, JSON, SARIF, annotations, `JUnit`. Never decides what is found.

pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod sql;
pub mod text;
