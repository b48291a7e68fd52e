//! Whether whoever sent a delivery knows the project's key.

use db::webhooks::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::auth::same_secret;

/// Headers as they came; those of the log lack secrets.
pub(super) type Raw<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Checks the signature or token that the forge sends along. All comparisons take the same time wherever values differ.
///
/// # Errors
/// What is missing or wrong, in a sentence.
pub(super) fn check(key: &str, request: &Request, raw: Raw<'_>) -> Result<(), String> {
    let (signatures, token): (&[&str], bool) = match request.kind.as_str() {
        "github" => (&["x-hub-signature-256"], false),
        "gitlab" => (&[], true),
        "bitbucket" => (&["x-hub-signature"], false),
        // Any program may call these, each in the way that suits it.
        _ => (&["x-hub-signature-256", "x-hub-signature"], true),
    };
    for name in signatures {
        if let Some(value) = raw(name) {
            return if signed(key, &request.body, &value) {
                Ok(())
            } else {
                Err(format!(
                    "The signature in the header {name} does not match: the secret of the webhook is not the project's key."
                ))
            };
        }
    }
    match raw("x-gitlab-token").filter(|_| token) {
        Some(value) if same_secret(&value, key) => Ok(()),
        Some(_) => Err("The header x-gitlab-token is not the project's key.".to_owned()),
        None => {
            let mut names = signatures.to_vec();
            if token {
                names.push("x-gitlab-token");
            }
            Err(format!(
                "The project takes signed deliveries only, and the header {} is missing: enter the project's key as the \
                 webhook's secret.",
                names.join(" or ")
            ))
        }
    }
}

fn signed(key: &str, body: &[u8], value: &str) -> bool {
    let Some(signature) = value
        .strip_prefix("sha256=")
        .and_then(|hex| hex::decode(hex.trim()).ok())
    else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_s_own_example_is_verified() {
        // From GitHub's "Validating webhook deliveries".
        let key = "It's a Secret to Everybody";
        let value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(signed(key, b"Hello, World!", value));
        assert!(!signed(key, b"Hello, World?", value));
        assert!(!signed("another", b"Hello, World!", value));
        for bad in ["", "sha256=", "sha256=zz", "sha1=757107ea", &value[..40]] {
            assert!(!signed(key, b"Hello, World!", bad), "{bad}");
        }
    }
}
