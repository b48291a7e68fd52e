//! Calls about projects, their chroots, roles, and whatever is about no project.

use super::{Call, TOOLS, call};

const TOOLS_CHROOT: &str = "/project-chroot?ownername=alice&projectname=tools&chrootname={one}";
const KEPT: &str = "/project/export/root/kept/json";

pub const PROJECTS: &[Call] = &[
    call("alice --version", 0, "copr version", &[]),
    call("alice whoami", 0, "alice", &[]),
    call(
        "alice --debug --no-color whoami",
        0,
        "!#  Debug log enabled  #",
        &[],
    ),
    call("alice list-chroots", 0, "{one}", &[]),
    call(
        "alice create tools --chroot {one} --chroot {other} --initial-pkgs https://example.org/a-1-1.src.rpm \
         --description Some~words --instructions Do~this --disable_createrepo true --enable-net on --unlisted-on-hp on \
         --auto-prune on --isolation simple --bootstrap image --delete-after-days 30 --module-hotfixes on --multilib on \
         --fedora-review --appstream on --follow-fedora-branching off --repo-priority 7 --repo https://example.org/r/ \
         --runtime-repo-dependency https://example.org/d/ --packit-forge-project-allowed github.com/packit/ogr",
        0,
        "New project was successfully created: http",
        &[
            (TOOLS, "/settings/description", "\"Some words\""),
            (TOOLS, "/settings/instructions", "\"Do this\""),
            (TOOLS, "/settings/devel_mode", "true"),
            (TOOLS, "/settings/enable_net", "true"),
            (TOOLS, "/settings/unlisted_on_hp", "true"),
            (TOOLS, "/settings/auto_prune", "true"),
            (TOOLS, "/settings/isolation", "\"simple\""),
            (TOOLS, "/settings/bootstrap", "\"image\""),
            (TOOLS, "/settings/module_hotfixes", "true"),
            (TOOLS, "/settings/multilib", "true"),
            (TOOLS, "/settings/fedora_review", "true"),
            (TOOLS, "/settings/appstream", "true"),
            (TOOLS, "/settings/follow_fedora_branching", "false"),
            (TOOLS, "/settings/repo_priority", "7"),
            (
                TOOLS,
                "/settings/additional_repos",
                "[\"https://example.org/r/\"]",
            ),
            (
                TOOLS,
                "/settings/runtime_dependencies",
                "[\"https://example.org/d/\"]",
            ),
            (
                TOOLS,
                "/settings/packit_forge_projects_allowed",
                "[\"github.com/packit/ogr\"]",
            ),
        ],
    ),
    call(
        "alice create kept --chroot {one} --persistent",
        7,
        "persistent projects",
        &[],
    ),
    call(
        "alice create kept --chroot {one} --auto-prune off",
        7,
        "auto",
        &[],
    ),
    call(
        "root create kept --chroot {one} --persistent --auto-prune off --storage backend",
        0,
        "New project was successfully created",
        &[
            ("/project?ownername=root&projectname=kept", "/persistent", "true"),
            (
                "/project?ownername=root&projectname=kept",
                "/storage",
                "\"backend\"",
            ),
            (KEPT, "/settings/auto_prune", "false"),
        ],
    ),
    call(
        "root modify kept --chroot {other} --description Other --instructions Else --disable_createrepo true \
         --enable-net on --unlisted-on-hp on --auto-prune on --isolation nspawn --bootstrap off --delete-after-days -1 \
         --module-hotfixes on --multilib on --fedora-review on --appstream on --follow-fedora-branching off \
         --repo-priority 9 --repo https://example.org/r/ --runtime-repo-dependency https://example.org/d/ \
         --packit-forge-project-allowed github.com/packit/ogr",
        0,
        "",
        &[
            (KEPT, "/chroots/{other}/comps_sha256", "null"),
            (KEPT, "/settings/description", "\"Other\""),
            (KEPT, "/settings/instructions", "\"Else\""),
            (KEPT, "/settings/devel_mode", "true"),
            (KEPT, "/settings/enable_net", "true"),
            (KEPT, "/settings/unlisted_on_hp", "true"),
            (KEPT, "/settings/auto_prune", "true"),
            (KEPT, "/settings/isolation", "\"nspawn\""),
            (KEPT, "/settings/bootstrap", "\"off\""),
            (KEPT, "/settings/module_hotfixes", "true"),
            (KEPT, "/settings/multilib", "true"),
            (KEPT, "/settings/fedora_review", "true"),
            (KEPT, "/settings/appstream", "true"),
            (KEPT, "/settings/follow_fedora_branching", "false"),
            (KEPT, "/settings/repo_priority", "9"),
            (KEPT, "/settings/additional_repos", "[\"https://example.org/r/\"]"),
            (
                KEPT,
                "/settings/runtime_dependencies",
                "[\"https://example.org/d/\"]",
            ),
            (
                KEPT,
                "/settings/packit_forge_projects_allowed",
                "[\"github.com/packit/ogr\"]",
            ),
        ],
    ),
    call("alice get tools", 0, "Some words", &[]),
    call("alice list root", 0, "Name: kept", &[]),
    call("alice new-webhook-secret tools", 0, "Generated new token: ", &[]),
    call(
        "alice edit-chroot tools/{one} --upload-comps {dir}/comps.xml --packages gcc~make \
         --repos https://example.org/c/ --modules nodejs:18 --rpmbuild-with docs --rpmbuild-without gui \
         --isolation simple --bootstrap-image registry.example.org/image:1",
        0,
        "Edit chroot operation was successful.",
        &[
            (TOOLS_CHROOT, "/comps_name", "\"comps.xml\""),
            (TOOLS_CHROOT, "/additional_packages", "[\"gcc\", \"make\"]"),
            (TOOLS_CHROOT, "/additional_repos", "[\"https://example.org/c/\"]"),
            (TOOLS_CHROOT, "/additional_modules", "[\"nodejs:18\"]"),
            (TOOLS_CHROOT, "/with_opts", "[\"docs\"]"),
            (TOOLS_CHROOT, "/without_opts", "[\"gui\"]"),
            (TOOLS_CHROOT, "/isolation", "\"simple\""),
            (TOOLS, "/chroots/{one}/settings/bootstrap", "\"custom_image\""),
        ],
    ),
    call(
        "alice mock-config tools {one}",
        0,
        "config_opts['bootstrap_image'] = \"registry.example.org/image:1\"",
        &[],
    ),
    call(
        "alice edit-chroot tools/{one} --delete-comps --bootstrap off --reset with_opts",
        0,
        "Edit chroot operation was successful.",
        &[
            (TOOLS_CHROOT, "/comps_name", "null"),
            (TOOLS_CHROOT, "/with_opts", "[]"),
            (TOOLS, "/chroots/{one}/settings/bootstrap", "\"off\""),
        ],
    ),
    call(
        "alice get-chroot tools/{one} --output-format text",
        0,
        "without_opts: ['gui']",
        &[],
    ),
    call(
        "bob request-permissions alice/tools --admin --builder",
        0,
        "success",
        &[],
    ),
    call(
        "alice list-permissions tools",
        0,
        "bob:\n  admin: request\n  builder: request\n",
        &[],
    ),
    call(
        "alice edit-permissions tools --admin bob=nothing --builder bob",
        0,
        "success",
        &[(
            "/project/permissions/can_build_in/bob/alice/tools",
            "/can_build_in",
            "true",
        )],
    ),
    call(
        "bob fork alice/tools mine",
        0,
        "Forking project alice/tools for you into bob/mine.",
        &[(
            "/project?ownername=bob&projectname=mine",
            "/description",
            "\"Some words\"",
        )],
    ),
    call(
        "bob fork alice/tools mine --confirm",
        0,
        "Updating packages in bob/mine",
        &[],
    ),
    call(
        "alice regenerate-repos tools",
        0,
        "Submitted action to regenerate repository metadata",
        &[],
    ),
    call(
        "alice delete tools",
        0,
        "Project tools has been deleted.",
        &[("/project/list?ownername=alice", "/items", "[]")],
    ),
    call("alice list", 0, "!No copr retrieved for user: 'alice'", &[]),
    // The file is given the new token, which the last call uses.
    call("alice new-api-token", 0, "New API token was updated in", &[]),
    call(
        "alice create again --chroot {one}",
        0,
        "New project was successfully created",
        &[],
    ),
];
