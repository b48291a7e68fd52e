//! Tokens, and the rights that come with them.

use db::tokens::{self, NewToken, Scope};
use db::{DbError, users};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use rand::SeedableRng as _;

use crate::support::{after, pool, start};

fn new<'a>(name: &'a str, scope: &'a Scope, seconds: Option<i64>) -> NewToken<'a> {
    NewToken {
        name,
        scope,
        expires_at: seconds.map(after),
    }
}

#[tokio::test]
async fn tokens_stand_side_by_side_until_they_end() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let user = users::ensure(&mut conn, &"alice".parse().unwrap(), false, start())
        .await
        .unwrap();
    let all = Scope::default();
    let some = Scope {
        projects: Some(vec!["alice/*".parse().unwrap()]),
        actions: Some(vec!["build".to_owned()]),
    };
    let (_, laptop) = tokens::add(
        &mut conn,
        &user,
        &new("laptop", &all, Some(100)),
        start(),
        &mut rng,
    )
    .await
    .unwrap();
    let (pipeline, forever) = tokens::add(&mut conn, &user, &new("pipeline", &some, None), start(), &mut rng)
        .await
        .unwrap();
    let found = tokens::authenticate(&mut conn, &laptop.login, &laptop.token, after(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((&found.user, &found.scope), (&user, &all));
    let wrong = tokens::authenticate(&mut conn, &laptop.login, &forever.token, after(1)).await;
    assert_eq!(wrong.unwrap(), None);
    let late = tokens::authenticate(&mut conn, &laptop.login, &laptop.token, after(100)).await;
    assert_eq!(late.unwrap(), None);
    let later = tokens::authenticate(&mut conn, &forever.login, &forever.token, after(1_000_000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(later.scope, some);

    let again = tokens::add(&mut conn, &user, &new("pipeline", &all, None), after(2), &mut rng).await;
    assert!(matches!(again, Err(DbError::Duplicate(name)) if name == "api_tokens_name"));
    // The name of one that has ended is free.
    tokens::add(&mut conn, &user, &new("laptop", &all, None), after(200), &mut rng)
        .await
        .unwrap();
    let replaced = tokens::replace(
        &mut conn,
        &user,
        &new("pipeline", &some, None),
        after(3),
        &mut rng,
    )
    .await
    .unwrap();
    let old = tokens::authenticate(&mut conn, &forever.login, &forever.token, after(4)).await;
    assert_eq!(old.unwrap(), None);
    let new = tokens::authenticate(&mut conn, &replaced.login, &replaced.token, after(4)).await;
    assert!(new.unwrap().is_some());
    assert!(
        tokens::find(&mut conn, user.id, pipeline.id)
            .await
            .unwrap()
            .is_none()
    );

    let names: Vec<String> = tokens::list(&mut conn, user.id)
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert_eq!(names, ["laptop", "pipeline"]);
}

#[tokio::test]
async fn the_last_use_is_kept_to_a_minute() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let user = users::ensure(&mut conn, &"alice".parse().unwrap(), false, start())
        .await
        .unwrap();
    let scope = Scope::default();
    let (token, pair) = tokens::add(&mut conn, &user, &new("a", &scope, None), start(), &mut rng)
        .await
        .unwrap();
    assert_eq!(token.last_used_at, None);
    for (at, shown) in [(10, 10), (30, 10), (71, 71)] {
        tokens::authenticate(&mut conn, &pair.login, &pair.token, after(at))
            .await
            .unwrap();
        let now = tokens::find(&mut conn, user.id, token.id).await.unwrap().unwrap();
        assert_eq!(now.last_used_at, Some(after(shown)));
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[tokio::test]
async fn no_secret_lies_in_the_tables() {
    let pool = pool(1).await;
    let mut conn = pool.get().await.unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let user = users::ensure(&mut conn, &"alice".parse().unwrap(), false, start())
        .await
        .unwrap();
    let scope = Scope::default();
    let (_, pair) = tokens::add(&mut conn, &user, &new("a", &scope, None), start(), &mut rng)
        .await
        .unwrap();
    let replaced = tokens::replace(&mut conn, &user, &new("b", &scope, None), start(), &mut rng)
        .await
        .unwrap();
    let link = users::new_login_link(&mut conn, user.id, after(100), &mut rng)
        .await
        .unwrap();
    // Every row of every table, so that a copy of a secret is found wherever it is written.
    let tables: Vec<Line> = diesel::sql_query(
        "SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let mut dump = String::new();
    for table in &tables {
        let rows: Vec<Line> = diesel::sql_query(format!("SELECT t::text AS line FROM {} t", table.line))
            .load(&mut conn)
            .await
            .unwrap();
        for row in rows {
            dump.push_str(&row.line);
            dump.push('\n');
        }
    }
    for login in [&pair.login, &replaced.login] {
        assert!(dump.contains(login), "the dump holds the tokens' rows");
    }
    for secret in [&pair.token, &replaced.token, &link] {
        assert!(!dump.contains(secret), "{dump}");
    }
}
