//! Samples of every context: one that is full and hostile, and one that is as empty as it gets.

use super::*;

pub(crate) const HOSTILE: &str = "<b>hostile</b> \"'&";

pub(crate) fn moment() -> Moment {
    Moment {
        iso: "2026-11-21T02:35:41Z".to_owned(),
        full: "2026-11-21 02:35:41 UTC".to_owned(),
        ago: "3 min ago".to_owned(),
    }
}

pub(crate) fn head(may: bool) -> ProjectHead {
    ProjectHead {
        owner: "alice".to_owned(),
        name: "tools".to_owned(),
        path: "/coprs/alice/tools/".to_owned(),
        holder: may.then(|| "@sig".to_owned()),
        may_build: may,
        may_edit: may,
    }
}

fn project_line() -> ProjectLine {
    ProjectLine {
        owner: "alice".to_owned(),
        name: "tools".to_owned(),
        path: "/coprs/alice/tools/".to_owned(),
        description: HOSTILE.to_owned(),
        created: moment(),
    }
}

pub(crate) fn build_line(submitter: Option<&str>) -> BuildLine {
    BuildLine {
        id: 12,
        path: "/coprs/alice/tools/build/12/".to_owned(),
        project: "alice/tools".to_owned(),
        project_path: "/coprs/alice/tools/".to_owned(),
        package: HOSTILE.to_owned(),
        version: "1.0-1".to_owned(),
        state: "running".to_owned(),
        submitted: moment(),
        submitter: submitter.map(str::to_owned),
    }
}

fn link(href: bool) -> Link {
    Link {
        text: HOSTILE.to_owned(),
        href: href.then(|| "https://example.org/?a=1&b=\"".to_owned()),
    }
}

pub(crate) fn wrong() -> Field {
    Field {
        value: HOSTILE.to_owned(),
        error: Some(HOSTILE.to_owned()),
    }
}

fn choices() -> Vec<ChrootChoice> {
    vec![ChrootChoice {
        name: "debian-12-x86_64".to_owned(),
        description: HOSTILE.to_owned(),
        checked: true,
    }]
}

fn form() -> ProjectForm {
    ProjectForm {
        error: Some(HOSTILE.to_owned()),
        name: wrong(),
        chroots: choices(),
        chroots_error: Some(HOSTILE.to_owned()),
        description: wrong(),
        instructions: wrong(),
        homepage: wrong(),
        contact: wrong(),
        additional_repos: wrong(),
        runtime_dependencies: wrong(),
        packit_forge_projects_allowed: wrong(),
        repo_priority: wrong(),
        delete_after_days: wrong(),
        keep_snapshots: wrong(),
        keep_days: wrong(),
        build_pointer: wrong(),
        release_after_hours: wrong(),
        bootstrap: Choice {
            value: "on".to_owned(),
            options: &["default", "on"],
            error: Some(HOSTILE.to_owned()),
        },
        bootstrap_image: wrong(),
        isolation: Choice::default(),
        check_installs: Choice::default(),
        switches: vec![Switch {
            name: "enable_net",
            label: "Network",
            hint: "Off is better",
            checked: true,
        }],
    }
}

impl Home {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |projects, builds| Self {
            example_chroot: "debian-12-x86_64".to_owned(),
            projects,
            builds,
        };
        vec![
            of(vec![project_line()], vec![build_line(None)]),
            of(vec![], vec![]),
        ]
    }
}

pub(crate) fn quota_lines() -> Vec<QuotaLine> {
    let line = |limit: Option<&str>, full| QuotaLine {
        what: HOSTILE.to_owned(),
        used: HOSTILE.to_owned(),
        limit: limit.map(str::to_owned),
        full,
    };
    vec![line(None, false), line(Some(HOSTILE), true)]
}

pub(crate) fn heads() -> Vec<Head> {
    ["ascending", "descending", ""]
        .into_iter()
        .map(|sorted| Head {
            label: "Package",
            url: (!sorted.is_empty()).then(|| "?sort=package&page=1".to_owned()),
            sorted,
        })
        .collect()
}

