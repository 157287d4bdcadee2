//! Why a server does not start, told from what it said. Never guesses: a sign is the very text of the tool.

/// A known reason, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Stable name.
    pub id: &'static str,
    /// Texts of which one must be there.
    says: &'static [&'static str],
    /// What it means and what to do.
    pub remedy: &'static str,
}

/// The texts of wrangler, workerd, Node and the operating system.
const SIGNS: [Sign; 5] = [
    Sign {
        id: "port",
        says: &[
            "EADDRINUSE",
            "Address already in use",
            "address already in use",
            "Address in use",
        ],
        remedy: "another process holds the port (an orphaned workerd of an earlier run?): end it, such as with `fuser -k PORT/tcp`",
    },
    Sign {
        id: "node",
        says: &[
            "Wrangler requires at least Node.js",
            "Unsupported engine",
            "EBADENGINE",
        ],
        remedy: "Node is too old for this wrangler: install the version that it asks for, or pin one that runs on yours (the newest for Node 18 is wrangler 4.48.0, for Node 20.3 it is 4.86.0, for Node 22.0 it is 4.158.0)",
    },
    Sign {
        id: "login",
        says: &[
            "You are not logged in",
            "In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN",
        ],
        remedy: "wrangler wants an account: add --local, or take remote bindings (such as `ai`) out of the configuration for tests",
    },
    Sign {
        id: "certificate",
        says: &[
            "SELF_SIGNED_CERT_IN_CHAIN",
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            "unable to get local issuer certificate",
        ],
        remedy: "Node does not trust a certificate: set NODE_EXTRA_CA_CERTS to the authority's file, in [launch.environment]",
    },
    Sign {
        id: "command",
        says: &["command not found", "cannot start"],
        remedy: "the command does not exist here: install it, or look at [launch] command and folder",
    },
];

/// The known reason that a text names.
#[must_use]
pub fn sign(said: &str) -> Option<Sign> {
    SIGNS
        .into_iter()
        .find(|sign| sign.says.iter().any(|text| said.contains(text)))
}

/// What happened, the known reason if there is one, and what the server said.
#[must_use]
pub(super) fn told(what: &str, said: &str) -> String {
    match sign(said) {
        Some(sign) => format!("{what}; {}:\n{said}", sign.remedy),
        None => format!("{what}:\n{said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, id: Option<&str>) {
        assert_eq!(sign(said).map(|sign| sign.id), id, "{said}");
    }

    #[test]
    fn the_texts_of_the_tools_are_known() {
        check(
            "Error: listen EADDRINUSE: address already in use 127.0.0.1:8787",
            Some("port"),
        );
        check(
            "*** Fatal uncaught kj::Exception: bind(): Address already in use",
            Some("port"),
        );
        check(
            "Wrangler requires at least Node.js v22.0.0. You are using v20.1.0.",
            Some("node"),
        );
        check("something else", None);
    }
}
