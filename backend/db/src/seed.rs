//! A service's worth of made-up data, for benchmarks and for tests of queries: the same with every run.

use diesel::QueryDsl as _;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use protocol::{BuildRoot, ChrootDefinition, MetadataCompression, NameError, PackageManager};

use crate::chroots::{self, Chroot};
use crate::connect::{Connection, DbError, DbResult};
use crate::schema::builds;

/// Chroots that every seeded project has and every seeded build is built for.
pub const CHROOTS: [&str; 6] = [
    "epel-10-aarch64",
    "epel-10-x86_64",
    "fedora-43-aarch64",
    "fedora-43-x86_64",
    "fedora-44-aarch64",
    "fedora-44-x86_64",
];
/// Owner of the large project.
pub const OWNER: &str = "seed-user-1";
/// Name of the large project, which has every fifth build.
pub const PROJECT: &str = "seed-1";

/// How much there is to be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Projects.
    pub projects: i64,
    /// Builds, each with a task per chroot; the large project has one in five.
    pub builds: i64,
    /// Packages of the large project.
    pub large_packages: i64,
    /// Packages of all projects.
    pub packages: i64,
}

/// As much as a service of some years has.
pub const SERVICE: Size = Size {
    projects: 1_000,
    builds: 100_000,
    large_packages: 500,
    packages: 5_000,
};

/// Fills an empty database that has its schema. Takes seconds, because no trigger runs; what triggers keep is written
/// with the rows. Needs the rights of a superuser for that.
///
/// # Errors
/// When a query fails, as when the database is not empty.
pub async fn fill(conn: &mut Connection, size: Size) -> DbResult<()> {
    for name in CHROOTS {
        let definition = definition(name).map_err(|e| DbError::Corrupt {
            what: "a seeded chroot",
            reason: e.to_string(),
        })?;
        let chroot = Chroot {
            definition,
            description: String::new(),
            active: true,
        };
        chroots::upsert(conn, &chroot).await?;
    }
    let Size {
        projects,
        builds,
        large_packages,
        packages,
    } = size;
    let chroots = CHROOTS.map(|c| format!("'{c}'")).join(", ");
    let text = include_str!("seed.sql")
        .replace(":projects", &projects.to_string())
        .replace(":builds", &builds.to_string())
        .replace(":large_packages", &large_packages.to_string())
        .replace(":packages", &packages.to_string())
        .replace(":chroots", &chroots);
    conn.batch_execute(&text).await?;
    // A statement of its own, because it cannot be part of a transaction. Else PostgreSQL would do this by itself, about
    // a minute later, beside whatever is being measured.
    conn.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(())
}

fn definition(name: &str) -> Result<ChrootDefinition, NameError> {
    Ok(ChrootDefinition {
        name: name.parse()?,
        dist: ".seed".to_owned(),
        package_manager: PackageManager::Dnf,
        metadata_compression: MetadataCompression::Zstd,
        buildroot: BuildRoot { packages: Vec::new() },
        repos: Vec::new(),
    })
}

/// The least that can be read: a build's state, by primary key. Benchmarks compare with it.
///
/// # Errors
/// When the query fails.
pub async fn one_row(conn: &mut Connection, build: i64) -> DbResult<String> {
    Ok(builds::table
        .find(build)
        .select(builds::state)
        .get_result(conn)
        .await?)
}
