//! Tests of the HTTP layer that need its private parts. Never opens a socket.
