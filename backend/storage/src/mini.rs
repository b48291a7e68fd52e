//! Names of the small repositories that builds and batches have.

use std::fmt;
use std::str::FromStr;

use protocol::NameError;

use crate::key::{BuildDir, invalid};

/// Whose packages a small repository has. Its name is its folder, below that of its repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mini {
    /// Those of a build: `00000012-hello`, the folder that lists the build's files.
    Build(BuildDir),
    /// Those of the builds of a batch: `batches/7`.
    Batch(i64),
}

impl fmt::Display for Mini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(dir) => dir.fmt(f),
            Self::Batch(number) => write!(f, "batches/{number}"),
        }
    }
}

impl FromStr for Mini {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let Some(number) = s.strip_prefix("batches/") else {
            return s.parse().map(Self::Build);
        };
        let batch = number.parse::<i64>().ok();
        batch
            .filter(|batch| *batch > 0 && batch.to_string() == number)
            .map(Self::Batch)
            .ok_or_else(|| invalid("batch", s, "use its number, as in batches/7"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling() {
        for good in ["00000012-hello", "batches/7"] {
            assert_eq!(good.parse::<Mini>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "12-hello",
            "batches",
            "batches/",
            "batches/07",
            "batches/-1",
            "batches/0",
            "batches/7/",
        ] {
            assert!(bad.parse::<Mini>().is_err(), "{bad}");
        }
    }
}
