//! SHA-256, by which files, features and selections are known again. Never keyed: it hides nothing.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256, lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}
