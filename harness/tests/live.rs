//! Targets that live on: what the doctor finds, what a run leaves, what it spends, what it shows. Never leaves loopback.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, its helpers included, a panic that names the line is the failure wanted"
)]

#[path = "live/budgets.rs"]
mod budgets;
#[path = "live/canaries.rs"]
mod canaries;
#[path = "live/cut_off.rs"]
mod cut_off;
#[path = "live/doctor.rs"]
mod doctor;
#[path = "live/edge.rs"]
mod edge;
#[path = "live/leaving.rs"]
mod leaving;
#[path = "live/migrations.rs"]
mod migrations;
#[path = "live/over_time.rs"]
mod over_time;
#[path = "live/replay.rs"]
mod replay;
#[path = "live/server.rs"]
mod server;
#[path = "live/traps.rs"]
mod traps;
