//! Tables, as the migrations make them.

diesel::table! { users (id) { id -> BigInt, name -> Text, is_admin -> Bool, created_at -> Timestamptz, } }
diesel::table! {
    api_tokens (id) {
        id -> BigInt, user_id -> BigInt, login -> Text, token_sha256 -> Text, created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>, last_used_at -> Nullable<Timestamptz>, name -> Text, scope -> Nullable<Jsonb>,
    }
}
diesel::table! {
    login_links (token_sha256) { token_sha256 -> Text, user_id -> BigInt, expires_at -> Timestamptz, used_at -> Nullable<Timestamptz>, }
}
diesel::table! {
    sessions (token_sha256) { token_sha256 -> Text, user_id -> BigInt, csrf_token -> Text, created_at -> Timestamptz, expires_at -> Timestamptz, }
}
diesel::table! { chroots (name) { name -> Text, description -> Text, active -> Bool, definition -> Jsonb, } }
diesel::table! {
    projects (id) {
        id -> BigInt, owner -> Text, name -> Text, created_by -> BigInt, created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>, settings -> Jsonb, repotag -> Text, key_id -> Text,
        public_key -> Nullable<Jsonb>, ready_at -> Nullable<Timestamptz>, setup_error -> Nullable<Text>,
        holder -> Text, webhook_secret -> Text, webhook_hmac_key -> Nullable<Text>,
        delete_at -> Nullable<Timestamptz>, forked_from -> Nullable<BigInt>,
    }
}
diesel::table! {
    project_chroots (project_id, chroot) {
        project_id -> BigInt, chroot -> Text, enabled -> Bool, settings -> Jsonb, comps_name -> Nullable<Text>,
        comps_sha256 -> Nullable<Text>, disabled_at -> Nullable<Timestamptz>,
    }
}
diesel::table! { groups (id) { id -> BigInt, name -> Text, description -> Text, created_at -> Timestamptz, } }
diesel::table! { group_members (group_id, user_id) { group_id -> BigInt, user_id -> BigInt, role -> Text, } }
diesel::table! {
    project_permissions (project_id, user_id) { project_id -> BigInt, user_id -> BigInt, builder -> SmallInt, admin -> SmallInt, }
}
diesel::table! {
    directories (project_id, name) {
        project_id -> BigInt, name -> Text, created_at -> Timestamptz, last_build_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    packages (id) {
        id -> BigInt, project_id -> BigInt, name -> Text, source_type -> Text, source -> Jsonb, webhook_rebuild -> Bool,
        max_builds -> Integer, timeout_s -> Nullable<Integer>, chroot_denylist -> Text,
    }
}
diesel::table! { batches (id) { id -> BigInt, blocked_by -> Nullable<BigInt>, } }
diesel::table! {
    webhook_deliveries (id) {
        id -> BigInt, project_id -> BigInt, at -> Timestamptz, kind -> Text, package -> Nullable<Text>,
        dirname -> Nullable<Text>, forge_id -> Nullable<Text>, event -> Nullable<Text>, headers -> Jsonb, body -> Binary,
        status -> Integer, decision -> Jsonb, builds -> Array<BigInt>, redelivery_of -> Nullable<BigInt>,
    }
}
diesel::table! {
    outbox (id) {
        id -> BigInt, at -> Timestamptz, topic -> Text, message_id -> Text, body -> Jsonb, sent_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    quotas (owner) {
        owner -> Text, concurrent_builds -> Nullable<Integer>, queued_builds -> Nullable<Integer>,
        cpu_seconds -> Nullable<BigInt>, stored_bytes -> Nullable<BigInt>, served_bytes -> Nullable<BigInt>,
        machine_cpus -> Integer,
    }
}
diesel::table! { usage (owner, day) { owner -> Text, day -> Date, cpu_seconds -> BigInt, served_bytes -> BigInt, } }
diesel::table! {
    repositories (id) {
        id -> BigInt, project_id -> BigInt, dirname -> Text, chroot -> Text, current_snapshot -> BigInt,
        generation -> BigInt, next_snapshot -> BigInt, devel_snapshot -> BigInt, released_snapshot -> BigInt,
        looked_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    builds (id) {
        id -> BigInt, project_id -> BigInt, dirname -> Text, submitter -> Nullable<BigInt>, source_kind -> Text,
        source_url -> Nullable<Text>, srpm_sha256 -> Nullable<Text>, srpm_name -> Nullable<Text>,
        srpm_size -> Nullable<BigInt>, package_name -> Nullable<Text>, package_version -> Nullable<Text>,
        submitted_at -> Timestamptz, canceled_at -> Nullable<Timestamptz>, options -> Jsonb,
        source -> Jsonb, package_id -> Nullable<BigInt>, batch_id -> Nullable<BigInt>, scratch -> Bool, state -> Text,
        started_at -> Nullable<Timestamptz>, ended_at -> Nullable<Timestamptz>, chroots -> Array<Text>,
        chroot_states -> Array<Text>,
        forked_from -> Nullable<BigInt>, promoted_from -> Nullable<Jsonb>, commit -> Nullable<Text>,
    }
}
diesel::table! {
    removed_builds (build) {
        build -> BigInt, project_id -> BigInt, dirname -> Text, package -> Nullable<Text>, chroots -> Array<Text>,
        repositories -> Array<BigInt>, tasks -> Array<BigInt>,
    }
}
diesel::table! {
    tasks (id) {
        id -> BigInt, build_id -> BigInt, kind -> Text, chroot -> Nullable<Text>, state -> Text, priority -> Integer,
        attempt -> Integer, max_attempts -> Integer, not_before -> Nullable<Timestamptz>,
        lease_expires_at -> Nullable<Timestamptz>, builder -> Nullable<Text>, phase -> Nullable<Text>,
        cancel_requested -> Bool, created_at -> Timestamptz, started_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>, failure_kind -> Nullable<Text>, failure_message -> Nullable<Text>,
        manifest -> Nullable<Jsonb>, boot_ms -> Nullable<BigInt>, result_dir -> Nullable<Text>, held -> Bool,
    }
}
diesel::table! { log_chunks (task_id, attempt, start) { task_id -> BigInt, attempt -> Integer, start -> BigInt, bytes -> Binary, } }
diesel::table! {
    rpms (id) {
        id -> BigInt, repository_id -> BigInt, task_id -> Nullable<BigInt>, name -> Text, epoch -> Integer, version -> Text,
        release -> Text, arch -> Text, file_name -> Text, sha256 -> Text, unsigned_sha256 -> Text, size -> BigInt,
        since_snapshot -> Nullable<BigInt>, primary_xml -> Binary, filelists_xml -> Binary, other_xml -> Binary,
        scratch -> Bool, replaced_by -> Nullable<BigInt>, orphaned_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    package_software (unsigned_sha256) { unsigned_sha256 -> Text, components -> Binary, claimed_at -> Timestamptz, }
}
diesel::table! {
    imported_metadata (repository_id, kind) {
        repository_id -> BigInt, kind -> Text, sha256 -> Text, url -> Text, build_id -> BigInt,
    }
}
diesel::table! {
    loose_blobs (sha256) { sha256 -> Text, since -> Nullable<Timestamptz>, deleting_at -> Nullable<Timestamptz>, }
}
diesel::table! { removed_packages (id) { id -> BigInt, } }
diesel::table! {
    doomed_objects (repository_id, path) {
        repository_id -> BigInt, path -> Text, since -> Timestamptz, deleting_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    project_keys (project_id, number) { project_id -> BigInt, number -> Integer, fingerprint -> Text, public -> Jsonb, }
}
diesel::table! { fresh_signatures (rpm_id) { rpm_id -> BigInt, repository_id -> BigInt, } }
diesel::table! {
    snapshots (repository_id, number) {
        repository_id -> BigInt, number -> BigInt, parent -> BigInt, created_at -> Timestamptz, cause -> Text,
        packages -> BigInt, repomd_sha256 -> Text, added -> Array<BigInt>, removed -> Array<BigInt>,
        content -> Nullable<Array<BigInt>>, steps -> Integer, actor -> Nullable<Text>, purge_at -> Nullable<Timestamptz>,
        purged_at -> Nullable<Timestamptz>, signed_by -> Nullable<Text>,
    }
}
diesel::table! {
    mini_repositories (repository_id, name) {
        repository_id -> BigInt, name -> Text, task_id -> Nullable<BigInt>, batch_id -> Nullable<BigInt>, revision -> BigInt,
        fingerprint -> Text, content -> Array<BigInt>, made_at -> Timestamptz,
    }
}
diesel::table! {
    commit_snapshots (repository_id, build_id) { repository_id -> BigInt, build_id -> BigInt, commit -> Text, snapshot -> BigInt, }
}
diesel::table! {
    pointers (repository_id, name) {
        repository_id -> BigInt, name -> Text, snapshot -> BigInt, moved_at -> Timestamptz, actor -> Nullable<Text>,
    }
}
diesel::table! {
    snapshot_requests (id) {
        id -> BigInt, repository_id -> BigInt, pointer -> Text, expected -> Nullable<BigInt>, added -> Array<BigInt>,
        removed -> Array<BigInt>, actor -> Text, cause -> Text, created_at -> Timestamptz, snapshot -> Nullable<BigInt>,
        was_at -> Nullable<BigInt>, refusal -> Nullable<Text>,
    }
}
diesel::table! {
    pointer_moves (id) {
        id -> BigInt, repository_id -> BigInt, name -> Text, from_snapshot -> Nullable<BigInt>,
        to_snapshot -> Nullable<BigInt>, moved_at -> Timestamptz, actor -> Nullable<Text>, cause -> Text,
    }
}
diesel::table! {
    test_results (id) {
        id -> BigInt, repository_id -> BigInt, build_id -> Nullable<BigInt>, snapshot -> Nullable<BigInt>, passed -> Bool,
        url -> Text, message -> Text, actor -> Text, at -> Timestamptz, added -> Array<BigInt>, removed -> Array<BigInt>,
        builds_at -> Nullable<Timestamptz>, users_at -> Nullable<Timestamptz>, release_at -> Nullable<Timestamptz>,
        released_at -> Nullable<Timestamptz>, testcase -> Text,
    }
}
diesel::table! {
    checks (id) {
        id -> BigInt, repository_id -> BigInt, snapshot -> BigInt, state -> Text, message -> Text, attempt -> Integer,
        max_attempts -> Integer, builder -> Nullable<Text>, lease_expires_at -> Nullable<Timestamptz>,
        not_before -> Nullable<Timestamptz>, created_at -> Timestamptz, started_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
    }
}
diesel::table! {
    jobs (id) {
        id -> BigInt, kind -> Text, payload -> Jsonb, priority -> Integer, attempt -> Integer, run_at -> Timestamptz,
        lease_expires_at -> Nullable<Timestamptz>, last_error -> Nullable<Text>, failed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz, trouble_of -> Nullable<BigInt>, holder -> Nullable<BigInt>,
    }
}
diesel::table! {
    audit (id) {
        id -> BigInt, at -> Timestamptz, actor -> Text, action -> Text, object -> Text, detail -> Jsonb, source -> Text,
        credential -> Nullable<Text>, address -> Nullable<Text>, project_id -> Nullable<BigInt>,
    }
}
diesel::table! { builders (name) { name -> Text, last_seen_at -> Timestamptz, arches -> Jsonb, refusal -> Nullable<Text>, } }

diesel::joinable!(tasks -> builds (build_id));
diesel::joinable!(builds -> projects (project_id));
diesel::joinable!(builds -> packages (package_id));
diesel::joinable!(packages -> projects (project_id));
diesel::joinable!(group_members -> groups (group_id));
diesel::joinable!(group_members -> users (user_id));
diesel::joinable!(project_permissions -> users (user_id));
diesel::joinable!(rpms -> repositories (repository_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    api_tokens,
    login_links,
    sessions,
    chroots,
    projects,
    project_chroots,
    repositories,
    builds,
    removed_builds,
    tasks,
    log_chunks,
    rpms,
    package_software,
    snapshots,
    jobs,
    audit,
    builders,
    groups,
    group_members,
    project_permissions,
    directories,
    packages,
    batches,
    webhook_deliveries,
    outbox,
    quotas,
    usage,
    project_keys,
    fresh_signatures,
);