impl Projects {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |yes: bool, projects| Self {
            title: HOSTILE.to_owned(),
            query: HOSTILE.to_owned(),
            searchable: yes,
            may_create: yes,
            groups: if yes { vec!["@sig".to_owned()] } else { vec![] },
            quota: if yes { quota_lines() } else { vec![] },
            sort: HOSTILE.to_owned(),
            heads: heads(),
            projects,
            nothing: HOSTILE.to_owned(),
            older: yes.then(|| "/coprs/?page=3".to_owned()),
            newer: yes.then(|| "/coprs/?page=1".to_owned()),
        };
        vec![of(true, vec![project_line()]), of(false, vec![])]
    }
}

impl Project {
    pub(crate) fn samples() -> Vec<Self> {
        let repo = Repo {
            name_release: "debian-12".to_owned(),
            arches: vec![Arch {
                name: "x86_64".to_owned(),
                url: "http://127.0.0.1:5082/results/alice/tools/debian-12-x86_64/".to_owned(),
            }],
            url: "http://127.0.0.1:5080/coprs/alice/tools/repo/debian-12/alice-tools.repo".to_owned(),
            file_name: "alice-tools.repo".to_owned(),
            command: "sudo dnf config-manager --add-repo …".to_owned(),
        };
        let of = |full: bool| Self {
            project: head(full),
            ready: full,
            troubles: Vec::new(),
            description: if full { HOSTILE } else { "" }.to_owned(),
            instructions: if full { HOSTILE } else { "" }.to_owned(),
            enable_copr: "sudo dnf copr enable 127.0.0.1/alice/tools".to_owned(),
            plugin_config: full.then(|| "[koper]".to_owned()),
            repos: if full {
                vec![repo.clone(), repo.clone()]
            } else {
                vec![]
            },
            packages: if full {
                let line = |latest| PackageLine {
                    name: HOSTILE.to_owned(),
                    latest,
                };
                vec![line(Some(build_line(None))), line(None)]
            } else {
                vec![]
            },
            more_packages: full,
            builds: if full {
                vec![build_line(Some(HOSTILE))]
            } else {
                vec![]
            },
            created: moment(),
            homepage: full.then(|| link(true)),
            contact: full.then(|| link(false)),
            repotag: ".kpr.alice_tools".to_owned(),
            enable_net: full,
            devel_mode: full,
            ends: full.then(moment),
            directories: if full {
                vec![DirectoryLine {
                    name: "tools:pr:1".to_owned(),
                    repos: vec![],
                    last_build: Some(moment()),
                    passing: true,
                }]
            } else {
                vec![]
            },
            export_url: "/api_3/project/export/alice/tools".to_owned(),
            key: full.then(|| Key {
                fingerprint: "ABCD 0123".to_owned(),
                algorithm: "rsa4096".to_owned(),
                url: "http://127.0.0.1:5082/results/alice/tools/pubkey.gpg".to_owned(),
            }),
        };
        let stuck = |full: bool| Self {
            troubles: [(true, false), (false, true), (false, false)]
                .map(|(set_up, given_up)| Trouble {
                    reason: HOSTILE.to_owned(),
                    set_up,
                    given_up,
                })
                .to_vec(),
            ..of(full)
        };
        vec![of(true), of(false), stuck(true), stuck(false)]
    }
}

impl ProjectNew {
    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self {
                owners: vec!["alice".to_owned(), "@sig".to_owned()],
                owner: "@sig".to_owned(),
                form: form(),
            },
            Self {
                owners: vec!["alice".to_owned()],
                owner: "alice".to_owned(),
                form: ProjectForm::default(),
            },
        ]
    }
}

impl ProjectEdit {
    pub(crate) fn samples() -> Vec<Self> {
        vec![Self {
            project: head(true),
            form: form(),
        }]
    }
}

impl ProjectDelete {
    pub(crate) fn samples() -> Vec<Self> {
        vec![Self {
            project: head(true),
            confirm: wrong(),
        }]
    }
}

