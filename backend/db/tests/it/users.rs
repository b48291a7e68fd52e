//! Login links and sessions.

use db::users;
use rand::SeedableRng as _;

use crate::support::{after, pool, start};

#[tokio::test]
async fn a_login_link_works_once() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let user = users::ensure(&mut conn, &"alice".parse().unwrap(), false, start())
        .await
        .unwrap();
    let link = users::new_login_link(&mut conn, user.id, after(100), &mut rng)
        .await
        .unwrap();
    let late = users::new_login_link(&mut conn, user.id, after(1), &mut rng)
        .await
        .unwrap();
    assert!(
        users::redeem_login_link(&mut conn, &late, after(2))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        users::redeem_login_link(&mut conn, &link, after(2))
            .await
            .unwrap(),
        Some(user.clone())
    );
    assert!(
        users::redeem_login_link(&mut conn, &link, after(3))
            .await
            .unwrap()
            .is_none()
    );

    let secret = users::new_session(&mut conn, user.id, after(3), after(50), &mut rng)
        .await
        .unwrap();
    assert_eq!(
        users::session(&mut conn, &secret, after(4))
            .await
            .unwrap()
            .unwrap()
            .user,
        user
    );
    assert!(
        users::session(&mut conn, &secret, after(50))
            .await
            .unwrap()
            .is_none()
    );
    users::end_session(&mut conn, &secret).await.unwrap();
    assert!(
        users::session(&mut conn, &secret, after(4))
            .await
            .unwrap()
            .is_none()
    );
}
