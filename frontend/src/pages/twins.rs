//! What the forms of the pages do, as operations of the API: whatever people can do by hand, programs can do as well. A
//! test takes the forms from the pages and fails for one that has no line here, or none that exists.

/// A form, and its twin.
#[derive(Debug, Clone, Copy)]
pub struct Twin {
    /// Where the form is sent, names in braces.
    pub form: &'static str,
    /// The operation of the API: method, and path below `/api_3`; none for what only browsers have.
    pub operation: Option<(&'static str, &'static str)>,
}

const fn twin(form: &'static str, method: &'static str, path: &'static str) -> Twin {
    Twin {
        form,
        operation: Some((method, path)),
    }
}

/// All forms that change something.
pub const TWINS: &[Twin] = &[
    // A session is a browser's: the API has none that could end.
    Twin {
        form: "/logout",
        operation: None,
    },
    twin("/api/new/", "POST", "/token/add"),
    twin("/api/revoke/{id}/", "DELETE", "/token/delete/{id}"),
    twin("/groups/add/", "POST", "/group/add"),
    twin("/groups/{group}/edit/", "PUT", "/group/edit/{group}"),
    twin("/groups/{group}/delete/", "DELETE", "/group/delete/{group}"),
    twin(
        "/groups/{group}/members/set/",
        "PUT",
        "/group/members/set/{group}",
    ),
    twin(
        "/groups/{group}/members/remove/",
        "DELETE",
        "/group/members/remove/{group}",
    ),
    twin(
        "/coprs/{owner}/{project}/permissions/set/",
        "PUT",
        "/project/permissions/set/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/permissions/request/",
        "PUT",
        "/project/permissions/request/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/permissions/transfer/",
        "POST",
        "/project/transfer/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/keys/rotate/",
        "POST",
        "/project/key/rotate/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/keys/revoke/",
        "POST",
        "/project/key/revoke/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/snapshots/rollback/",
        "POST",
        "/snapshot/rollback/{owner}/{dir}/{chroot}",
    ),
    twin(
        "/coprs/{owner}/{project}/snapshots/move/",
        "POST",
        "/pointer/move/{owner}/{dir}/{chroot}",
    ),
    twin(
        "/coprs/{owner}/{project}/snapshots/delete/",
        "POST",
        "/pointer/delete/{owner}/{dir}/{chroot}",
    ),
    twin(
        "/coprs/{owner}/{project}/snapshots/yank/",
        "POST",
        "/snapshot/yank/{owner}/{dir}/{chroot}",
    ),
    twin(
        "/coprs/{owner}/{project}/snapshots/promote/",
        "POST",
        "/snapshot/promote/{owner}/{dir}/{chroot}",
    ),
    twin("/coprs/add/", "POST", "/project/add/{owner}"),
    twin(
        "/coprs/{owner}/{project}/edit/",
        "PUT",
        "/project/edit/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/delete/",
        "DELETE",
        "/project/delete/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/add_build/upload/",
        "POST",
        "/build/create/upload",
    ),
    twin(
        "/coprs/{owner}/{project}/add_build/url/",
        "POST",
        "/build/create/url",
    ),
    twin(
        "/coprs/{owner}/{project}/import/upload/",
        "POST",
        "/build/create/rpm-upload",
    ),
    twin(
        "/coprs/{owner}/{project}/import/url/",
        "POST",
        "/import/{owner}/{dirname}",
    ),
    twin(
        "/coprs/{owner}/{project}/build/{id}/cancel/",
        "PUT",
        "/build/cancel/{id}",
    ),
    twin(
        "/coprs/{owner}/{project}/build/{id}/resubmit/",
        "POST",
        "/build/resubmit/{id}",
    ),
    twin(
        "/coprs/{owner}/{project}/build/{id}/delete/",
        "DELETE",
        "/build/delete/{id:\\d+}",
    ),
    twin(
        "/coprs/{owner}/{project}/add_package/{type}/",
        "POST",
        "/package/add/{owner}/{project}/{package}/{type}",
    ),
    twin(
        "/coprs/{owner}/{project}/package/{package}/edit/{type}/",
        "POST",
        "/package/edit/{owner}/{project}/{package}/{type}",
    ),
    twin(
        "/coprs/{owner}/{project}/package/{package}/rebuild/",
        "POST",
        "/package/build",
    ),
    twin(
        "/coprs/{owner}/{project}/package/{package}/reset/",
        "PUT",
        "/package/reset",
    ),
    twin(
        "/coprs/{owner}/{project}/package/{package}/delete/",
        "DELETE",
        "/package/delete",
    ),
    twin(
        "/coprs/{owner}/{project}/webhooks/secret/",
        "POST",
        "/webhook/generate/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/webhooks/hmac/",
        "PUT",
        "/webhook/hmac/{owner}/{project}",
    ),
    twin(
        "/coprs/{owner}/{project}/webhooks/{delivery}/redeliver/",
        "POST",
        "/webhook/redeliver/{delivery}",
    ),
];

