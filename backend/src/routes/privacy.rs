//! Private counts: answers with noise that spend from a budget.

use axum::extract::State;
use serde_json::json;
use shared::{
    id::TokenId,
    privacy::{Budget, PrivacyBudgets, PrivateCounts, PrivateQuestion},
    problem::FieldProblem,
    sentence,
    summary::Publication,
};
use sqlx::PgConnection;
use tokio::task::spawn_blocking;

use crate::{
    auth::{Allowed, Caller, ReadSummaries, Shown},
    db::{
        self,
        privacy::{Spending, Spent},
    },
    error::{Error, Result},
    extract::Json,
    openapi::Problems,
    routes::summaries::{latest, record},
    state::AppState,
    summaries::{
        private::{Asked, margin, noisy},
        question::published_in,
    },
};

/// Count people under differential privacy, and pay for it.
///
/// Freer than `/summaries/cohort`: up to four fields, several values of a filter, no group
/// withheld. Every count has the noise of the discrete Laplace distribution of scale 1/epsilon, and
/// the question spends `epsilon` of the token's and the account's budget for ever; what was asked
/// before, of the same publication at the same price, is answered the same and costs nothing.
#[utoipa::path(post, path = "/api/v1/summaries/private-counts", tag = "summaries",
    security(("bearer" = [])), request_body = PrivateQuestion,
    responses((status = 200, description = "The counts", body = PrivateCounts), Problems))]
pub async fn count_privately(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
    Json(question): Json<PrivateQuestion>,
) -> Result<Json<PrivateCounts>> {
    let mut tx = state.begin(&caller).await?;
    let publication = latest(&mut tx).await?.shown();
    let asked = Asked::new(&question, published_in(&publication))?;
    let (counts, repeated) = answer(&mut tx, &caller, &state, &publication, &asked).await?;
    let details = json!({ "question": asked.question(), "epsilon": asked.epsilon(),
        "repeated": repeated, "publication": publication.id });
    record(&mut tx, &caller, &state, "summary.count_privately", details).await?;
    let budgets = budgets(&mut tx, &caller).await?;
    tx.commit().await?;
    let (epsilon, counts) = (asked.epsilon(), asked.named(&counts));
    Ok(Json(PrivateCounts {
        publication,
        epsilon,
        repeated,
        margin: margin(epsilon),
        counts,
        budgets,
    }))
}

/// Say how much of the budgets for private counts is left.
#[utoipa::path(get, path = "/api/v1/summaries/privacy-budgets", tag = "summaries",
    security(("bearer" = [])),
    responses((status = 200, description = "The budgets", body = PrivacyBudgets), Problems))]
pub async fn get_privacy_budgets(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
) -> Result<Json<PrivacyBudgets>> {
    let mut tx = state.begin(&caller).await?;
    let budgets = budgets(&mut tx, &caller).await?;
    tx.commit().await?;
    Ok(Json(budgets))
}

/// The counts, and whether they were given before. Nobody else spends meanwhile.
async fn answer(
    tx: &mut PgConnection,
    caller: &Caller,
    state: &AppState,
    publication: &Publication,
    asked: &Asked,
) -> Result<(Vec<i64>, bool)> {
    db::privacy::lock(tx, caller.user_id).await?;
    let question = asked.question();
    let spending = Spending {
        id: state.clock.new_id(),
        user_id: caller.user_id,
        token_id: token(caller),
        publication: publication.id,
        question: &question,
        thousandths: asked.thousandths,
    };
    if let Some(counts) = db::privacy::answered(&mut *tx, &spending).await? {
        return Ok((counts, true));
    }
    refuse_beyond(budgets(tx, caller).await?, asked.epsilon())?;
    let counted = db::summaries::counted(&mut *tx, publication.id, asked.places()).await?;
    let (truth, epsilon) = (asked.sums(&counted), asked.epsilon());
    let counts =
        spawn_blocking(move || noisy(&truth, epsilon)).await.map_err(anyhow::Error::new)??;
    db::privacy::spend(&mut *tx, &spending, &counts, state.clock.now()).await?;
    Ok((counts, false))
}

fn refuse_beyond(budgets: PrivacyBudgets, epsilon: f64) -> Result<()> {
    let both = [("this token", budgets.token), ("your account", Some(budgets.account))];
    let short = both.into_iter().filter_map(|(whose, budget)| {
        let Budget { limit, left, .. } = budget?;
        let message = sentence!("{left} of the {limit} that {whose} may ever spend is left");
        (left < epsilon).then(|| FieldProblem::new("/epsilon", message))
    });
    let short: Vec<_> = short.collect();
    if short.is_empty() { Ok(()) } else { Err(Error::BudgetSpent(short)) }
}

async fn budgets(tx: &mut PgConnection, caller: &Caller) -> Result<PrivacyBudgets> {
    let settings = db::settings::read(&mut *tx).await?;
    let token = token(caller);
    let Spent { token: of_token, account } = db::privacy::spent(tx, caller.user_id, token).await?;
    Ok(PrivacyBudgets {
        token: token.map(|_| budget(settings.token_privacy_budget, of_token)),
        account: budget(settings.account_privacy_budget, account),
    })
}

fn budget(limit: i32, spent: i64) -> Budget {
    let thousandths = |count: i64| count as f64 / 1000.0;
    let left = (i64::from(limit) * 1000 - spent).max(0);
    Budget { limit: f64::from(limit), spent: thousandths(spent), left: thousandths(left) }
}

const fn token(caller: &Caller) -> Option<TokenId> {
    match caller.shown {
        Shown::Token { id, .. } => Some(id),
        Shown::Session(_) => None,
    }
}
