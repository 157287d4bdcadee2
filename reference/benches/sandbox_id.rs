//! What the derivation of a sandbox id costs beyond its hash. Never touches a store.

mod paired;

use moltworker_reference::domain::sandbox_id::SandboxId;
use moltworker_reference::domain::tenant::TenantId;
use sha2::{Digest, Sha256};
use std::hint::black_box;

const DERIVATIONS: u32 = 100_000;

fn main() {
    let tenant = TenantId::random();
    let text = tenant.canonical();
    paired::compare(
        "sandbox id / bare hash",
        1.5,
        DERIVATIONS,
        ("SHA-256 of 36 bytes", || {
            for _ in 0..DERIVATIONS {
                black_box(Sha256::digest(black_box(&text)));
            }
        }),
        ("sandbox id", || {
            for _ in 0..DERIVATIONS {
                black_box(SandboxId::derive(black_box(&tenant)));
            }
        }),
    );
}
