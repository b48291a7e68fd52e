//! Makes a snapshot: metadata of everything that is published in a repository, signed, stored under names of its own,
//! and then the database's pointer is moved to it.

use std::collections::HashSet;
use std::fmt;

use chrono::TimeDelta;
use db::projects::Project;
use db::snapshots::{Audience, NewSnapshot};
use protocol::builder_api::Beside;
use protocol::{MetadataCompression, PackageManager};
use repodata::{Compression, Fragments};

use crate::context::Context;
use crate::error::JobError;
use crate::extras;
use crate::groups::Groups;
use crate::metadata::{Held, Next};
use crate::software;
use crate::store_snapshot::Stored;

/// Why a snapshot is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The repository is new.
    SetUp,
    /// A build's packages.
    Build(protocol::BuildId),
    /// Packages of somebody else's repository, at this address.
    Import(String),
    /// Builds were deleted: the first of them, and how many more.
    Removal(protocol::BuildId, usize),
    /// Somebody asked for it.
    Regenerate,
    /// The groups of packages changed, or what else is in the metadata besides packages.
    Groups,
    /// Packages of another project, named here.
    Fork(String),
    /// What somebody said when they asked for it.
    Request(String),
    /// The packages were signed anew with a key, named here.
    Key(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetUp => f.write_str("set-up"),
            Self::Build(build) => write!(f, "build {build}"),
            Self::Import(url) => write!(f, "import of {url}"),
            Self::Removal(build, 0) => write!(f, "build {build} deleted"),
            Self::Removal(build, more) => write!(f, "build {build} and {more} more deleted"),
            Self::Regenerate => f.write_str("regenerate"),
            Self::Groups => f.write_str("groups or settings"),
            Self::Fork(from) => write!(f, "fork of {from}"),
            Self::Request(why) => f.write_str(why),
            Self::Key(key) => write!(f, "signed with key {key}"),
        }
    }
}

/// What becomes a snapshot.
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    /// Whose.
    pub project: &'a Project,
    /// `repositories.id`.
    pub repository: i64,
    /// What is different from what the audience has.
    pub change: Change<'a>,
    /// Who gets the snapshot.
    pub audience: Audience,
    /// Why.
    pub cause: Cause,
    /// The user who asked for it; `None` for the service itself.
    pub actor: Option<&'a str>,
    /// The request that it answers.
    pub asked: Option<Asked>,
}

/// A request for a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// `snapshot_requests.id`.
    pub request: i64,
    /// The snapshot that the audience has to have, 0 for none; another one refuses the request.
    pub expected: Option<i64>,
}

/// What a snapshot changes. Packages of deleted builds go in any case, and so do those whose name, version, release and
/// architecture one of the new packages has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Tasks whose packages come.
    pub tasks: &'a [i64],
    /// `rpms.id` of packages that come.
    pub added: &'a [i64],
    /// `rpms.id` of packages that go.
    pub removed: &'a [i64],
}

impl<'a> Change<'a> {
    /// The packages of tasks come.
    pub fn of_tasks(tasks: &'a [i64]) -> Self {
        Self {
            tasks,
            ..Self::default()
        }
    }
}

/// Who gets what is new in a project: in devel mode only builds do, until somebody asks for more.
pub(crate) fn audience(project: &Project) -> Audience {
    if project.settings.devel_mode {
        Audience::Builds
    } else {
        Audience::Everybody
    }
}

/// Builds and stores a snapshot with what is published and what tasks bring, and moves the pointer to it. When somebody
/// else moves the pointer meanwhile, it starts again on the new base.
///
/// Returns the snapshot's number; `None` when the repository is gone, as that of an expired directory, or when a request
/// is refused, and then there is nothing to do.
///
/// # Errors
/// When database, store or signer fail.
pub async fn publish_snapshot(
    context: &Context,
    publication: &Publication<'_>,
) -> Result<Option<i64>, JobError> {
    // With N workers at most N-1 others can win a race each, and then none is left; 50 is beyond any of that.
    for _ in 0..50 {
        match try_once(context, publication).await? {
            Try::Published(number) => return Ok(Some(number)),
            Try::Gone => return Ok(None),
            Try::Overtaken => {}
        }
    }
    Err(JobError::retry(format!(
        "repository {} changes too quickly to publish {}",
        publication.repository, publication.cause
    )))
}

