//! A hundred small packages: signed through the signer as a publication does it, beside `rpmsign` and bare RSA.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use backend::Unsigned;
use repodata::RpmFile;
use storage::Storage;

use super::publish::scratch;
use super::start::project;
use super::{Figure, context, median, ms};
use crate::config::Config;

/// Packages that are signed at a time.
const PACKAGES: usize = 100;
/// Times that each program does it.
const ROUNDS: usize = 5;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let (pool, project) = project(config, "sign").await?;
    let context = context(config, &pool, &Storage::new(&config.s3)?)?;
    let folder = scratch()?;
    let packages = packages(&folder.0)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let home = gpg_home(&folder.0)?;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let unsigned = packages.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        backend::sign_packages(&context, &project, unsigned, (context.clock)())
            .await
            .map_err(|error| anyhow::anyhow!("signing: {error}"))?;
        ours.push(ms(begin));
        theirs.push(rpmsign(&home, &packages, &folder.0)?);
    }
    Figure {
        name: format!("{PACKAGES} small packages signed with RSA-4096, read and written included"),
        unit: "ms",
        ours: median(ours),
        peer: Some(median(theirs)),
        peer_is: "rpmsign --addsign with all of them, by gpg",
        limit: Some(bare(PACKAGES)?),
        limit_is: "that many bare RSA-4096 signatures by OpenSSL on all processors",
    }
    .print()
}

fn run_command(command: &mut Command, what: &str) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("running {what}"))?;
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One source package's many packages, of a file each.
fn packages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut spec = "Name: small\nVersion: 1\nRelease: 1\nSummary: Small\nLicense: MIT\nBuildArch: noarch\n%description\nSmall.\n\
                    %install\nmkdir -p %{buildroot}/usr/share/small\n"
        .to_owned();
    for n in 0..PACKAGES {
        spec.push_str(&format!("echo {n} > %{{buildroot}}/usr/share/small/{n}\n"));
    }
    for n in 0..PACKAGES {
        spec.push_str(&format!(
            "%package part{n}\nSummary: Part {n}\n%description part{n}\nPart.\n%files part{n}\n/usr/share/small/{n}\n"
        ));
    }
    let file = folder.join("small.spec");
    fs_err::write(&file, spec)?;
    let path = folder.display();
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild
        .args(["-bb", "--quiet", "--define"])
        .arg(format!("_topdir {path}/build"))
        .arg("--define")
        .arg(format!("_rpmdir {path}/rpms"))
        .arg(&file)
        .env("HOME", folder);
    run_command(&mut rpmbuild, "rpmbuild")?;
    let entries: Result<Vec<_>, _> = fs_err::read_dir(folder.join("rpms/noarch"))?.collect();
    let packages: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    if packages.len() != PACKAGES {
        bail!("rpmbuild made {} packages of {PACKAGES}", packages.len());
    }
    Ok(packages)
}

fn read(path: &Path) -> anyhow::Result<Unsigned> {
    let file = fs_err::File::open(path)?;
    let size = file.metadata()?.len();
    let rpm = RpmFile::read_headers(&mut std::io::BufReader::new(file), size)?;
    Ok(Unsigned {
        path: path.to_owned(),
        // Only the signer's log has it.
        sha256: "0".repeat(64),
        nevra: rpm.nevra()?.to_string(),
        rpm,
    })
}

/// A home of gpg with an RSA-4096 key.
fn gpg_home(folder: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder.join("gpg");
    fs_err::create_dir(&home)?;
    fs_err::set_permissions(&home, std::fs::Permissions::from_mode(0o700))?;
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir")
        .arg(&home)
        .args([
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "bench",
            "rsa4096",
            "sign",
        ])
        .stdin(Stdio::null());
    run_command(&mut gpg, "gpg")?;
    Ok(home)
}

/// Milliseconds that `rpmsign` takes for fresh copies of the packages.
fn rpmsign(home: &Path, packages: &[PathBuf], folder: &Path) -> anyhow::Result<f64> {
    let copies = folder.join("copies");
    fs_err::create_dir_all(&copies)?;
    let mut paths = Vec::new();
    for package in packages {
        let copy = copies.join(package.file_name().unwrap_or_default());
        fs_err::copy(package, &copy)?;
        paths.push(copy);
    }
    let mut rpmsign = Command::new("rpmsign");
    rpmsign
        // Not every distribution says where gpg is.
        .args([
            "--addsign",
            "--define",
            "__gpg /usr/bin/gpg",
            "--define",
            "_gpg_name bench",
            "--define",
        ])
        .arg(format!("_gpg_path {}", home.display()))
        .args(paths);
    let begin = Instant::now();
    run_command(&mut rpmsign, "rpmsign")?;
    Ok(ms(begin))
}

/// Milliseconds that OpenSSL needs for `count` signatures, by its own speed test.
fn bare(count: usize) -> anyhow::Result<f64> {
    let processors = std::thread::available_parallelism()?.to_string();
    let mut openssl = Command::new("openssl");
    openssl.args(["speed", "-seconds", "3", "-multi", &processors, "rsa4096"]);
    let printed = run_command(&mut openssl, "openssl speed")?;
    // rsa 4096 bits 0.001775s 0.000028s    563.4  35250.1
    let rate = printed
        .lines()
        .find(|line| line.starts_with("rsa 4096 bits"))
        .and_then(|line| line.split_whitespace().nth(5))
        .and_then(|rate| rate.parse::<f64>().ok())
        .with_context(|| format!("no rate of RSA-4096 in what openssl printed:\n{printed}"))?;
    Ok(count as f64 * 1e3 / rate)
}
