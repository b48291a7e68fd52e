//! Everything that needs the OpenPGP library: making keys, their certificates, and the numbers of signatures.

use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use sequoia_openpgp as openpgp;

use openpgp::cert::Cert;
use openpgp::crypto::mem::Protected;
use openpgp::crypto::{KeyPair, Signer, mpi};
use openpgp::packet::key::{Key4, PrimaryRole, SecretParts};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketValue};
use openpgp::packet::{Key, Packet, UserID};
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use openpgp::types::{Curve, Features, HashAlgorithm, KeyFlags, SignatureType, SymmetricAlgorithm};

use crate::names::{Algorithm, Fingerprint};
use crate::server::error::Error;
use crate::wire::Numbers;

/// A primary key with its secret in the clear (in memory the library keeps it encrypted until used).
pub(crate) struct SecretKey(Key4<SecretParts, PrimaryRole>);

/// What a new certificate is made of.
pub(crate) struct Certificate {
    pub fingerprint: Fingerprint,
    pub armored: String,
}

fn fail(operation: &'static str) -> impl Fn(openpgp::anyhow::Error) -> Error {
    move |error| Error::OpenPgp {
        operation,
        reason: error.to_string(),
    }
}

impl SecretKey {
    /// Generates a key. RSA-4096 takes from half a second to several.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        let key = match algorithm {
            Algorithm::Rsa4096 => Key4::generate_rsa(4096),
            // A v4 key on this curve gets algorithm 22, which rpm and gpg 2.2 know, not 27.
            Algorithm::Ed25519 => Key4::generate_ecc(true, Curve::Ed25519),
        };
        key.map(Self).map_err(fail("generate a key"))
    }

    /// Reads what [`Self::to_bytes`] wrote. The bytes are wiped.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let bytes = Protected::from(bytes);
        match Packet::from_bytes(&bytes).map_err(fail("read a stored key"))? {
            Packet::SecretKey(Key::V4(key)) => Ok(Self(key)),
            _ => Err(Error::OpenPgp {
                operation: "read a stored key",
                reason: "not a v4 secret key".to_owned(),
            }),
        }
    }

    /// The secret-key packet, unencrypted: only to be wrapped at once.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        Packet::SecretKey(self.0.clone().into())
            .to_vec()
            .map_err(fail("serialise a key"))
    }

    /// Sets the creation time, on which the fingerprint depends.
    pub(crate) fn set_created(&mut self, created: DateTime<Utc>) -> Result<(), Error> {
        let seconds = u64::try_from(created.timestamp()).unwrap_or_default();
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        self.0
            .set_creation_time(time)
            .map(drop)
            .map_err(fail("date a key"))
    }

    /// The certificate: this key, one user id, one self-signature with SHA-256 that lets it certify and sign. No
    /// subkeys: rpm 4.18 checks their bindings, older ones do not (CVE-2021-3521).
    pub(crate) fn certify(&self, user_id: &str, lifetime: Option<Duration>) -> Result<Certificate, Error> {
        let fail = fail("certify a key");
        let mut pair = self.pair()?;
        let created = self.0.creation_time();
        let public: Key<_, PrimaryRole> = Key::from(self.0.clone()).take_secret().0;
        let cert = Cert::try_from(Packet::from(public)).map_err(&fail)?;
        let user_id = UserID::from(user_id);
        let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_hash_algo(HashAlgorithm::SHA256)
            .set_signature_creation_time(created)
            .and_then(|mut b| {
                // The library marks key flags critical; rpm's own parser refuses critical subpackets it does not use.
                let flags = KeyFlags::empty().set_certification().set_signing();
                b.hashed_area_mut()
                    .replace(Subpacket::new(SubpacketValue::KeyFlags(flags), false)?)?;
                Ok(b)
            })
            .and_then(|b| b.set_key_validity_period(lifetime))
            .and_then(|b| b.set_features(Features::empty().set_seipdv1()))
            .and_then(|b| b.set_preferred_hash_algorithms(vec![HashAlgorithm::SHA256]))
            .and_then(|b| b.set_preferred_symmetric_algorithms(vec![SymmetricAlgorithm::AES256]))
            .and_then(|b| user_id.bind(&mut pair, &cert, b))
            .map_err(&fail)?;
        let packets = [Packet::from(user_id), Packet::from(binding)];
        let cert = cert.insert_packets(packets).map_err(&fail)?.0;
        let bytes: [u8; 20] = cert
            .fingerprint()
            .as_bytes()
            .try_into()
            .map_err(|_| Error::OpenPgp {
                operation: "certify a key",
                reason: "not a v4 fingerprint".to_owned(),
            })?;
        let armored = crate::armor::wrap("PUBLIC KEY BLOCK", &cert.to_vec().map_err(&fail)?);
        Ok(Certificate {
            fingerprint: Fingerprint::from(bytes),
            armored,
        })
    }

    /// The key, ready to sign.
    pub(crate) fn pair(&self) -> Result<KeyPair, Error> {
        self.0.clone().into_keypair().map_err(fail("unlock a key"))
    }
}

/// Signs a SHA-256 digest: the bare numbers.
pub(crate) fn sign(pair: &KeyPair, digest: &[u8; 32]) -> Result<Numbers, Error> {
    let signature = pair
        .clone()
        .sign(HashAlgorithm::SHA256, digest)
        .map_err(fail("sign a digest"))?;
    match signature {
        mpi::Signature::RSA { s } => Ok(Numbers {
            algorithm: "rsa".to_owned(),
            mpis: vec![hex::encode(s.value())],
        }),
        mpi::Signature::EdDSA { r, s } => Ok(Numbers {
            algorithm: "eddsa".to_owned(),
            mpis: vec![hex::encode(r.value()), hex::encode(s.value())],
        }),
        _ => Err(Error::OpenPgp {
            operation: "sign a digest",
            reason: "unexpected algorithm".to_owned(),
        }),
    }
}