impl Twin {
    /// Whether an address is this form's.
    pub fn takes(&self, address: &str) -> bool {
        fits(self.form, address)
    }
}

fn fits(pattern: &str, address: &str) -> bool {
    let address = address.split('?').next().unwrap_or_default();
    let (pattern, address): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), address.split('/').collect());
    pattern.len() == address.len()
        && pattern
            .iter()
            .zip(&address)
            .all(|(p, a)| p == a || (p.starts_with('{') && !a.is_empty()))
}

/// The form that does the same as an operation.
pub(crate) fn form_of(method: &str, path: &str) -> Option<&'static str> {
    let twin = TWINS.iter().find(|t| t.operation == Some((method, path)))?;
    Some(twin.form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::{SOURCES, Templates, render_samples, sample_frames};

    /// The values of an attribute in all tags of a name whose text matches.
    fn attributes<'a>(html: &'a str, tag: &str, name: &str, of: impl Fn(&str) -> bool) -> Vec<&'a str> {
        html.split(&format!("<{tag} "))
            .skip(1)
            .filter_map(|rest| rest.split_once('>').map(|(inside, _)| inside))
            .filter(|inside| of(inside))
            .filter_map(|inside| {
                inside
                    .split_once(&format!(" {name}=\""))
                    .or_else(|| inside.split_once(&format!("{name}=\"")))
            })
            .filter_map(|(_, rest)| rest.split('"').next())
            .collect()
    }

    /// Where the posts of a page or a template go; a form without an action is an address of its own.
    fn posts(html: &str) -> Vec<String> {
        let is_post = |tag: &str| tag.to_ascii_lowercase().contains("method=\"post\"");
        let forms = html
            .split("<form")
            .skip(1)
            .filter(|rest| rest.split('>').next().is_some_and(is_post))
            .count();
        let mut found = attributes(html, "form", "action", is_post);
        assert_eq!(found.len(), forms, "every form that posts has an action");
        found.extend(attributes(html, "button", "formaction", |_| true));
        found
            .into_iter()
            .map(|action| action.replace("&#x2F;", "/"))
            .collect()
    }

    fn rendered() -> Vec<(&'static str, String)> {
        let templates = Templates::new().expect("templates parse");
        sample_frames()
            .iter()
            .flat_map(|frame| render_samples(&templates, frame))
            .collect()
    }

    #[test]
    fn every_form_has_a_twin_in_the_api() {
        let routes = crate::api_3::routes();
        for (file, html) in rendered() {
            for action in posts(&html) {
                let twin = TWINS.iter().find(|t| fits(t.form, &action));
                let twin = twin.unwrap_or_else(|| {
                    panic!("{file}: the form {action} has no twin in the API; name it in pages/twins.rs")
                });
                if let Some((method, path)) = twin.operation {
                    assert!(
                        routes
                            .iter()
                            .any(|r| r.path == path && r.reads.methods.contains(&method)),
                        "{file}: the twin of {action}, {method} {path}, does not exist"
                    );
                }
            }
        }
    }

    /// A form that no sample shows would escape the test above.
    #[test]
    fn the_samples_show_every_form() {
        let shown: Vec<String> = rendered().iter().flat_map(|(_, html)| posts(html)).collect();
        for (file, source) in SOURCES {
            for action in posts(source) {
                // What the template fills in may be anything.
                let mut rest = action.as_str();
                let mut fixed = Vec::new();
                while let Some((before, after)) = rest.split_once("{{") {
                    fixed.push(before.to_owned());
                    rest = after.split_once("}}").map_or("", |(_, after)| after);
                }
                fixed.push(rest.to_owned());
                let shows = |address: &String| {
                    let mut at = 0;
                    address.starts_with(&fixed[0])
                        && address.ends_with(rest)
                        && fixed.iter().all(|part| {
                            address[at..].find(part.as_str()).is_some_and(|found| {
                                at += found + part.len();
                                true
                            })
                        })
                };
                assert!(
                    shown.iter().any(shows),
                    "{file}: no sample shows the form {action}"
                );
            }
        }
    }

    /// The posts of a page, each with the names of its fields.
    fn fields(html: &str) -> Vec<(String, Vec<&str>)> {
        let mut found = Vec::new();
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap_or_default();
            let names: Vec<&str> = ["input", "select", "textarea", "button"]
                .into_iter()
                .flat_map(|tag| attributes(form, tag, "name", |inside| inside.contains("name=\"")))
                .collect();
            for action in posts(&format!("<form{form}")) {
                found.push((action, names.clone()));
            }
        }
        found
    }

    /// Fields of forms that the API has under another name.
    const RENAMED: &[(&str, &str)] = &[
        ("urls", "pkgs"),
        ("confirm", "verify"),
        // A form says by it that boxes without a tick are meant; JSON has false.
        ("boxes", ""),
        // Of roles, which the API has as {"USER": {"admin": …, "builder": …}}.
        ("username", ""),
        ("admin", ""),
        ("builder", ""),
    ];

    #[test]
    fn every_field_of_a_form_is_one_of_its_twin() {
        let routes = crate::api_3::routes();
        let mut wrong = std::collections::BTreeSet::new();
        let mut used = std::collections::HashSet::new();
        for (file, html) in rendered() {
            for (action, names) in fields(&html) {
                let Some(twin) = TWINS.iter().find(|t| t.takes(&action)) else {
                    continue;
                };
                let Some((method, path)) = twin.operation else {
                    continue;
                };
                let reads = routes
                    .iter()
                    .find(|r| r.path == path && r.reads.methods.contains(&method));
                let Some(route) = reads else { continue };
                let mut known: Vec<&str> = route.path_names();
                known.extend(route.reads.body.iter().chain(&route.reads.query).map(|f| f.name));
                // The samples of packages' forms have no real names; tests/pages/strangers.rs looks at those.
                let names = names.into_iter().filter(|name| !name.starts_with("field_"));
                for name in names.filter(|name| *name != "csrf") {
                    let other = RENAMED.iter().find(|(form, _)| *form == name).map(|r| r.1);
                    used.extend(other.map(|_| name.to_owned()).filter(|_| !known.contains(&name)));
                    let told =
                        known.contains(&name) || other.is_some_and(|o| o.is_empty() || known.contains(&o));
                    if !told {
                        wrong.insert(format!(
                            "{file}: {name} of {} is no field of {method} {path}",
                            twin.form
                        ));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        for (name, _) in RENAMED {
            assert!(used.contains(*name), "{name} need not be renamed");
        }
    }

    #[test]
    fn no_line_is_left_over() {
        let shown: Vec<String> = rendered().iter().flat_map(|(_, html)| posts(html)).collect();
        for twin in TWINS {
            assert!(
                shown.iter().any(|a| fits(twin.form, a)),
                "no page has the form {}",
                twin.form
            );
        }
    }

    #[test]
    fn a_form_without_a_twin_is_found() {
        let html = "<form class=\"card\" method=\"post\" action=\"/coprs/a/b/explode/\">";
        assert_eq!(posts(html), ["/coprs/a/b/explode/"]);
        assert!(!TWINS.iter().any(|t| fits(t.form, "/coprs/a/b/explode/")));
        assert!(fits("/coprs/{owner}/{project}/edit/", "/coprs/a/b/edit/"));
    }
}