impl Submit {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |wrong_input: bool| Self {
            project: head(true),
            error: wrong_input.then(|| HOSTILE.to_owned()),
            chroots: if wrong_input { choices() } else { vec![] },
            chroots_error: wrong_input.then(|| HOSTILE.to_owned()),
            file_error: wrong_input.then(|| HOSTILE.to_owned()),
            urls: if wrong_input { wrong() } else { Field::default() },
            scratch: wrong_input,
            pointer: if wrong_input { wrong() } else { Field::default() },
            commit: if wrong_input { wrong() } else { Field::default() },
            usual: "latest".to_owned(),
            max_upload: "4 GiB".to_owned(),
            cli: "copr-cli build tools hello-1.0-1.src.rpm".to_owned(),
        };
        vec![of(true), of(false)]
    }
}

impl Import {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |wrong_input: bool| Self {
            project: head(true),
            error: wrong_input.then(|| HOSTILE.to_owned()),
            chroots: if wrong_input { choices() } else { vec![] },
            chroots_error: wrong_input.then(|| HOSTILE.to_owned()),
            url: if wrong_input { wrong() } else { Field::default() },
            packages: if wrong_input { wrong() } else { Field::default() },
            gpgkey: if wrong_input { wrong() } else { Field::default() },
            file_error: wrong_input.then(|| HOSTILE.to_owned()),
            max_upload: "4 GiB".to_owned(),
            taken: wrong_input,
        };
        vec![of(true), of(false)]
    }
}

impl BuildDelete {
    pub(crate) fn samples() -> Vec<Self> {
        vec![Self {
            project: head(true),
            build: build_line(Some("alice")),
            running: true,
        }]
    }
}

impl Batches {
    pub(crate) fn samples() -> Vec<Self> {
        let batch = |depth: usize| BatchLine {
            id: 3,
            depth,
            state: "blocked",
            blocked_by: (depth > 0).then_some(2),
            hidden: depth,
            builds: vec![BatchMember {
                id: 12,
                path: "/coprs/alice/tools/build/12/".to_owned(),
                project: "alice/tools".to_owned(),
                package: HOSTILE.to_owned(),
                state: "pending".to_owned(),
            }],
        };
        vec![
            Self {
                batches: (0..6).map(batch).collect(),
            },
            Self { batches: vec![] },
        ]
    }
}

impl Builds {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |builds| Self {
            project: head(true),
            builds,
            filtered: true,
            package: HOSTILE.to_owned(),
            states: vec![StateChoice {
                name: "failed",
                chosen: true,
            }],
            sort: String::new(),
            heads: heads(),
            older: None,
            newer: Some("?page=1".to_owned()),
        };
        vec![of(vec![build_line(Some("alice"))]), of(vec![])]
    }
}

impl Monitor {
    pub(crate) fn samples() -> Vec<Self> {
        let cell = MonitorCell {
            id: 12,
            path: "/coprs/alice/tools/build/12/".to_owned(),
            state: "succeeded".to_owned(),
            version: "1.0-1".to_owned(),
        };
        let of = |packages| Self {
            project: head(true),
            query: HOSTILE.to_owned(),
            dir: "tools".to_owned(),
            chroots: vec!["debian-12-x86_64".to_owned(), "fedora-44-x86_64".to_owned()],
            sort: String::new(),
            heads: heads(),
            packages,
            older: Some("?page=3".to_owned()),
            newer: None,
        };
        let line = MonitorLine {
            name: HOSTILE.to_owned(),
            path: "/coprs/alice/tools/builds/?package=hello".to_owned(),
            cells: vec![Some(cell), None],
        };
        vec![of(vec![line]), of(vec![])]
    }
}

