//! Checksums of repository metadata.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A digest that nobody can forge, and its hexadecimal value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    kind: Kind,
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sha256,
    Sha384,
    Sha512,
}

impl Checksum {
    /// From the words of a metadata file.
    pub fn read(kind: &str, hex: &str) -> Result<Self, String> {
        let kind = match kind {
            "sha256" => Kind::Sha256,
            "sha384" => Kind::Sha384,
            "sha512" => Kind::Sha512,
            "md5" | "sha" | "sha1" => {
                return Err(format!(
                    "{kind} checksums can be forged; the repository has to be made with SHA-256 (createrepo_c --checksum sha256)"
                ));
            }
            other => {
                let other: String = other.chars().filter(|c| !c.is_control()).take(20).collect();
                return Err(format!(
                    "checksums of the kind '{other}' are not known; SHA-256 is"
                ));
            }
        };
        let hex = hex.trim().to_ascii_lowercase();
        let digits = match kind {
            Kind::Sha256 => 64,
            Kind::Sha384 => 96,
            Kind::Sha512 => 128,
        };
        if hex.len() != digits || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("a checksum is no hexadecimal number of the right length".to_owned());
        }
        Ok(Self { kind, hex })
    }

    /// The value, if it is a SHA-256.
    pub fn sha256(&self) -> Option<protocol::Sha256> {
        (self.kind == Kind::Sha256).then(|| self.hex.parse().ok())?
    }

    /// A hash of the same kind.
    pub fn hasher(&self) -> Hasher {
        match self.kind {
            Kind::Sha256 => Hasher::Sha256(Sha256::new()),
            Kind::Sha384 => Hasher::Sha384(Sha384::new()),
            Kind::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    /// Whether a file has this checksum.
    pub fn is_of(&self, path: &Path) -> io::Result<bool> {
        let mut file = fs_err::File::open(path)?;
        let mut hasher = self.hasher();
        let mut piece = vec![0; 128 << 10];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finish() == self.hex),
                count => hasher.update(&piece[..count]),
            }
        }
    }

    /// Whether what went into a hash has this checksum.
    pub fn is(&self, hasher: Hasher) -> bool {
        hasher.finish() == self.hex
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex)
    }
}

/// A running hash.
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hex::encode(hash.finalize()),
            Self::Sha384(hash) => hex::encode(hash.finalize()),
            Self::Sha512(hash) => hex::encode(hash.finalize()),
        }
    }
}
