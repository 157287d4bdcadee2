//! The rules of the API worker's contract as pure functions. Never does input or output, never asks the time.

pub mod address;
pub mod answer;
pub mod credential;
pub mod cursor;
pub mod date;
pub mod environment;
pub mod fields;
pub mod flag;
pub mod money;
pub mod records;
pub mod webhook;
pub mod window;
