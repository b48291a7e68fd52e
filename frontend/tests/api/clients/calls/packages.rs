//! Calls about packages of every type, and their builds.

use super::{CONFIG, Call, TOOLS, call};

const DONE: &str = "Create or edit operation was successful.";

pub const PACKAGES: &[Call] = &[
    call("alice create tools --chroot {one} --chroot {other}", 0, "", &[]),
    call(
        "alice add-package-scm tools --name scm --clone-url https://example.org/a.git --commit main --subdir rpm \
         --spec a.spec --type svn --method tito --webhook-rebuild on --max-builds 5 --timeout 300 \
         --chroot-denylist fedora-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/scm/source_type", "\"scm\""),
            (
                TOOLS,
                "/packages/scm/source/clone_url",
                "\"https://example.org/a.git\"",
            ),
            (TOOLS, "/packages/scm/source/committish", "\"main\""),
            (TOOLS, "/packages/scm/source/subdirectory", "\"rpm\""),
            (TOOLS, "/packages/scm/source/spec", "\"a.spec\""),
            (TOOLS, "/packages/scm/source/type", "\"svn\""),
            (TOOLS, "/packages/scm/source/srpm_build_method", "\"tito\""),
            (TOOLS, "/packages/scm/webhook_rebuild", "true"),
            (TOOLS, "/packages/scm/max_builds", "5"),
            (TOOLS, "/packages/scm/timeout", "300"),
            (TOOLS, "/packages/scm/chroot_denylist", "\"fedora-*\""),
        ],
    ),
    call(
        "alice edit-package-scm tools --name scm --clone-url https://example.org/b.git --commit next --subdir pkg \
         --spec b.spec --type git --method make_srpm --webhook-rebuild off --max-builds 6 --timeout 400 \
         --chroot-denylist debian-*",
        0,
        DONE,
        &[
            (
                TOOLS,
                "/packages/scm/source/clone_url",
                "\"https://example.org/b.git\"",
            ),
            (TOOLS, "/packages/scm/source/committish", "\"next\""),
            (TOOLS, "/packages/scm/source/subdirectory", "\"pkg\""),
            (TOOLS, "/packages/scm/source/spec", "\"b.spec\""),
            (TOOLS, "/packages/scm/source/type", "\"git\""),
            (TOOLS, "/packages/scm/source/srpm_build_method", "\"make_srpm\""),
            (TOOLS, "/packages/scm/webhook_rebuild", "false"),
            (TOOLS, "/packages/scm/max_builds", "6"),
            (TOOLS, "/packages/scm/timeout", "400"),
            (TOOLS, "/packages/scm/chroot_denylist", "\"debian-*\""),
        ],
    ),
    call(
        "alice add-package-pypi tools --name pypi --packagename requests --packageversion 1.0 --spec-generator pyp2spec \
         --pythonversions 3 --template fedora --webhook-rebuild on --max-builds 5 --timeout 300 \
         --chroot-denylist fedora-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/pypi/source/pypi_package_name", "\"requests\""),
            (TOOLS, "/packages/pypi/source/spec_template", "\"fedora\""),
        ],
    ),
    call(
        "alice edit-package-pypi tools --name pypi --packagename flask --packageversion 2.0 --spec-generator pyp2rpm \
         --pythonversions 3 2 --template mageia --webhook-rebuild off --max-builds 6 --timeout 400 \
         --chroot-denylist debian-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/pypi/source/pypi_package_name", "\"flask\""),
            (TOOLS, "/packages/pypi/source/pypi_package_version", "\"2.0\""),
            (TOOLS, "/packages/pypi/source/spec_generator", "\"pyp2rpm\""),
            (TOOLS, "/packages/pypi/source/spec_template", "\"mageia\""),
            (TOOLS, "/packages/pypi/source/python_versions", "[\"3\", \"2\"]"),
            (TOOLS, "/packages/pypi/max_builds", "6"),
            (TOOLS, "/packages/pypi/chroot_denylist", "\"debian-*\""),
        ],
    ),
    call(
        "alice add-package-rubygems tools --name gem --gem hello --webhook-rebuild on --max-builds 5 --timeout 300 \
         --chroot-denylist fedora-*",
        0,
        DONE,
        &[(TOOLS, "/packages/gem/source/gem_name", "\"hello\"")],
    ),
    call(
        "alice edit-package-rubygems tools --name gem --gem world --webhook-rebuild off --max-builds 6 --timeout 400 \
         --chroot-denylist debian-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/gem/source/gem_name", "\"world\""),
            (TOOLS, "/packages/gem/timeout", "400"),
        ],
    ),
    call(
        "alice add-package-distgit tools --name distgit --commit f43 --namespace @copr/copr --distgit fedora-copr \
         --webhook-rebuild on --max-builds 5 --timeout 300 --chroot-denylist fedora-*",
        0,
        DONE,
        &[(TOOLS, "/packages/distgit/source/namespace", "\"@copr/copr\"")],
    ),
    call(
        "alice edit-package-distgit tools --name distgit --commit f44 --namespace @copr/cli --distgit fedora-copr \
         --webhook-rebuild off --max-builds 6 --timeout 400 --chroot-denylist debian-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/distgit/source/namespace", "\"@copr/cli\""),
            (TOOLS, "/packages/distgit/source/committish", "\"f44\""),
            (TOOLS, "/packages/distgit/source/distgit", "\"fedora-copr\""),
        ],
    ),
    call(
        "alice add-package-custom tools --name custom --script {dir}/script --script-chroot {one} --script-builddeps git \
         --script-resultdir out --script-repos https://example.org/r/ --webhook-rebuild on --max-builds 5 --timeout 300 \
         --chroot-denylist fedora-*",
        0,
        DONE,
        &[(TOOLS, "/packages/custom/source/resultdir", "\"out\"")],
    ),
    call(
        "alice edit-package-custom tools --name custom --script {dir}/comps.xml --script-chroot {other} \
         --script-builddeps curl --script-resultdir in --script-repos https://example.org/s/ --webhook-rebuild off \
         --max-builds 6 --timeout 400 --chroot-denylist debian-*",
        0,
        DONE,
        &[
            (TOOLS, "/packages/custom/source/chroot", "\"{other}\""),
            (TOOLS, "/packages/custom/source/builddeps", "\"curl\""),
            (TOOLS, "/packages/custom/source/resultdir", "\"in\""),
            (
                TOOLS,
                "/packages/custom/source/repos",
                "\"https://example.org/s/\"",
            ),
        ],
    ),
    call(
        "alice build-package tools --name gem {options}",
        0,
        "Created builds: ",
        &[
            ("/build/{last}", "/state", "\"failed\""),
            ("/build/{last}", "/is_background", "true"),
            (CONFIG, "/source_type", "\"rubygems\""),
            (CONFIG, "/timeout", "300"),
        ],
    ),
    call("alice build tools {dir}/hello.src.rpm --nowait", 0, "", &[]),
    call(
        "alice build-package tools --name gem --nowait --after-build-id {last}",
        0,
        "Created builds: ",
        &[],
    ),
    call("alice build tools {dir}/hello.src.rpm --nowait", 0, "", &[]),
    call(
        "alice build-package tools --name gem --nowait --with-build-id {last}",
        0,
        "Created builds: ",
        &[],
    ),
    call(
        "alice list-packages tools --with-latest-build --with-latest-succeeded-build --with-all-builds \
         --output-format text",
        0,
        "name: gem\n",
        &[],
    ),
    call("alice list-package-names tools", 0, "distgit\n", &[]),
    call(
        "alice get-package tools --name gem --with-latest-build --with-latest-succeeded-build --with-all-builds \
         --output-format json",
        0,
        "\"latest_succeeded_build\": null",
        &[],
    ),
    call(
        "alice reset-package tools --name gem",
        0,
        "Package's default source was successfully reseted.",
        &[(TOOLS, "/packages/gem/source_type", "\"unset\"")],
    ),
    call(
        "alice delete-package tools --name gem",
        0,
        "Package gem was successfully deleted.",
        &[],
    ),
    call(
        "alice get-package tools --name gem",
        1,
        "No package with name gem",
        &[],
    ),
];
