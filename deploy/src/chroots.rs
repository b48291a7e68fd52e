//! Chroot definitions: from files into the database, and the distribution that this machine makes itself into the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use debian_chroot::ChrootFile;
use debian_chroot::recipe::Recipe;
use protocol::{
    BuildRoot, ChrootDefinition, ChrootName, MetadataCompression, PackageManager, RepositorySource,
};
use storage::{DistroCurrent, Storage, StorageKey};

use crate::config::Config;

/// Where the definitions are that come with the program: beside the sources, or below `/usr/share`.
pub fn shipped() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("chroots");
    if source.is_dir() {
        source
    } else {
        PathBuf::from("/usr/share/koper/chroots")
    }
}

/// Applies migrations and loads the chroot definitions.
///
/// # Errors
/// With a sentence for the administrator.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    db::migrate(&config.database.url)
        .await
        .context("migrating the database")?;
    let pool = config.pool()?;
    let mut conn = pool.get().await.context("reaching the database")?;
    for file in debian_chroot::load_dir(&config.up.chroots).context("reading chroot definitions")? {
        let chroot = convert(&file)?;
        db::chroots::upsert(&mut conn, &chroot)
            .await
            .with_context(|| format!("storing the chroot {}", file.name))?;
    }
    Ok(())
}

fn convert(file: &ChrootFile) -> anyhow::Result<db::chroots::Chroot> {
    let mut repos = Vec::new();
    for repo in &file.repos {
        repos.push(RepositorySource {
            id: repo.id.clone(),
            name: repo.name.clone(),
            baseurl: repo.baseurl.clone(),
            metalink: repo.metalink.clone(),
            mirrorlist: repo.mirrorlist.clone(),
            gpgkey: repo.gpgkey.clone(),
            gpgcheck: repo.gpgcheck,
            repo_gpgcheck: false,
            priority: None,
        });
    }
    let definition = ChrootDefinition {
        name: file
            .name
            .parse()
            .with_context(|| format!("the chroot {}", file.name))?,
        dist: file.dist.clone(),
        package_manager: match file.package_manager {
            debian_chroot::chroot_file::PackageManager::Dnf => PackageManager::Dnf,
            debian_chroot::chroot_file::PackageManager::Dnf5 => PackageManager::Dnf5,
            debian_chroot::chroot_file::PackageManager::Zypper => PackageManager::Zypper,
        },
        metadata_compression: match file.metadata_compression {
            debian_chroot::chroot_file::MetadataCompression::Zstd => MetadataCompression::Zstd,
            debian_chroot::chroot_file::MetadataCompression::Zchunk => MetadataCompression::Zchunk,
            debian_chroot::chroot_file::MetadataCompression::Gzip => MetadataCompression::Gzip,
        },
        buildroot: BuildRoot {
            packages: file.buildroot.packages.clone(),
        },
        repos,
    };
    Ok(db::chroots::Chroot {
        definition,
        description: file.description.clone(),
        active: file.active,
    })
}

/// Makes the distributions that active chroots take from this machine, and puts them into the store.
///
/// # Errors
/// With a sentence for the administrator.
pub async fn make_distributions(config: &Config, storage: &Storage) -> anyhow::Result<()> {
    for file in debian_chroot::load_dir(&config.up.chroots).context("reading chroot definitions")? {
        if let Some(recipe) = Recipe::from_chroot(&file).filter(|_| file.active) {
            let name: ChrootName = file
                .name
                .parse()
                .with_context(|| format!("the chroot {}", file.name))?;
            make_distribution(config, storage, &name, recipe)
                .await
                .with_context(|| format!("making {name}"))?;
        }
    }
    Ok(())
}

async fn make_distribution(
    config: &Config,
    storage: &Storage,
    chroot: &ChrootName,
    recipe: Recipe,
) -> anyhow::Result<()> {
    let hash = recipe.hash().context("the recipe")?;
    let current = StorageKey::DistroCurrent {
        chroot: chroot.clone(),
    };
    let stored: Option<DistroCurrent> = storage
        .get_json(&current, 4096)
        .await
        .context("asking the store")?;
    if stored.is_some_and(|s| s.hash.as_str() == hash) {
        return Ok(());
    }
    let cache = distribution_cache(config, chroot);
    fs_err::create_dir_all(&cache)?;
    let made = tokio::task::spawn_blocking(move || {
        debian_chroot::ensure(&recipe, &cache, &|line| println!("koper: {line}"))
    })
    .await
    .context("a worker thread failed")??;
    println!("koper: {chroot}: storing the repository");
    let hash = made.hash.parse().context("the recipe's hash")?;
    upload(storage, chroot, &hash, made.repo_dir).await?;
    storage
        .put_json(&current, &DistroCurrent { hash })
        .await
        .context("naming the stored repository")?;
    Ok(())
}

fn distribution_cache(config: &Config, chroot: &ChrootName) -> PathBuf {
    // Tests share one cache: it only holds what apt would fetch again.
    std::env::var_os("KOPER_DISTRO_CACHE")
        .map_or_else(|| config.data.join("chroots"), PathBuf::from)
        .join(chroot.as_str())
}

async fn upload(
    storage: &Storage,
    chroot: &ChrootName,
    hash: &protocol::FileName,
    dir: PathBuf,
) -> anyhow::Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![dir.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path())
            } else {
                files.push(entry.path())
            }
        }
    }
    let limit = Arc::new(tokio::sync::Semaphore::new(8));
    let mut uploads = tokio::task::JoinSet::new();
    for file in files {
        let relative = file
            .strip_prefix(&dir)
            .context("a file of the repository")?
            .to_string_lossy()
            .into_owned();
        let path = relative.parse().with_context(|| format!("the file {relative}"))?;
        let key = StorageKey::Distro {
            chroot: chroot.clone(),
            hash: hash.clone(),
            path,
        };
        let (storage, limit) = (storage.clone(), limit.clone());
        uploads.spawn(async move {
            let _turn = limit.acquire_owned().await;
            storage.put_file(&key, &file).await
        });
    }
    while let Some(done) = uploads.join_next().await {
        done.context("a worker failed")?
            .context("storing the repository")?;
    }
    Ok(())
}
