//! What one decision of the limiter costs: one busy key, many keys, a flood of new ones. Never asserts anything.

use criterion::{Criterion, criterion_group, criterion_main};
use moltworker_reference::clock::SystemClock;
use moltworker_reference::limiter::SlidingWindow;
use moltworker_reference::ports::RateLimiter;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn decisions(criterion: &mut Criterion) {
    let limiter = SlidingWindow::new(Arc::new(SystemClock::new()));
    criterion.bench_function("admit, one key, mostly refused", |bencher| {
        bencher.iter(|| limiter.admit(black_box("tenant"), 60, MINUTE));
    });
    let keys: Vec<String> = (0..1_000).map(|key| format!("tenant:{key}")).collect();
    let mut next = keys.iter().cycle();
    criterion.bench_function("admit, a thousand keys in turn", |bencher| {
        bencher.iter(|| next.next().map(|key| limiter.admit(key, 600, MINUTE)));
    });
    let mut fresh = 0_u64;
    criterion.bench_function("admit, every key new", |bencher| {
        bencher.iter(|| {
            fresh += 1;
            limiter.admit(&format!("ip:{fresh}"), 60, MINUTE)
        });
    });
}

criterion_group!(
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    targets = decisions
);
criterion_main!(benches);
