//! `repodata bench`: a whole generation beside `createrepo_c`'s, with processor time and peak memory of each, and what dnf
//! takes to load what they made.

use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use fs_err::File;
use repodata::forge::sample;
use repodata::read_repomd;

/// Ticks of `/proc` in a second, the same on all architectures of Linux.
const TICKS: u64 = 100;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What a program took.
struct Cost {
    wall: Duration,
    cpu: Duration,
    /// Largest resident set, in KiB.
    peak_kib: u64,
}

/// Makes that many packages and their metadata, and prints a line of JSON for each program: for this one, with one
/// process and the given number of times, and for each of `rivals`.
pub fn bench(packages: usize, rounds: usize, rivals: &[PathBuf]) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("repodata-bench-{}", std::process::id()));
    fs_err::create_dir(&folder)?;
    let result = run(&folder, packages, rounds, rivals);
    fs_err::remove_dir_all(&folder)?;
    result
}

fn run(folder: &Path, packages: usize, rounds: usize, rivals: &[PathBuf]) -> anyhow::Result<()> {
    make(folder, packages)?;
    for _ in 0..rounds.max(1) {
        let mut ours = Command::new(std::env::current_exe()?);
        let cost = measure(ours.arg("create").arg(folder))?;
        let Sizes {
            bytes,
            open,
            one_frame,
        } = sizes(folder)?;
        print("repodata create", packages, &cost, bytes);
        load(folder, "repodata create", packages)?;
        println!(
            "{{\"packages\": {packages}, \"program\": \"one frame for each file\", \"bytes\": {one_frame}, \
             \"open_bytes\": {open}}}"
        );
        for rival in rivals {
            let out = folder.join("rival");
            fs_err::create_dir_all(&out)?;
            let mut theirs = Command::new(rival);
            theirs.args(["--no-database", "--outputdir"]).arg(&out);
            theirs.arg("--workers").arg(threads().to_string());
            let cost = measure(theirs.arg(folder))?;
            print(
                &rival.display().to_string(),
                packages,
                &cost,
                listed(&out)?.iter().map(|(_, size)| size).sum(),
            );
            load(&out, &rival.display().to_string(), packages)?;
            fs_err::remove_dir_all(&out)?;
        }
    }
    Ok(())
}

/// What dnf takes to read a repository that it has never seen, file lists included; nothing where there is no dnf.
fn load(repository: &Path, program: &str, packages: usize) -> anyhow::Result<()> {
    if Command::new("dnf").arg("--version").output().is_err() {
        return Ok(());
    }
    let cache = repository.join("cache");
    let mut dnf = Command::new("dnf");
    dnf.arg("--quiet")
        .arg("--disableplugin=*")
        .arg(format!("--repofrompath=bench,file://{}", repository.display()))
        .args(["--repo=bench", "--releasever=1", "--setopt=bench.gpgcheck=0"])
        .arg(format!("--setopt=cachedir={}", cache.display()))
        .arg(format!("--setopt=logdir={}", cache.display()))
        .args(["repoquery", "--file", "/nowhere"]);
    let cost = measure(&mut dnf)?;
    fs_err::remove_dir_all(&cache)?;
    println!(
        "{{\"packages\": {packages}, \"program\": \"dnf loading what {program} made\", \"wall_ms\": {}, \"cpu_ms\": {}}}",
        cost.wall.as_millis(),
        cost.cpu.as_millis()
    );
    Ok(())
}

fn print(program: &str, packages: usize, cost: &Cost, bytes: u64) {
    println!(
        "{{\"packages\": {packages}, \"program\": \"{program}\", \"wall_ms\": {}, \"cpu_ms\": {}, \"peak_kib\": {}, \
         \"bytes\": {bytes}}}",
        cost.wall.as_millis(),
        cost.cpu.as_millis(),
        cost.peak_kib
    );
}

fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Packages of 40 files and ten changelog entries.
fn make(folder: &Path, packages: usize) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let one = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= packages {
            return io::Result::Ok(());
        }
        let below = folder.join(format!("{:03}", number / 1000));
        fs_err::create_dir_all(&below)?;
        fs_err::write(below.join(format!("{number:06}.rpm")), sample(number)?)?;
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads().get()).map(|_| scope.spawn(one)).collect();
        all.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result.map_err(Into::into),
            Err(_) => bail!("a thread that makes packages panicked"),
        })
    })
}

/// Runs a program to its end.
fn measure(command: &mut Command) -> anyhow::Result<Cost> {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let mut peak_kib = 0;
    loop {
        // A program that has ended and was not waited for yet has its times still, and no memory.
        let stat = fs_err::read_to_string(proc.join("stat"))?;
        let (_, stat) = stat.rsplit_once(')').context("a strange /proc/PID/stat")?;
        let fields: Vec<&str> = stat.split_whitespace().collect();
        if fields.first() == Some(&"Z") {
            let wall = begun.elapsed();
            let ticks = |n: usize| {
                fields
                    .get(n)
                    .and_then(|ticks| ticks.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            // Fields 14 and 15 of the line, of which two are cut off: user and system time.
            let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS);
            let status = child.wait()?;
            if !status.success() {
                bail!("{command:?} failed: {status}");
            }
            return Ok(Cost { wall, cpu, peak_kib });
        }
        let status = fs_err::read_to_string(proc.join("status"))?;
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let high = high.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(high.unwrap_or(0));
        std::thread::sleep(LOOK);
    }
}

/// The metadata files of a repository, with their sizes.
fn listed(folder: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let (_, records) = read_repomd(&fs_err::read_to_string(folder.join("repodata/repomd.xml"))?)?;
    Ok(records
        .into_iter()
        .map(|record| (folder.join(record.href), record.size))
        .collect())
}

/// Bytes of our files.
#[derive(Default)]
struct Sizes {
    bytes: u64,
    open: u64,
    /// If they were one frame each.
    one_frame: u64,
}

fn sizes(folder: &Path) -> anyhow::Result<Sizes> {
    let mut sizes = Sizes::default();
    for (path, size) in listed(folder)? {
        sizes.bytes += size;
        let open = zstd::Decoder::new(BufReader::new(File::open(path)?))?;
        let level = repodata::Compression::Zstd.default_level();
        let mut whole = zstd::Encoder::new(Count(0), level)?;
        sizes.open += io::copy(&mut BufReader::new(open), &mut whole)?;
        sizes.one_frame += whole.finish()?.0;
    }
    Ok(sizes)
}

/// Counts what is written.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
