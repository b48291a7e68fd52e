//! `GET /status/batches/`

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{HttpResponse, web};
use db::batches::{Batch, unfinished};

use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::error::Error;
use crate::templates::context::{BatchLine, BatchMember, Batches};

/// Batches on the page.
const MOST: i64 = 500;
/// Deeper ones are not moved further to the right, so that a phone still shows them.
const DEEPEST: usize = 5;

/// Batches that have not ended, each below the one that it waits for.
pub async fn show(app: web::Data<App>, visitor: Visitor) -> Result<HttpResponse, Error> {
    let found = unfinished(&mut *app.conn().await?, MOST).await?;
    let mut frame = visitor.frame();
    frame.unfinished = !found.is_empty();
    let page = Batches { batches: tree(found) };
    html(app.templates.render_batches(&frame, &page))
}

/// In the order of a tree that is walked down first; batches wait for older ones only, so there are no circles.
fn tree(found: Vec<Batch>) -> Vec<BatchLine> {
    let shown: BTreeSet<i64> = found.iter().map(|b| b.id).collect();
    let mut below: BTreeMap<Option<i64>, Vec<Batch>> = BTreeMap::new();
    for batch in found {
        let parent = batch.blocked_by.filter(|id| shown.contains(id));
        below.entry(parent).or_default().push(batch);
    }
    let mut next: Vec<(usize, Batch)> = Vec::new();
    let mut push = |next: &mut Vec<(usize, Batch)>, parent: Option<i64>, depth: usize| {
        let children = below.remove(&parent).unwrap_or_default();
        next.extend(children.into_iter().rev().map(|b| (depth, b)));
    };
    push(&mut next, None, 0);
    let mut lines = Vec::new();
    while let Some((depth, batch)) = next.pop() {
        push(&mut next, Some(batch.id), depth + 1);
        lines.push(line(batch, depth.min(DEEPEST)));
    }
    lines
}

fn line(batch: Batch, depth: usize) -> BatchLine {
    let hidden = batch.builds.iter().filter(|m| !m.listed).count();
    let members = batch.builds.into_iter().filter(|m| m.listed);
    BatchLine {
        id: batch.id,
        depth,
        state: batch.state.as_str(),
        blocked_by: batch.blocked_by,
        hidden,
        builds: members
            .map(|member| BatchMember {
                id: member.build.0,
                path: format!(
                    "/coprs/{}/{}/build/{}/",
                    views::segment(&member.owner),
                    views::segment(&member.project),
                    member.build
                ),
                project: format!("{}/{}", member.owner, member.project),
                package: member.package.unwrap_or_default(),
                state: member.state,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use db::batches::BatchState;

    use super::*;

    #[test]
    fn children_follow_their_parents() {
        let batch = |id: i64, blocked_by: Option<i64>| Batch {
            id,
            blocked_by,
            state: BatchState::Blocked,
            builds: vec![],
        };
        let found = vec![
            batch(1, None),
            batch(2, None),
            batch(3, Some(1)),
            batch(4, Some(3)),
            batch(5, Some(1)),
            batch(6, Some(99)),
        ];
        let lines: Vec<(i64, usize)> = tree(found).iter().map(|l| (l.id, l.depth)).collect();
        assert_eq!(lines, [(1, 0), (3, 1), (4, 2), (5, 1), (2, 0), (6, 0)]);
    }
}
