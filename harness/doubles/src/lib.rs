//! The outside world under our control: an AI Gateway and an Access team domain on loopback sockets.
//!
//! Every double runs on a thread and runtime of its own, so it answers while the caller's runtime is busy.
//! A double never judges a target: it plays its script and keeps a journal.
//!
//! The crate knows nothing of the contract, so that it serves other people's tests as well:
//!
//! ```
//! use moltproof_doubles::{Doubles, TokenKind};
//!
//! let doubles = Doubles::start()?;
//! // What a Worker is told: where models are called, who issues the tokens of operators, and for whom.
//! let gateway = doubles.gateway.base_url();
//! let issuer = doubles.access.origin();
//! let token = doubles.access.token(TokenKind::Good);
//! assert!(gateway.starts_with("http://127.0.0.1:"));
//! assert_eq!(token.split('.').count(), 3, "a JSON Web Token has three parts");
//! # let _ = issuer;
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod access;
pub mod ai_gateway;
pub mod clock;
mod console;
pub mod lag;
mod pem;
mod place;
pub mod state;
pub mod thread;
pub mod tls;
mod wire;

use std::io;

pub use access::{
    AccessIssuer, Due, Keeper, KeptTeam, KeyName, KeySetMode, SHORT_NAMES, TokenKind, Wish,
};
pub use ai_gateway::{
    AiGatewayDouble, Alone, Attempt, Endpoint, ErrorDialect, FAULT_WORDS, FaultWord, Outcome,
    Reply, Script, StreamDialect,
};
pub use place::Place;

/// The doubles every run needs. Dropping it stops them.
#[derive(Debug)]
pub struct Doubles {
    /// The AI Gateway in front of the models.
    pub gateway: AiGatewayDouble,
    /// The Access team domain of the operator.
    pub access: AccessIssuer,
}

impl Doubles {
    /// Starts both doubles on 127.0.0.1, each on a free port.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            gateway: AiGatewayDouble::start()?,
            access: AccessIssuer::start()?,
        })
    }
}
