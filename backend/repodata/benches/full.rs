//! Metadata of 10 000 packages, from headers that are parsed already to finished files; and one package more or less
//! among them, where all files are written into memory as well.

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use repodata::{Buckets, Compression, Package, PackageFile, RepomdInfo, RepositoryBuilder, RpmFile};

const PACKAGES: usize = 10_000;

/// A package of 40 files and 10 changelog entries.
fn sample() -> RpmFile {
    let top = tempfile::tempdir().expect("temporary folder");
    let mut spec = String::from(
        "Name: sample\nVersion: 1\nRelease: 1\nSummary: A sample\nLicense: MIT\nBuildArch: noarch\nRequires: bash\n\
         %description\nA sample of a package.\n%install\nmkdir -p %{buildroot}/usr/share/sample\n\
         for i in $(seq 40); do echo $i > %{buildroot}/usr/share/sample/file-$i; done\n\
         %files\n/usr/share/sample\n%changelog\n",
    );
    for day in (1..=10).rev() {
        spec.push_str(&format!(
            "* Wed Jan {day:02} 2025 Somebody <s@example.org> - {day}\n- Changed line {day}\n"
        ));
    }
    let path = top.path().join("sample.spec");
    fs_err::write(&path, spec).expect("write the spec");
    let define = format!("_topdir {}", top.path().display());
    let built = Command::new("rpmbuild")
        .args(["-bb", "--define", &define])
        .arg(&path)
        .output();
    assert!(built.expect("run rpmbuild").status.success(), "rpmbuild failed");
    let bytes = fs_err::read(top.path().join("RPMS/noarch/sample-1-1.noarch.rpm")).expect("read the package");
    RpmFile::parse(&bytes, bytes.len() as u64).expect("parse the package")
}

fn describe(rpm: &RpmFile, number: usize) -> Package {
    let file = PackageFile {
        sha256_hex: format!("{number:064x}"),
        size: rpm.file_size(),
        mtime: 1,
        location_href: format!("Packages/sample-{number}.rpm"),
        location_base: None,
    };
    Package::from_rpm(rpm, file).expect("describe the package")
}

fn full(criterion: &mut Criterion) {
    let rpm = sample();
    let mut group = criterion.benchmark_group("full");
    group.sample_size(10);
    group.bench_function("fragments_10k", |bencher| {
        bencher.iter(|| {
            (0..PACKAGES)
                .map(|number| describe(&rpm, number).fragments().primary.len())
                .sum::<usize>()
        });
    });
    let fragments: Vec<_> = (0..PACKAGES)
        .map(|number| describe(&rpm, number).fragments())
        .collect();
    for (name, compression) in [("zstd_10k", Compression::Zstd), ("gzip_10k", Compression::Gzip)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut builder = RepositoryBuilder::new(compression);
                for one in &fragments {
                    builder.add(one).expect("add a package");
                }
                black_box(
                    builder
                        .finish(&RepomdInfo::default())
                        .expect("finish the repository"),
                )
            });
        });
    }
    group.finish();
}

fn change(criterion: &mut Criterion) {
    let rpm = sample();
    let fragments: Vec<_> = (0..=PACKAGES)
        .map(|number| describe(&rpm, number).fragments())
        .collect();
    let (new, old) = fragments.split_last().expect("packages");
    let mut store = HashMap::new();
    let mut whole = Buckets::new(Compression::Zstd).expect("an empty repository");
    let none: [&str; 0] = [];
    whole.change(&mut store, &none, old).expect("fill the repository");
    let middle = [old[PACKAGES / 2].pkgid.as_str()];
    let mut group = criterion.benchmark_group("change");
    group.sample_size(20);
    for (name, removed, added) in [
        ("append_one_to_10k", &none[..], std::slice::from_ref(new)),
        ("remove_one_from_10k", &middle[..], &[]),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || whole.clone(),
                |mut buckets| {
                    buckets.change(&mut store, removed, added).expect("change");
                    let mut files = Vec::with_capacity(16 << 20);
                    for plan in buckets.files() {
                        plan.write(&store, &mut files).expect("write");
                    }
                    black_box(files)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, full, change);
criterion_main!(benches);