impl Build {
    pub(crate) fn samples() -> Vec<Self> {
        let task = |packages_fault: bool| TaskLine {
            title: "debian-12-x86_64".to_owned(),
            state: "failed".to_owned(),
            phase: "building".to_owned(),
            attempt: 2,
            started: Some(moment()),
            took: Some("41 s".to_owned()),
            failure: Some(TaskFailure {
                title: "The build ended with an error".to_owned(),
                message: HOSTILE.to_owned(),
                packages_fault,
            }),
            results_url: Some("http://127.0.0.1:5082/results/…".to_owned()),
            log_url: Some("http://127.0.0.1:5082/results/…".to_owned()),
        };
        let bare = TaskLine {
            state: "pending".to_owned(),
            phase: String::new(),
            attempt: 0,
            started: None,
            took: None,
            failure: None,
            results_url: None,
            log_url: None,
            ..task(true)
        };
        let of = |full: bool| Self {
            project: head(full),
            build: build_line(full.then_some("alice")),
            source: link(full),
            source_size: full.then(|| "12 KiB".to_owned()),
            promoted_from: full.then(|| link(full)),
            started: full.then(moment),
            ended: full.then(moment),
            took: full.then(|| "41 s".to_owned()),
            scratch: full,
            pointer: full.then(|| "candidate".to_owned()),
            commit: full.then(|| "ab".repeat(20)),
            by_commit: if full {
                vec![MiniRepository {
                    what: "commit abababababab".to_owned(),
                    chroot: "debian-12-x86_64".to_owned(),
                    repo_url: "http://127.0.0.1:5080/coprs/alice/tools/repo/debian-12/?commit=ab".to_owned(),
                    command: "sudo curl -o /etc/yum.repos.d/tools-ab.repo '…'".to_owned(),
                }]
            } else {
                Vec::new()
            },
            may_cancel: full,
            may_rebuild: full,
            may_delete: full,
            tasks: if full {
                vec![task(true), task(false)]
            } else {
                vec![bare.clone()]
            },
            results: if full {
                vec![ResultLine {
                    chroot: "debian-12-x86_64".to_owned(),
                    name: HOSTILE.to_owned(),
                    url: "http://127.0.0.1:5082/results/…".to_owned(),
                    size: "12 KiB".to_owned(),
                }]
            } else {
                vec![]
            },
            tests: if full {
                vec![test_line(true), test_line(false)]
            } else {
                Vec::new()
            },
            repositories: if full {
                vec![MiniRepository {
                    what: "build 12".to_owned(),
                    chroot: "debian-12-x86_64".to_owned(),
                    repo_url: "http://127.0.0.1:5080/coprs/alice/tools/repo/debian-12/?build=12".to_owned(),
                    command: "sudo curl -o /etc/yum.repos.d/build-12.repo '…'".to_owned(),
                }]
            } else {
                Vec::new()
            },
            logs: vec![LiveLog {
                title: "debian-12-x86_64".to_owned(),
                url: "/coprs/alice/tools/build/12/debian-12-x86_64/log".to_owned(),
                open: full,
            }],
        };
        vec![of(true), of(false)]
    }
}

impl SignIn {
    pub(crate) fn samples() -> Vec<Self> {
        vec![
            Self {
                expired: true,
                days: 14,
            },
            Self {
                expired: false,
                days: 14,
            },
        ]
    }
}

impl Failure {
    pub(crate) fn samples() -> Vec<Self> {
        let of = |sign_in| Self {
            status: "404 Not Found".to_owned(),
            title: HOSTILE.to_owned(),
            message: HOSTILE.to_owned(),
            advice: HOSTILE.to_owned(),
            sign_in,
        };
        vec![of(true), of(false)]
    }
}

pub(crate) fn test_line(passed: bool) -> TestLine {
    TestLine {
        passed,
        what: "build 12 in debian-12-x86_64".to_owned(),
        run: (!passed).then(|| link(true)),
        message: HOSTILE.to_owned(),
        actor: "alice".to_owned(),
        testcase: if passed { "" } else { "koper.installable" }.to_owned(),
        at: moment(),
        builds: passed.then(moment),
        users: None,
        planned: passed.then(moment),
        held: !passed,
    }
}
