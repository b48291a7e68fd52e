//! Calls about builds of every kind.

use super::{CONFIG, Call, call};

pub const BUILDS: &[Call] = &[
    call("alice create tools --chroot {one} --chroot {other}", 0, "", &[]),
    call(
        "alice build tools {dir}/hello.src.rpm --nowait",
        0,
        "Created builds: ",
        &[("/build/{last}", "/chroots", "[\"{one}\", \"{other}\"]")],
    ),
    call(
        "alice build tools {dir}/hello.src.rpm {options} --after-build-id {first}",
        0,
        "Uploading package",
        &[
            ("/build/{last}", "/state", "\"pending\""),
            ("/build/{last}", "/chroots", "[\"{one}\"]"),
            ("/build/{last}", "/is_background", "true"),
            (CONFIG, "/timeout", "300"),
            (
                "/build-chroot/build-config?build_id={last}&chrootname={one}",
                "/enable_net",
                "true",
            ),
            (
                "/build-chroot/build-config?build_id={last}&chrootname={one}",
                "/isolation",
                "\"simple\"",
            ),
            (
                "/build-chroot/build-config?build_id={last}&chrootname={one}",
                "/bootstrap",
                "\"on\"",
            ),
        ],
    ),
    call(
        "alice build tools https://example.org/a-1-1.src.rpm --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[("/build/{last}", "/state", "\"pending\"")],
    ),
    call(
        "alice uploadrpm tools {dir}/hello.noarch.rpm {options}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"rpm_upload\""),
            ("/build/{last}", "/is_background", "true"),
        ],
    ),
    call(
        "alice uploadrpm tools {dir}/hello.noarch.rpm --nowait --chroot {one} --with-build-id {first}",
        1,
        "cannot be part of a batch",
        &[],
    ),
    call(
        "alice uploadrpm tools {dir}/hello.noarch.rpm --nowait --chroot {one} --after-build-id {first}",
        1,
        "cannot be part of a batch",
        &[],
    ),
    call(
        "alice buildpypi tools --packagename requests --packageversion 2.0 --spec-generator pyp2rpm --template fedora \
         --pythonversions 3 {options} --after-build-id {first}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"pypi\""),
            (CONFIG, "/timeout", "300"),
            (CONFIG, "/source_dict/pypi_package_name", "\"requests\""),
            (CONFIG, "/source_dict/pypi_package_version", "\"2.0\""),
            (CONFIG, "/source_dict/spec_generator", "\"pyp2rpm\""),
            (CONFIG, "/source_dict/spec_template", "\"fedora\""),
            (CONFIG, "/source_dict/python_versions", "[\"3\"]"),
        ],
    ),
    call(
        "alice buildpypi tools --packagename requests --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[],
    ),
    // A matter of copr-cli alone, which wants one more library for it.
    call(
        "alice buildpypi tools --packagename requests --chroot {one} --with-deps",
        3,
        "requires the coprtree library",
        &[],
    ),
    call(
        "alice buildgem tools --gem rails {options} --after-build-id {first}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"rubygems\""),
            (CONFIG, "/source_dict/gem_name", "\"rails\""),
        ],
    ),
    call(
        "alice buildgem tools --gem rails --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[],
    ),
    call(
        "alice buildcustom tools --script {dir}/script --script-chroot {one} --script-builddeps git~curl \
         --script-resultdir out --script-repos https://example.org/r/ {options} --after-build-id {first}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"custom\""),
            (CONFIG, "/source_dict/script", "\"#!/bin/sh\\ntrue\\n\""),
            (CONFIG, "/source_dict/chroot", "\"{one}\""),
            (CONFIG, "/source_dict/builddeps", "\"git curl\""),
            (CONFIG, "/source_dict/resultdir", "\"out\""),
            (CONFIG, "/source_dict/repos", "\"https://example.org/r/\""),
        ],
    ),
    call(
        "alice buildcustom tools --script {dir}/script --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[],
    ),
    call(
        "alice buildscm tools --clone-url https://example.org/hello.git --commit main --subdir rpm --spec hello.spec \
         --type svn --method tito {options} --after-build-id {first}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"scm\""),
            (
                CONFIG,
                "/source_dict/clone_url",
                "\"https://example.org/hello.git\"",
            ),
            (CONFIG, "/source_dict/committish", "\"main\""),
            (CONFIG, "/source_dict/subdirectory", "\"rpm\""),
            (CONFIG, "/source_dict/spec", "\"hello.spec\""),
            (CONFIG, "/source_dict/type", "\"svn\""),
            (CONFIG, "/source_dict/srpm_build_method", "\"tito\""),
        ],
    ),
    call(
        "alice buildscm tools --clone-url https://example.org/hello.git --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[],
    ),
    call(
        "alice build-distgit tools --name hello --commit f44 --namespace @copr/copr --distgit fedora-copr {options} \
         --after-build-id {first}",
        0,
        "Created builds: ",
        &[
            (CONFIG, "/source_type", "\"distgit\""),
            (CONFIG, "/source_dict/distgit", "\"fedora-copr\""),
            (CONFIG, "/source_dict/namespace", "\"@copr/copr\""),
            (CONFIG, "/source_dict/committish", "\"f44\""),
        ],
    ),
    call(
        "alice build-distgit tools --name hello --nowait --with-build-id {first}",
        0,
        "Created builds: ",
        &[],
    ),
    // It waits, and is told that no machine makes source packages yet.
    call(
        "alice buildgem tools --gem rails",
        4,
        "Build error: Build(s) ",
        &[("/build/{last}", "/state", "\"failed\"")],
    ),
    call("alice status {last}", 0, "failed", &[]),
    call("alice watch-build {last}", 4, "Build(s) {last} failed.", &[]),
    call("alice list-builds tools", 0, "{first}\thello\tpending\n", &[]),
    call(
        "alice list-builds tools --output-format text",
        0,
        "id: {first}\n",
        &[],
    ),
    call(
        "alice monitor tools --dirname tools --output-format text --fields name,chroot,state",
        0,
        "name: hello\nchroot: {one}\n",
        &[],
    ),
    // No builder has begun with it; with results: downloads.rs.
    call(
        "alice download-build {first} --dest {dir} --chroot {one} --rpms --spec --review --logs",
        0,
        "!No data for build id: {first} and chroot: {one}.",
        &[],
    ),
    call(
        "alice cancel {first}",
        0,
        "canceled",
        &[("/build/{first}", "/state", "\"canceled\"")],
    ),
    call(
        "alice delete-build {first}",
        0,
        "Build(s) {first} were deleted.",
        &[],
    ),
    call("alice status {first}", 1, "does not exist", &[]),
];