/// What is stored longer than this before a snapshot names it may be taken for forgotten; no grace is that short.
const LONGEST: TimeDelta = TimeDelta::minutes(30);

enum Try {
    Published(i64),
    Overtaken,
    Gone,
}

async fn try_once(context: &Context, publication: &Publication<'_>) -> Result<Try, JobError> {
    let Publication {
        project,
        repository,
        ref audience,
        ..
    } = *publication;
    let began = (context.clock)();
    let mut conn = context.conn().await?;
    let Some(base) = db::repositories::by_id(&mut conn, repository).await? else {
        return Ok(Try::Gone);
    };
    let chroot = db::chroots::find(&mut conn, &base.chroot).await?;
    let package_manager = chroot.as_ref().map(|c| c.definition.package_manager);
    let wanted = chroot.map(|c| c.definition.metadata_compression);
    let compression = match wanted {
        Some(MetadataCompression::Zstd | MetadataCompression::Zchunk) => Compression::Zstd,
        Some(MetadataCompression::Gzip) | None => Compression::Gzip,
    };
    let parent = audience.base(&mut conn, &base).await?;
    if let Some(Asked {
        request,
        expected: Some(expected),
    }) = publication.asked
        && expected != parent
    {
        db::snapshot_requests::refused(&mut conn, request, parent).await?;
        return Ok(Try::Gone);
    }
    let which = (repository, compression, audience.clone());
    let mut held = context.metadata.get(&which, parent)?;
    let mut next = compare(&mut conn, &held, (repository, parent), &publication.change).await?;
    if let Some(Asked { request, .. }) = publication.asked
        && next.is_parent(parent)
    {
        db::snapshot_requests::made(&mut conn, request, parent).await?;
        return Ok(Try::Published(parent));
    }
    let mut stored = db::rpms::fragments(&mut conn, &next.missing).await?;
    if stored.len() < next.missing.len() {
        // What no snapshot names was removed in between.
        return Ok(Try::Overtaken);
    }
    let number = db::snapshots::reserve(&mut conn, repository).await?;
    drop(conn);
    let groups = Groups::of(context, &base).await?;
    let mut beside = db::imported::of(&mut *context.conn().await?, repository).await?;
    // A project's own groups count more.
    beside.retain(|(of, _)| groups.is_none() || *of != Beside::Comps);
    let read_beside = extras::read(context, held.missing_extras(&beside)).await?;
    let timestamp = began.timestamp();
    if publication.cause == Cause::Regenerate {
        held.distrust();
    }
    let (content, added, removed) = next.take_lists();
    let origin = software::origin(project.owner.as_str(), base.dir.as_str());
    let origin = project.settings.appstream.then_some(origin);
    let (held, made) = context
        .compute(move || {
            let software = software::take(&mut stored)?;
            let missing = read(stored)?;
            let mut made = held.advance(number, next, &missing, timestamp)?;
            held.add_catalogue(&mut made, software, origin.as_deref())?;
            held.add_extras(&mut made, &beside, (read_beside, compression))?;
            if wanted == Some(MetadataCompression::Zchunk) {
                held.add_zchunks(&mut made)?;
            }
            Ok((held, made))
        })
        .await?;
    let new = Stored {
        project,
        base: &base,
        number,
        timestamp,
    };
    let signed_by = context.public_key(project)?.fingerprint.to_string();
    let repomd_sha256 = new.store(context, (which, held), made, groups).await?;
    context.faults.pass("snapshot.before_move");
    if (context.clock)() - began > LONGEST {
        return Ok(Try::Overtaken);
    }
    let mut conn = context.conn().await?;
    let new = NewSnapshot {
        repository: &base,
        parent,
        number,
        cause: &publication.cause.to_string(),
        actor: publication.actor,
        content: &content,
        added: &added,
        removed: &removed,
        repomd_sha256: &repomd_sha256,
        signed_by: &signed_by,
        audience,
        request: publication.asked.map(|asked| asked.request),
        check: is_checked(context, publication, package_manager, &added),
    };
    let moved = db::snapshots::publish(&mut conn, &new, (context.clock)()).await?;
    Ok(if moved {
        Try::Published(number)
    } else {
        Try::Overtaken
    })
}

