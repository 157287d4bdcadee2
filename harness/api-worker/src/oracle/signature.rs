//! Signatures of the Standard Webhooks specification. Never signs anything for the target.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a secret begins with.
const SECRET: &str = "whsec_";

/// `v1,` and the signature of a delivery; `None` if the secret is none.
pub(crate) fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let secret = STANDARD.decode(secret.strip_prefix(SECRET)?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    Some(format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed))))
}

/// Whether one of the signatures of a header (separated by spaces) is the right one.
pub(crate) fn holds(header: &str, secret: &str, id: &str, timestamp: &str, body: &[u8]) -> bool {
    let right = signature(secret, id, timestamp, body);
    right.is_some_and(|right| header.split(' ').any(|one| one == right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's own libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, timestamp) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let body = br#"{"test": 2432232314}"#;
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert!(holds(right, secret, id, timestamp, body));
        assert!(holds(&format!("v2,x {right}"), secret, id, timestamp, body));
        assert!(!holds(right, secret, id, "1614265331", body));
    }
}
