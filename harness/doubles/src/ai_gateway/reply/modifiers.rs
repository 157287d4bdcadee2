//! What can be changed in a reply: times, status, headers, faults on the wire. It never makes a reply from nothing.

use std::time::Duration;

use super::{Fault, Reply, Spelling, Split};

/// Modifiers.
impl Reply {
    /// The provider took this long, in virtual time: beyond the timeout stated by the request the gateway's timeout
    /// error is answered instead, else this reply, both at once.
    #[must_use]
    pub fn took(mut self, latency: Duration) -> Self {
        self.took = latency;
        self
    }

    /// Status of the gateway's timeout answer, should `took` exceed the stated timeout; 524 unless set.
    #[must_use]
    pub fn timing_out_as(mut self, status: u16) -> Self {
        self.timeout_status = status;
        self
    }

    /// Another status for the same body.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Says that the gateway's cache answered.
    #[must_use]
    pub fn cache_hit(mut self) -> Self {
        self.cache_hit = true;
        self
    }

    /// Adds a `Set-Cookie` that no caller may ever see.
    #[must_use]
    pub fn set_cookie(self) -> Self {
        self.header("set-cookie", "__cf_bm=upstream-session; path=/; HttpOnly")
    }

    /// Ends the lines of a stream with this: `\r\n` and `\r` are as good as `\n`.
    #[must_use]
    pub fn line_end(mut self, line_end: &'static str) -> Self {
        self.framing.line_end = line_end;
        self
    }

    /// Sends the data of events without a space behind the colon.
    #[must_use]
    pub fn without_space(mut self) -> Self {
        self.framing.spelling = Spelling::WithoutSpace;
        self
    }

    /// Sends a comment before each event, and the fields `event`, `id` and `retry` beside its data.
    #[must_use]
    pub fn with_other_fields(mut self) -> Self {
        self.framing.spelling = Spelling::WithOtherFields;
        self
    }

    /// Ends a stream in order, but without `[DONE]`.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.framing.done = false;
        self
    }

    /// Sends a stream in two chunks, the first of so many bytes; beyond its end it is sent whole.
    #[must_use]
    pub fn split_at(mut self, bytes: usize) -> Self {
        self.framing.split = Some(Split::At(bytes));
        self
    }

    /// Sends a stream in two chunks that part the first character of several bytes; if there is none it is sent whole.
    #[must_use]
    pub fn split_inside_a_character(mut self) -> Self {
        self.framing.split = Some(Split::InsideACharacter);
        self
    }

    /// Really sends nothing until released, whatever timeout the request states.
    #[must_use]
    pub fn hang(self) -> Self {
        self.fault(Fault::Hang)
    }

    /// Holds after `chunks` chunks until released.
    #[must_use]
    pub fn hold_after(self, chunks: usize) -> Self {
        self.fault(Fault::HoldAfter(chunks))
    }

    /// Falls silent after `chunks` chunks until the client goes away.
    #[must_use]
    pub fn stall_after(self, chunks: usize) -> Self {
        self.fault(Fault::StallAfter(chunks))
    }

    /// Closes the connection after `chunks` whole chunks, without the end of the body.
    #[must_use]
    pub fn cut_after(self, chunks: usize) -> Self {
        self.fault(Fault::CutAfter(chunks))
    }

    /// Closes the connection in the middle of the chunk that follows `chunks` whole ones.
    #[must_use]
    pub fn cut_inside(self, chunks: usize) -> Self {
        self.fault(Fault::CutInside(chunks))
    }

    /// Resets the connection before the head.
    #[must_use]
    pub fn reset(self) -> Self {
        self.fault(Fault::Reset)
    }

    /// Sends bytes that are no HTTP and closes.
    #[must_use]
    pub fn garbled(self) -> Self {
        self.fault(Fault::Garbled)
    }

    /// Waits this long, in real time, before the first byte. For virtual latency see `took`.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delivery.delay = delay;
        self
    }

    /// Waits this long, in real time, before each chunk.
    #[must_use]
    pub fn paced(mut self, pace: Duration) -> Self {
        self.delivery.pace = pace;
        self
    }

    /// Status, headers and body of another reply, with the times and faults of this one.
    pub(in crate::ai_gateway) fn in_place(self, other: Self) -> Self {
        Self {
            status: other.status,
            headers: other.headers,
            body: other.body,
            ..self
        }
    }

    fn fault(mut self, fault: Fault) -> Self {
        self.delivery.fault = fault;
        self
    }
}