/// Whether builders shall find out if what a snapshot brings can be installed. With a new key the packages are the same.
fn is_checked(
    context: &Context,
    publication: &Publication<'_>,
    package_manager: Option<PackageManager>,
    added: &[i64],
) -> bool {
    let settings = &publication.project.settings;
    settings.check_installs.or(context.check_installs)
        && !added.is_empty()
        && !matches!(publication.cause, Cause::Key(_))
        && matches!(package_manager, Some(PackageManager::Dnf | PackageManager::Dnf5))
}

/// What the next snapshot of a repository (`repositories.id`, and the number of its parent) holds.
async fn compare(
    conn: &mut db::Connection,
    held: &Held,
    (repository, parent): (i64, i64),
    change: &Change<'_>,
) -> Result<Next, JobError> {
    // An old snapshot that somebody went back to may have packages whose signatures were replaced long ago.
    let (parent, replaced) = if held.is_at(parent) {
        let mut fresh = db::keys::fresh(conn, repository).await?;
        fresh.retain(|(old, _)| held.holds(*old));
        (None, fresh)
    } else {
        let content = db::snapshots::content(conn, repository, parent).await?;
        let replaced = db::keys::replaced(conn, &content).await?;
        (Some(db::rpms::members(conn, &content).await?), replaced)
    };
    let mut coming = db::rpms::of_tasks(conn, repository, change.tasks).await?;
    // Whoever named packages may have done so before they were signed anew.
    if !change.added.is_empty() {
        let added = db::keys::newest(conn, change.added).await?;
        coming.extend(db::rpms::members(conn, &added).await?);
    }
    let mut leaving = db::rpms::withdrawn(conn, repository).await?;
    leaving.extend(db::keys::newest(conn, change.removed).await?);
    let unwanted: HashSet<i64> = leaving.iter().copied().collect();
    for (old, new) in replaced {
        leaving.push(old);
        coming.extend(new.filter(|(id, _)| !unwanted.contains(id)));
    }
    if !coming.is_empty() {
        let ids: Vec<i64> = coming.iter().map(|(id, _)| *id).collect();
        leaving.extend(db::rpms::twins(conn, &ids).await?);
    }
    held.next(parent, coming, &leaving)
}

/// Unpacks what is stored of packages.
pub(crate) fn read(stored: Vec<db::rpms::StoredFragments>) -> Result<Vec<Fragments>, JobError> {
    let open = |what: &str, name: &str, bytes: &[u8]| {
        let xml = zstd::decode_all(bytes).map_err(|e| e.to_string());
        xml.and_then(|xml| String::from_utf8(xml).map_err(|e| e.to_string()))
            .map_err(|e| {
                JobError::fail(format!(
                    "the stored {what} fragment of {name} cannot be read: {e}"
                ))
            })
    };
    let read = |row: db::rpms::StoredFragments| {
        Ok(Fragments {
            primary: open("primary", &row.name, &row.primary_xml)?,
            filelists: open("filelists", &row.name, &row.filelists_xml)?,
            other: open("other", &row.name, &row.other_xml)?,
            pkgid: row.sha256,
            name: row.name,
        })
    };
    stored.into_iter().map(read).collect()
}
