//! A thread and runtime of its own for each double. It never runs on the caller's runtime.
