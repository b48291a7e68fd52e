//! Everything that needs the OpenPGP library: making keys, their certificates, and the numbers of signatures.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use sequoia_openpgp as openpgp;

use openpgp::cert::{Cert, CertRevocationBuilder};
use openpgp::crypto::mem::Protected;
use openpgp::crypto::{KeyPair, Signer, mpi};
use openpgp::packet::key::{Key4, PrimaryRole, SecretParts};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::signature::subpacket::{Subpacket, SubpacketValue};
use openpgp::packet::{Key, Packet, UserID};
use openpgp::parse::Parse;
use openpgp::serialize::SerializeInto;
use openpgp::types::SymmetricAlgorithm;
use openpgp::types::{Curve, Features, HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};

use crate::names::{Algorithm, Fingerprint, Revocation, RevocationReason};
use crate::server::error::Error;
use crate::server::rsa::RsaKey;
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

/// A time stamp as the library has it; before 1970 there is none.
fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn armored(cert: &Cert) -> openpgp::Result<String> {
    Ok(crate::armor::wrap("PUBLIC KEY BLOCK", &cert.to_vec()?))
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
        self.0
            .set_creation_time(time(created.timestamp()))
            .map(drop)
            .map_err(fail("date a key"))
    }

    /// The certificate: this key, one user id, one self-signature with SHA-256, made at `at`, that lets it certify and
    /// sign until `expires` (seconds since 1970). No subkeys: rpm 4.18 checks their bindings, older ones do not
    /// (CVE-2021-3521).
    pub(crate) fn certify(
        &self,
        user_id: &str,
        at: DateTime<Utc>,
        expires: Option<i64>,
    ) -> Result<Certificate, Error> {
        let fail = fail("certify a key");
        let mut pair = self.pair()?;
        let created = self.0.creation_time();
        // A self-signature older than its key counts for nobody.
        let signed_at = created.max(time(at.timestamp()));
        let lifetime = expires
            .and_then(|expires| time(expires).duration_since(created).ok())
            .map(openpgp::types::Duration::try_from)
            .transpose()
            .map_err(&fail)?;
        let public: Key<_, PrimaryRole> = Key::from(self.0.clone()).take_secret().0;
        let cert = Cert::try_from(Packet::from(public)).map_err(&fail)?;
        let user_id = UserID::from(user_id);
        let binding = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_hash_algo(HashAlgorithm::SHA256)
            .set_signature_creation_time(signed_at)
            .and_then(|mut b| {
                // The library marks key flags critical; rpm's own parser refuses critical subpackets it does not use.
                let flags = KeyFlags::empty().set_certification().set_signing();
                b.hashed_area_mut()
                    .replace(Subpacket::new(SubpacketValue::KeyFlags(flags), false)?)?;
                if let Some(lifetime) = lifetime {
                    let end = SubpacketValue::KeyExpirationTime(lifetime);
                    b.hashed_area_mut().replace(Subpacket::new(end, false)?)?;
                }
                Ok(b)
            })
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
        Ok(Certificate {
            fingerprint: Fingerprint::from(bytes),
            armored: armored(&cert).map_err(&fail)?,
        })
    }

    /// The certificate with its revocation.
    pub(crate) fn revoke(&self, certificate: &str, revocation: &Revocation) -> Result<String, Error> {
        let fail = fail("revoke a key");
        let mut pair = self.pair()?;
        let reason = match revocation.reason {
            RevocationReason::Compromised => ReasonForRevocation::KeyCompromised,
            RevocationReason::Superseded => ReasonForRevocation::KeySuperseded,
            RevocationReason::Retired => ReasonForRevocation::KeyRetired,
        };
        let at = self.0.creation_time().max(time(revocation.at));
        let cert = Cert::from_bytes(certificate.as_bytes()).map_err(&fail)?;
        let signature = CertRevocationBuilder::new()
            .set_signature_creation_time(at)
            .and_then(|b| b.set_reason_for_revocation(reason, revocation.message.as_bytes()))
            .and_then(|b| b.build(&mut pair, &cert, HashAlgorithm::SHA256))
            .map_err(&fail)?;
        let (cert, _) = cert.insert_packets([Packet::from(signature)]).map_err(&fail)?;
        armored(&cert).map_err(&fail)
    }

    /// The key, ready to sign.
    pub(crate) fn pair(&self) -> Result<KeyPair, Error> {
        self.0.clone().into_keypair().map_err(fail("unlock a key"))
    }
}

/// Signs SHA-256 digests: the bare numbers of each, in the same order. Several are shared out among the processors.
pub(crate) fn sign(pair: &KeyPair, digests: &[[u8; 32]]) -> Result<Vec<Numbers>, Error> {
    let rsa = RsaKey::of(pair)?;
    let one = |digest: &[u8; 32]| match &rsa {
        Some(rsa) => Ok(Numbers {
            algorithm: "rsa".to_owned(),
            mpis: vec![rsa.sign(digest)?],
        }),
        None => sign_eddsa(pair, digest),
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = digests.len().div_ceil(processors).max(1);
    let all = |digests: &[[u8; 32]]| digests.iter().map(one).collect::<Result<Vec<_>, _>>();
    if share == digests.len() {
        return all(digests);
    }
    std::thread::scope(|scope| {
        let shares: Vec<_> = digests
            .chunks(share)
            .map(|digests| scope.spawn(|| all(digests)))
            .collect();
        let mut numbers = Vec::with_capacity(digests.len());
        for share in shares {
            numbers.extend(share.join().map_err(|_| died())??);
        }
        Ok(numbers)
    })
}

fn died() -> Error {
    Error::OpenPgp {
        operation: "sign a digest",
        reason: "a thread died of it".to_owned(),
    }
}

fn sign_eddsa(pair: &KeyPair, digest: &[u8; 32]) -> Result<Numbers, Error> {
    let signature = pair
        .clone()
        .sign(HashAlgorithm::SHA256, digest)
        .map_err(fail("sign a digest"))?;
    match signature {
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
