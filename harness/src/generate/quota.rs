//! What is certain of a tenant's quota. Never guesses: what an earlier tier used may count or not, and old requests leave the window.

/// Requests that were admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// So many certainly count.
    certain: u32,
    /// So many count at most.
    possible: u32,
}

/// What the limiter must do with the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Let it in.
    Admit,
    /// Refuse it.
    Refuse,
    /// Either.
    Open,
}

impl Used {
    /// One more was let in.
    pub(super) fn take(&mut self) {
        self.certain += 1;
        self.possible += 1;
    }

    /// One more may have been counted.
    pub(super) fn take_perhaps(&mut self) {
        self.possible += 1;
    }

    /// What was used so far may not count any more.
    pub(super) fn forget_some(&mut self) {
        self.certain = 0;
    }

    /// How many more are let in, at least and at most.
    pub(super) fn left(self, limit: u32) -> (u32, u32) {
        (
            limit.saturating_sub(self.possible),
            limit.saturating_sub(self.certain),
        )
    }

    /// What must become of the next request.
    pub(super) fn next(self, limit: u32) -> Due {
        match self.left(limit) {
            (_, 0) => Due::Refuse,
            (0, _) => Due::Open,
            _ => Due::Admit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_decides_and_what_is_not_decides_nothing() {
        let mut used = Used::default();
        assert_eq!(used.next(2), Due::Admit);
        used.take();
        used.take();
        assert_eq!(used.next(2), Due::Refuse);
        used.forget_some();
        assert_eq!(used.next(2), Due::Open);
        assert_eq!((used.next(3), used.left(3)), (Due::Admit, (1, 3)));
        used.take_perhaps();
        assert_eq!(used.next(3), Due::Open);
    }
}
