//! The whole way: recipe in, repository out, made once for each recipe.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::{
    apt::{self, Index, Stanza},
    convert,
    deb::{Kind, Tree},
    error::Error,
    recipe::{DebianSection, Recipe},
    resolve::{self, Closure},
    rpm::Package,
};

/// A repository that is complete on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The recipe's hash.
    pub hash: String,
    /// The folder with `Packages/` and `repodata/`.
    pub repo_dir: PathBuf,
}

/// One line a finished step and every so many packages.
type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// How many packages lie between two lines of progress.
const PROGRESS_EVERY: usize = 50;

/// Gives the repository of a recipe, making it where it is not there yet.
///
/// It is made beside its final place, `<cache_dir>/<hash>/`, and renamed when complete: whatever is killed on the way
/// is done again. Downloads stay in `<cache_dir>/debs/`. Two callers at once must not share a `cache_dir`.
///
/// `progress` gets one line of plain text for each step and every 50 packages, from any thread.
pub fn ensure(recipe: &Recipe, cache_dir: &Path, progress: Progress<'_>) -> Result<Repository, Error> {
    let hash = recipe.hash()?;
    let place = cache_dir.join(&hash);
    let repository = Repository {
        hash,
        repo_dir: place.join("repo"),
    };
    if place.exists() {
        return Ok(repository);
    }
    let started = Instant::now();
    progress(&format!("making the distribution of {}", recipe.chroot));
    let index = apt::read_index(&recipe.debian.arch)?;
    check_release(recipe, &index)?;
    let closure = resolve::resolve(&index, &recipe.debian)?;
    check_changes(recipe, &closure)?;
    let stanzas: Vec<&Stanza> = closure
        .requires
        .keys()
        .filter_map(|name| index.get(name))
        .collect();
    let debs = apt::download(&stanzas, &cache_dir.join("debs"), progress)?;

    let unfinished = cache_dir.join("unfinished");
    if unfinished.exists() {
        fs_err::remove_dir_all(&unfinished)?;
    }
    let packages = unfinished.join("repo/Packages");
    fs_err::create_dir_all(&packages)?;
    progress(&format!("converting {} Debian packages to RPM", stanzas.len()));
    convert_all(recipe, &index, &closure, &debs, &packages, progress)?;
    progress("writing the repository's metadata");
    let mut command = Command::new("createrepo_c");
    command.args(["--quiet", "--no-database", "--simple-md-filenames"]);
    apt::run("write repository metadata", command.arg(unfinished.join("repo")))?;
    sync(&unfinished)?;
    fs_err::rename(&unfinished, &place)?;
    progress(&format!(
        "the distribution of {} is made: {} packages in {} s",
        recipe.chroot,
        stanzas.len() + 1,
        started.elapsed().as_secs()
    ));
    Ok(repository)
}

/// Brings all of the tree to disk before its name says that it is complete.
fn sync(dir: &Path) -> Result<(), Error> {
    apt::run(
        "sync the repository",
        Command::new("sync").arg("--file-system").arg(dir),
    )
    .map(drop)
}

fn check_release(recipe: &Recipe, index: &Index) -> Result<(), Error> {
    let (package, prefix) = &recipe.debian.proof;
    let found = index.get(package).map_or("", |stanza| stanza.version.as_str());
    if found.starts_with(prefix) {
        return Ok(());
    }
    Err(Error::OtherRelease {
        wanted: recipe.debian.codename.clone(),
        package: package.clone(),
        found: found.to_owned(),
        prefix: prefix.clone(),
    })
}

/// A change of a package that is not there, or a requirement that nothing fulfils, is a slip of the pen.
fn check_changes(recipe: &Recipe, closure: &Closure) -> Result<(), Error> {
    let DebianSection {
        packages, release, ..
    } = &recipe.debian;
    let added = packages
        .iter()
        .flat_map(|(name, changes)| std::iter::once(name).chain(&changes.requires));
    for name in added.chain(&release.content.requires) {
        if *name != release.name && !closure.requires.contains_key(name) {
            return Err(Error::MissingPackage {
                name: name.clone(),
                needed_by: "the recipe's changes".to_owned(),
            });
        }
    }
    Ok(())
}

