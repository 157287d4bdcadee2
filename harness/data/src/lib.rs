//! Judges D1 and SQLite databases: `moltproof db`, and the profile `data` of the contract. Never changes the database it judges.
//!
//! Layers, each of which knows only those before it: [`progress`] · [`wrangler`] and [`source`] · [`text`] · `words` · [`tree`] · [`catalog`] · [`engine`] · [`claims`] · [`rows`] · [`replay`] ·
//! [`finding`] · [`trace`] · [`subject`] · [`rule`] and [`check`] · [`lint`] · [`render`] · [`teeth`] · [`command`].

pub mod catalog;
pub mod check;
pub mod claims;
pub mod command;
pub mod diff;
pub mod engine;
pub mod finding;
pub mod fix;
mod indexes;
pub mod infer;
pub mod lint;
pub mod progress;
mod references;
pub mod render;
pub mod replay;
pub mod rows;
pub mod rule;
pub mod source;
pub mod subject;
pub mod teeth;
pub mod text;
pub mod trace;
pub mod tree;
mod words;
pub mod wrangler;
pub mod written;
