DROP TABLE builders, audit, jobs, snapshots, rpms, log_chunks, tasks, builds, repositories, project_chroots, projects,
    chroots, sessions, login_links, api_tokens, users;
