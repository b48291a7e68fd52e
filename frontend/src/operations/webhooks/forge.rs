//! What forges send. The shapes are those of GitHub's "Webhook events and payloads", GitLab's "Webhook events" and
//! Bitbucket Cloud's "Event payloads".

use db::webhooks::Request;
use serde_json::Value;

use super::repository::Repository;

/// What a branch that ends or begins is pushed to or from.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// What a delivery is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The forge tries the address.
    Ping,
    /// Something was pushed.
    Pushes(Vec<Push>),
    /// Nothing that builds anything; the text says why.
    Nothing(String),
}

/// A push to one branch, or a new tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Push {
    /// How the repository can be addressed; the first is for people.
    pub addresses: Vec<String>,
    /// What changed.
    pub change: Change,
}

/// What changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A branch has new commits.
    Branch {
        /// Such as `refs/heads/main`.
        reference: String,
        /// The newest commit.
        commit: String,
        /// The files that were touched; `None` when the forge does not name all of them.
        files: Option<Vec<String>>,
    },
    /// There is a new tag.
    Tag(String),
}

impl Push {
    /// The repository, in all ways that lead to it.
    pub fn repositories(&self) -> Vec<Repository> {
        let mut all: Vec<Repository> = Vec::new();
        for repository in self.addresses.iter().filter_map(|a| Repository::parse(a)) {
            if !all.contains(&repository) {
                all.push(repository);
            }
        }
        all
    }
}

/// A header's value.
pub(super) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(Value::as_str)
}

/// Name of the event, where the forge says it.
pub(super) fn event_name(request: &Request) -> Option<&str> {
    ["x-github-event", "x-gitlab-event", "x-event-key"]
        .into_iter()
        .find_map(|name| header(request, name))
}

/// The forge's own number of the delivery.
pub(super) fn forge_id(request: &Request) -> Option<&str> {
    [
        "x-github-delivery",
        "x-gitlab-event-uuid",
        "x-gitlab-webhook-uuid",
        "x-request-uuid",
        "x-hook-uuid",
    ]
    .into_iter()
    .find_map(|name| header(request, name))
}

/// Reads a delivery of a forge.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub(super) fn read(request: &Request) -> Result<Event, String> {
    match request.kind.as_str() {
        "github" => github(request),
        "gitlab" => gitlab(request),
        _ => bitbucket(request),
    }
}