/// Who owns which path, filled by all workers.
#[derive(Default)]
struct Owners(Mutex<BTreeMap<String, String>>);

impl Owners {
    fn claim(&self, package: &str, tree: &Tree) -> Result<(), Error> {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, node) in tree {
            if node.kind == Kind::Dir {
                continue;
            }
            if let Some(other) = owners.insert(path.clone(), package.to_owned()) {
                let (first, second) = (other, package.to_owned());
                return Err(Error::SharedPath {
                    path: path.clone(),
                    first,
                    second,
                });
            }
        }
        Ok(())
    }
}

fn convert_all(
    recipe: &Recipe,
    index: &Index,
    closure: &Closure,
    debs: &BTreeMap<String, PathBuf>,
    packages: &Path,
    progress: Progress<'_>,
) -> Result<(), Error> {
    let owners = Owners::default();
    let release = convert::release_package(&recipe.debian.release)?;
    owners.claim(&release.name, &release.files)?;
    save(&release, packages)?;

    // The largest first, so that no worker is left with it at the end.
    let mut work: Vec<&Stanza> = closure
        .requires
        .keys()
        .filter_map(|name| index.get(name))
        .collect();
    work.sort_by_key(|stanza| std::cmp::Reverse(stanza.size));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || -> Result<(), Error> {
        while let Some(stanza) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let package = convert::convert(recipe, index, closure, stanza, debs)
                .and_then(|package| owners.claim(&package.name, &package.files).map(|()| package))
                .and_then(|package| save(&package, packages))
                // The other workers find nothing more to do.
                .inspect_err(|_| next.store(work.len(), Ordering::Relaxed));
            package?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(PROGRESS_EVERY) || done == work.len() {
                progress(&format!("converted {done} of {} packages", work.len()));
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .try_for_each(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn save(package: &Package, dir: &Path) -> Result<(), Error> {
    let mut file = fs_err::File::create(dir.join(package.file_name()))?;
    package.write(&mut file)?;
    Ok(file.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::Node;

    #[test]
    fn a_path_has_one_owner() {
        let owners = Owners::default();
        let tree: Tree = [
            ("/a".to_owned(), Node::file(0o644, 0, Vec::new())),
            (
                "/d".to_owned(),
                Node {
                    mode: 0o700,
                    mtime: 0,
                    kind: Kind::Dir,
                },
            ),
        ]
        .into();
        owners.claim("one", &tree).unwrap();
        let error = owners.claim("two", &tree).unwrap_err().to_string();
        assert_eq!(
            error,
            "/a is in both one and two: drop it from one of them in the recipe"
        );
    }

    fn shipped() -> Recipe {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chroots/debian-12-x86_64.toml");
        Recipe::from_file(&path).unwrap()
    }

    #[test]
    fn what_is_made_is_not_made_again() {
        let recipe = shipped();
        let cache = tempfile::tempdir().unwrap();
        let place = cache.path().join(recipe.hash().unwrap());
        fs_err::create_dir(&place).unwrap();
        let repository = ensure(&recipe, cache.path(), &|line| panic!("{line}")).unwrap();
        assert_eq!(
            repository,
            Repository {
                hash: recipe.hash().unwrap(),
                repo_dir: place.join("repo")
            }
        );
    }

    #[test]
    fn another_release_and_slips_of_the_pen_are_refused() {
        let mut recipe = shipped();
        let index = apt::parse_index(
            "Package: base-files\nArchitecture: amd64\nVersion: 13.8\n",
            "amd64",
        );
        let error = check_release(&recipe, &index).unwrap_err().to_string();
        assert!(
            error.contains("bookworm, but apt offers base-files 13.8"),
            "{error}"
        );

        recipe.debian.packages = [("bahs".to_owned(), crate::recipe::Changes::default())].into();
        let error = check_changes(&recipe, &Closure::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, "apt has no package bahs, needed by the recipe's changes");
    }
}
