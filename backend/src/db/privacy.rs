//! What private counts have cost: a ledger that only grows.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::id::{TokenId, UserId};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

/// What one answer cost whom.
#[derive(Clone, Debug)]
pub struct Spending<'a> {
    /// The entry's id.
    pub id: Uuid,
    /// Who asked.
    pub user_id: UserId,
    /// With which token.
    pub token_id: Option<TokenId>,
    /// Whose people were counted.
    pub publication: i32,
    /// The question, in its one way of writing.
    pub question: &'a Value,
    /// The cost, in thousandths of ε.
    pub thousandths: i32,
}

/// How much was spent, in thousandths of ε.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// With the token.
    pub token: i64,
    /// By the account, with and without tokens.
    pub account: i64,
}

/// Lets nobody else spend from an account until the transaction ends.
pub async fn lock(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("select id from users where id = $1 for update", user as UserId)
        .fetch_one(db)
        .await?;
    Ok(())
}

/// What was spent so far.
pub async fn spent(
    db: impl PgExecutor<'_>,
    user: UserId,
    token: Option<TokenId>,
) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select coalesce(sum(epsilon_thousandths), 0) as "account!",
            coalesce(sum(epsilon_thousandths) filter (where token_id = $2), 0) as "token!"
        from privacy_spendings
        where user_id = $1"#,
        user as UserId,
        token as Option<TokenId>,
    )
    .fetch_one(db)
    .await
}

/// What the same question was answered before, at the same price and of the same publication.
pub async fn answered(
    db: impl PgExecutor<'_>,
    asked: &Spending<'_>,
) -> sqlx::Result<Option<Vec<i64>>> {
    let found = sqlx::query_scalar!(
        r#"select answer as "answer: Json<Vec<i64>>"
        from privacy_spendings
        where user_id = $1 and publication_id = $2 and question = $3 and epsilon_thousandths = $4"#,
        asked.user_id as UserId,
        asked.publication,
        asked.question,
        asked.thousandths,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|Json(answer)| answer))
}

/// Spends.
pub async fn spend(
    db: impl PgExecutor<'_>,
    spending: &Spending<'_>,
    answer: &[i64],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into privacy_spendings (id, user_id, token_id, publication_id, question,
            epsilon_thousandths, answer, spent_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        spending.id,
        spending.user_id as UserId,
        spending.token_id as Option<TokenId>,
        spending.publication,
        spending.question,
        spending.thousandths,
        Json(answer) as _,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
