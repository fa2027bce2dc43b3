//! Views of the patient list that somebody keeps under a name.

use shared::{
    id::{UserId, ViewId},
    patient::{PatientFilter, PatientSort},
    view::View,
};
use sqlx::{PgConnection, PgExecutor, types::Json};

/// The unique index over an account's names.
pub const NAME: &str = "views_name";

struct Row {
    id: ViewId,
    name: String,
    filter: Json<PatientFilter>,
    sort: PatientSort,
    archived: bool,
}

impl From<Row> for View {
    fn from(row: Row) -> Self {
        let Row { id, name, filter: Json(filter), sort, archived } = row;
        Self { id, name, filter, sort, archived }
    }
}

/// An account's views, by name.
pub async fn list(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<Vec<View>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: ViewId", name, filter as "filter: Json<PatientFilter>",
            sort as "sort: PatientSort", archived
        from views
        where user_id = $1
        order by lower(name)"#,
        user as UserId,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(View::from).collect())
}

/// The same, with the account locked until the transaction ends, so that two requests at once do
/// not both take the last place.
pub async fn list_for_update(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<View>> {
    super::users::lock(&mut *db, user).await?;
    list(db, user).await
}

/// Adds a view.
pub async fn insert(db: &mut PgConnection, user: UserId, view: &View) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into views (id, user_id, name, filter, sort, archived)
        values ($1, $2, $3, $4, $5, $6)",
        view.id as ViewId,
        user as UserId,
        view.name,
        Json(&view.filter) as _,
        view.sort as PatientSort,
        view.archived,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a changed view.
pub async fn update(db: &mut PgConnection, user: UserId, view: &View) -> sqlx::Result<()> {
    sqlx::query!(
        "update views set name = $3, filter = $4, sort = $5, archived = $6
        where id = $1 and user_id = $2",
        view.id as ViewId,
        user as UserId,
        view.name,
        Json(&view.filter) as _,
        view.sort as PatientSort,
        view.archived,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a view.
pub async fn delete(db: &mut PgConnection, user: UserId, id: ViewId) -> sqlx::Result<()> {
    sqlx::query!("delete from views where id = $1 and user_id = $2", id as ViewId, user as UserId,)
        .execute(db)
        .await?;
    Ok(())
}
