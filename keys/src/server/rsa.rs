//! RSA signatures by OpenSSL with all that it can be told of a key. The OpenPGP library tells it modulus, exponents and
//! factors only, and without the exponents of the Chinese remainder theorem a signature takes four times as long.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, RsaPrivateKeyBuilder};
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::crypto::mpi::{MPI, PublicKey, SecretKeyMaterial};

use crate::server::error::Error;

/// An RSA key in the clear, for as long as a call to the signer takes.
pub(crate) struct RsaKey(PKey<Private>);

fn fail(error: ErrorStack) -> Error {
    Error::OpenPgp {
        operation: "sign with an RSA key",
        reason: error.to_string(),
    }
}

impl RsaKey {
    /// The key of a pair; `None` if it is of another algorithm.
    pub(crate) fn of(pair: &KeyPair) -> Result<Option<Self>, Error> {
        let PublicKey::RSA { e, n } = pair.public().mpis() else {
            return Ok(None);
        };
        pair.secret().map(|secret| match secret {
            SecretKeyMaterial::RSA { d, p, q, u } => {
                let secret = [d.value(), p.value(), q.value(), u.value()];
                Self::build(n.value(), e.value(), secret).map(Some).map_err(fail)
            }
            _ => Ok(None),
        })
    }

    /// OpenPGP's `u` is the inverse of `p` modulo `q` (RFC 9580, 5.5.5.1), OpenSSL's that of its second factor modulo its
    /// first: the factors change places.
    fn build(n: &[u8], e: &[u8], [d, p, q, u]: [&[u8]; 4]) -> Result<Self, ErrorStack> {
        let number = |bytes| {
            let mut number = BigNum::from_slice(bytes)?;
            number.set_const_time();
            Ok::<_, ErrorStack>(number)
        };
        let (d, first, second) = (number(d)?, number(q)?, number(p)?);
        let mut scratch = BigNumContext::new()?;
        let mut exponent = |factor: &BigNumRef| {
            let mut less = factor.to_owned()?;
            less.sub_word(1)?;
            less.set_const_time();
            let mut rest = BigNum::new()?;
            rest.checked_rem(&d, &less, &mut scratch)?;
            Ok::<_, ErrorStack>(rest)
        };
        let (of_first, of_second) = (exponent(&first)?, exponent(&second)?);
        let key = RsaPrivateKeyBuilder::new(BigNum::from_slice(n)?, BigNum::from_slice(e)?, d)?
            .set_factors(first, second)?
            .set_crt_params(of_first, of_second, number(u)?)?
            .build();
        PKey::from_rsa(key).map(Self)
    }

    /// Signs a SHA-256 digest with PKCS #1 v1.5 padding, as OpenPGP has it; the number in hexadecimal digits, without
    /// leading zero bytes.
    pub(crate) fn sign(&self, digest: &[u8; 32]) -> Result<String, Error> {
        let signature = || {
            let mut context = PkeyCtx::new(&self.0)?;
            context.sign_init()?;
            context.set_rsa_padding(Padding::PKCS1)?;
            context.set_signature_md(Md::sha256())?;
            let mut signature = Vec::new();
            context.sign_to_vec(digest, &mut signature)?;
            Ok(signature)
        };
        let signature = signature().map_err(fail)?;
        Ok(hex::encode(MPI::new(&signature).value()))
    }
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::crypto::Signer as _;
    use sequoia_openpgp::crypto::mpi::Signature;
    use sequoia_openpgp::types::HashAlgorithm;

    use super::*;
    use crate::names::Algorithm;
    use crate::server::openpgp::SecretKey;

    #[test]
    fn the_numbers_are_those_of_the_openpgp_library() {
        let mut pair = SecretKey::generate(Algorithm::Rsa4096).unwrap().pair().unwrap();
        let key = RsaKey::of(&pair).unwrap().unwrap();
        for n in 0..8 {
            let digest = [n; 32];
            let Signature::RSA { s } = pair.sign(HashAlgorithm::SHA256, &digest).unwrap() else {
                panic!("not RSA");
            };
            assert_eq!(key.sign(&digest).unwrap(), hex::encode(s.value()));
        }
    }

    #[test]
    fn other_keys_are_left_to_the_openpgp_library() {
        let pair = SecretKey::generate(Algorithm::Ed25519).unwrap().pair().unwrap();
        assert!(RsaKey::of(&pair).unwrap().is_none());
    }
}