fn payload(request: &Request) -> Result<Value, String> {
    let form =
        header(request, "content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let read = if form {
        // GitHub's default: the JSON is one field of a form.
        let field = url::form_urlencoded::parse(&request.body).find(|(name, _)| name == "payload");
        let (_, json) = field.ok_or("The form has no field 'payload'.")?;
        serde_json::from_str(&json)
    } else {
        serde_json::from_slice(&request.body)
    };
    read.map_err(|e| format!("The body is not valid JSON: {e}."))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value, pointers: &[&str]) -> Vec<String> {
    pointers
        .iter()
        .map(|p| text(value, p))
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The files that the listed commits touch.
fn touched(payload: &Value) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for commit in payload["commits"].as_array().into_iter().flatten() {
        for kind in ["added", "modified", "removed"] {
            let names = commit[kind].as_array().into_iter().flatten();
            files.extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    files.sort();
    files.dedup();
    files
}

fn github(request: &Request) -> Result<Event, String> {
    let event = header(request, "x-github-event").ok_or("The header X-GitHub-Event is missing.")?;
    if event == "ping" {
        return Ok(Event::Ping);
    }
    let payload = payload(request)?;
    let addresses = texts(
        &payload,
        &[
            "/repository/clone_url",
            "/repository/ssh_url",
            "/repository/git_url",
            "/repository/html_url",
        ],
    );
    if addresses.is_empty() {
        return Err("The delivery does not name its repository (repository.clone_url).".to_owned());
    }
    let reference = text(&payload, "/ref").to_owned();
    let change = match event {
        "push" if reference.starts_with("refs/tags/") => {
            return Ok(Event::Nothing(
                "Tags are built by the event 'Branch or tag creation': enable it in the webhook's settings at GitHub."
                    .to_owned(),
            ));
        }
        "push" => {
            let commit = text(&payload, "/after").to_owned();
            if payload["deleted"] == true || commit == NO_COMMIT {
                return Ok(Event::Nothing(format!("{reference} was deleted.")));
            }
            if reference.is_empty() || commit.is_empty() {
                return Err(
                    "The push does not name its branch and its newest commit (ref, after).".to_owned(),
                );
            }
            Change::Branch {
                reference,
                commit,
                files: Some(touched(&payload)),
            }
        }
        "create" if payload["ref_type"] == "tag" => {
            if reference.is_empty() {
                return Err("The new tag has no name (ref).".to_owned());
            }
            Change::Tag(reference)
        }
        "create" => {
            return Ok(Event::Nothing(
                "A new branch builds nothing by itself; pushes to it do.".to_owned(),
            ));
        }
        other => {
            return Ok(Event::Nothing(format!(
                "Events '{}' build nothing; pushes and new tags do.",
                crate::operations::projects::shown(other)
            )));
        }
    };
    Ok(Event::Pushes(vec![Push { addresses, change }]))
}

fn gitlab(request: &Request) -> Result<Event, String> {
    let payload = payload(request)?;
    let addresses = texts(
        &payload,
        &[
            "/project/git_http_url",
            "/project/git_ssh_url",
            "/project/http_url",
            "/project/ssh_url",
            "/project/web_url",
        ],
    );
    if addresses.is_empty() {
        return Err("The delivery does not name its repository (project.git_http_url).".to_owned());
    }
    let reference = text(&payload, "/ref").to_owned();
    let kind = text(&payload, "/object_kind");
    if !matches!(kind, "push" | "tag_push") {
        let shown = crate::operations::projects::shown(kind);
        return if kind.is_empty() {
            Err("The delivery does not say what happened (object_kind).".to_owned())
        } else {
            Ok(Event::Nothing(format!(
                "Events '{shown}' build nothing; push and tag push events do."
            )))
        };
    }
    let commit = text(&payload, "/after").to_owned();
    if reference.is_empty() {
        return Err("The push does not name its branch or tag (ref).".to_owned());
    }
    if commit == NO_COMMIT {
        return Ok(Event::Nothing(format!("{reference} was deleted.")));
    }
    let change = if kind == "tag_push" {
        Change::Tag(
            reference
                .strip_prefix("refs/tags/")
                .unwrap_or(&reference)
                .to_owned(),
        )
    } else {
        if commit.is_empty() {
            return Err("The push does not name its newest commit (after).".to_owned());
        }
        // GitLab lists the newest 20 commits only, and counts all.
        let listed = payload["commits"].as_array().map_or(0, Vec::len) as u64;
        let all = payload["total_commits_count"].as_u64().unwrap_or(listed);
        Change::Branch {
            reference,
            commit,
            files: (all <= listed).then(|| touched(&payload)),
        }
    };
    Ok(Event::Pushes(vec![Push { addresses, change }]))
}

fn bitbucket(request: &Request) -> Result<Event, String> {
    let event = header(request, "x-event-key").unwrap_or("repo:push");
    if event == "diagnostics:ping" {
        return Ok(Event::Ping);
    }
    let payload = payload(request)?;
    let addresses = texts(&payload, &["/repository/links/html/href"]);
    let changes = payload.pointer("/push/changes").and_then(Value::as_array);
    let Some(changes) = changes else {
        return if event == "repo:push" {
            Err("The push does not say what changed (push.changes).".to_owned())
        } else if addresses.is_empty() {
            Err("The delivery does not name its repository (repository.links.html.href).".to_owned())
        } else {
            Ok(Event::Nothing(format!(
                "Events '{}' build nothing; repository pushes do.",
                crate::operations::projects::shown(event)
            )))
        };
    };
    if addresses.is_empty() {
        return Err("The delivery does not name its repository (repository.links.html.href).".to_owned());
    }
    let mut pushes = Vec::new();
    for new in changes.iter().map(|c| &c["new"]).filter(|new| !new.is_null()) {
        let name = text(new, "/name");
        let commit = text(new, "/target/hash");
        if name.is_empty() || commit.is_empty() {
            return Err("A change does not name its branch or tag, and its newest commit.".to_owned());
        }
        let change = if new["type"] == "tag" {
            Change::Tag(name.to_owned())
        } else {
            Change::Branch {
                reference: format!("refs/heads/{name}"),
                commit: commit.to_owned(),
                // Bitbucket does not name files.
                files: None,
            }
        };
        pushes.push(Push {
            addresses: addresses.clone(),
            change,
        });
    }
    if pushes.is_empty() {
        return Ok(Event::Nothing("The branches or tags were deleted.".to_owned()));
    }
    Ok(Event::Pushes(pushes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(kind: &str, headers: &[(&str, &str)], body: &Value) -> Request {
        Request {
            kind: kind.to_owned(),
            package: None,
            dirname: None,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), Value::from(*v)))
                .collect(),
            body: serde_json::to_vec(body).unwrap(),
        }
    }

    #[test]
    fn what_builds_nothing_says_why() {
        let repository = json!({"clone_url": "https://github.com/a/b.git"});
        for (event, body, expected) in [
            (
                "push",
                json!({"ref": "refs/tags/v1", "after": "1", "repository": repository}),
                "Branch or tag creation",
            ),
            (
                "push",
                json!({"ref": "refs/heads/x", "after": NO_COMMIT, "deleted": true, "repository": repository}),
                "refs/heads/x was deleted",
            ),
            (
                "create",
                json!({"ref": "x", "ref_type": "branch", "repository": repository}),
                "A new branch builds nothing",
            ),
            (
                "issues",
                json!({"repository": repository}),
                "Events 'issues' build nothing",
            ),
        ] {
            let read = read(&request("github", &[("x-github-event", event)], &body)).unwrap();
            let Event::Nothing(why) = read else {
                panic!("{read:?}")
            };
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn gitlab_s_long_pushes_do_not_name_all_files() {
        let body = json!({"object_kind": "push", "ref": "refs/heads/main", "after": "1", "total_commits_count": 30,
            "project": {"git_http_url": "https://gitlab.com/a/b.git"},
            "commits": [{"added": ["x"], "modified": [], "removed": []}]});
        let read = read(&request("gitlab", &[], &body)).unwrap();
        let Event::Pushes(pushes) = read else {
            panic!("{read:?}")
        };
        assert!(matches!(&pushes[0].change, Change::Branch { files: None, .. }));
    }

    #[test]
    fn malformed_deliveries_are_refused() {
        for (kind, headers, body) in [
            ("github", &[][..], json!({})),
            (
                "github",
                &[("x-github-event", "push")][..],
                json!({"some": "data"}),
            ),
            ("github", &[("x-github-event", "push")][..], json!([])),
            ("gitlab", &[][..], json!({"some": "data"})),
            ("bitbucket", &[][..], json!({"some": "data"})),
            ("bitbucket", &[][..], json!({"push": {"changes": [{"new": {}}]}})),
        ] {
            assert!(read(&request(kind, headers, &body)).is_err(), "{kind} {body}");
        }
    }
}
