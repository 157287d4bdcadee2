//! Data layers that each break one thing, and others that keep everything by other means: files, the databases that they make, the tool that
//! applies them and the route that tells of it. `fixtures/api-worker-deviants/README.md` tells their form. Never starts an API worker.

mod catalogue;
mod judging;
mod route;
mod runner;
mod target;

pub use catalogue::{Catalogue, Layer, Malformed};
pub use judging::{By, CRITERIA};
pub use target::{Bench, Unmade};
