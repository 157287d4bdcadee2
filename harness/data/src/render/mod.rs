//! Findings in the forms that people and programs read: text, JSON, SARIF, annotations, `JUnit`. Never decides what is found.

pub mod text;
