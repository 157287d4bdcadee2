//! What a baseline makes of a run. Never runs a scenario.
