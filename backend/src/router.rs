//! The one list of routes, which is the OpenAPI document too.

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer,
};
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    body,
    error::Error,
    limits,
    metrics::Observed,
    openapi, refusals,
    routes::{
        audit, biopsies, care_teams, dashboards, documents, emergency_accesses, erasures, imports,
        models, observations, outcomes, passwords, patient_exports, patients, prediction_batches,
        predictions, preferences, privacy, records, second_factors, service, session, settings,
        summaries, therapies, tokens, users, views,
    },
    state::AppState,
    telemetry,
};

/// The most a JSON body may hold.
const BODY_LIMIT: usize = 256 * 1024;
/// The most a what-if may hold: 4000 values.
const PREVIEW_LIMIT: usize = 1024 * 1024;
/// The longest a request may take; streams of events begin at once and are not bound by it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Every documented operation.
pub fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .routes(routes!(session::login))
        .routes(routes!(session::refresh_session))
        .routes(routes!(session::logout))
        .routes(routes!(session::get_me))
        .routes(routes!(preferences::get_preferences, preferences::update_preferences))
        .routes(routes!(views::list_views, views::create_view))
        .routes(routes!(views::replace_view, views::delete_view))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(session::list_sessions, session::revoke_other_sessions))
        .routes(routes!(session::revoke_session))
        .routes(routes!(
            second_factors::get_second_factor,
            second_factors::begin_second_factor,
            second_factors::remove_second_factor
        ))
        .routes(routes!(second_factors::confirm_second_factor))
        .routes(routes!(second_factors::renew_recovery_codes))
        .routes(routes!(second_factors::login_second_factor))
        .routes(routes!(passwords::set_password))
        .routes(routes!(passwords::change_password))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::get_user, users::update_user, users::deactivate_user))
        .routes(routes!(users::reset_password))
        .routes(routes!(users::unlock_user))
        .routes(routes!(users::remove_user_second_factor))
        .routes(routes!(settings::get_settings, settings::update_settings))
        .routes(routes!(patients::list_patients, patients::create_patient))
        .routes(routes!(patient_exports::export_patients))
        .routes(
            routes!(imports::import_patients).layer(DefaultBodyLimit::max(shared::import::LARGEST)),
        )
        .routes(routes!(dashboards::get_dashboard))
        .routes(routes!(patients::get_patient, patients::update_patient, patients::archive_patient))
        .routes(routes!(patients::restore_patient))
        .routes(routes!(records::export_patient))
        .routes(routes!(records::get_own_record))
        .routes(routes!(records::list_own_predictions))
        .routes(routes!(records::export_own_record))
        .routes(routes!(care_teams::get_care_team, care_teams::add_care_team_member))
        .routes(routes!(care_teams::remove_care_team_member))
        .routes(routes!(care_teams::hand_over_patient))
        .routes(routes!(care_teams::list_colleagues))
        .routes(routes!(emergency_accesses::list_patient_emergency_accesses))
        .routes(routes!(
            emergency_accesses::list_emergency_accesses,
            emergency_accesses::create_emergency_access
        ))
        .routes(routes!(emergency_accesses::end_emergency_access))
        .routes(routes!(erasures::list_archived_records))
        .routes(routes!(erasures::erase_patient))
        .routes(routes!(observations::list_observations, observations::create_observations))
        .routes(routes!(observations::correct_observation))
        .routes(routes!(observations::void_observation))
        .routes(routes!(therapies::list_therapies, therapies::create_therapy))
        .routes(routes!(therapies::update_therapy, therapies::delete_therapy))
        .routes(routes!(biopsies::list_biopsies, biopsies::create_biopsy))
        .routes(routes!(biopsies::update_biopsy, biopsies::delete_biopsy))
        .routes(routes!(outcomes::list_outcomes, outcomes::create_outcome))
        .routes(
            routes!(documents::create_document, documents::list_documents)
                .layer(DefaultBodyLimit::max(documents::UPLOAD_LIMIT)),
        )
        .routes(routes!(documents::get_document, documents::delete_document))
        .routes(routes!(documents::get_document_content))
        .routes(routes!(predictions::create_prediction, predictions::list_predictions))
        .routes(
            routes!(predictions::preview_prediction).layer(DefaultBodyLimit::max(PREVIEW_LIMIT)),
        )
        .routes(routes!(predictions::get_prediction))
        .routes(routes!(predictions::cancel_prediction))
        .routes(routes!(predictions::stream_prediction))
        .routes(routes!(prediction_batches::create_prediction_batch))
        .routes(routes!(prediction_batches::get_prediction_batch))
        .routes(routes!(prediction_batches::cancel_prediction_batch))
        .routes(routes!(prediction_batches::stream_prediction_batch))
        .routes(routes!(models::list_models))
        .routes(routes!(models::get_model))
        .routes(routes!(models::activate_model))
        .routes(routes!(models::set_shadow_model, models::clear_shadow_model))
        .routes(routes!(models::compare_model))
        .routes(routes!(models::get_model_drift))
        .routes(routes!(summaries::get_cohort))
        .routes(routes!(summaries::get_risk_distribution))
        .routes(routes!(summaries::get_trends))
        .routes(routes!(summaries::get_model_performance))
        .routes(routes!(summaries::export_rows))
        .routes(routes!(summaries::get_export_report))
        .routes(routes!(privacy::count_privately))
        .routes(routes!(privacy::get_privacy_budgets))
        .routes(routes!(audit::list_audit_events))
        .routes(routes!(audit::verify_audit_events))
        .routes(routes!(audit::export_audit_events))
        .routes(routes!(audit::get_audit_event))
        .routes(routes!(audit::get_audit_event_proof))
        .routes(routes!(audit::list_patient_audit_events))
        .routes(routes!(service::get_site))
        .routes(routes!(service::get_openapi))
}

/// The whole service.
pub fn router(state: AppState) -> Router {
    let (documented, _) = documented().split_for_parts();
    let api = documented
        .merge(docs())
        .fallback(|| async { Error::NotFound("address") })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .layer(middleware::from_fn_with_state(state.clone(), refusals::guard))
        .layer(middleware::from_fn_with_state(state.clone(), limits::guard))
        .route("/healthz", get(service::get_health))
        .route("/readyz", get(service::get_readiness));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(state.metrics.clone(), telemetry::trace))
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(middleware::map_request(body::guard))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    api.layer(layers).with_state(state)
}

/// The whole service, on its way out as soon as `stop` is true: it is not ready for anything new, still
/// answers what comes, and with each answer ends the connection. NGINX keeps connections for the next
/// request, and one that is closed while a POST is on its way costs that POST: nobody knows whether it
/// was done.
pub fn leaving(service: Router, stop: watch::Receiver<bool>) -> Router {
    let leave = move |request: Request, next: Next| {
        let stop = stop.clone();
        async move {
            if *stop.borrow() && request.uri().path() == "/readyz" {
                return Error::Unavailable(anyhow::anyhow!("the server stops")).into_response();
            }
            let mut response: Response = next.run(request).await;
            if *stop.borrow() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    };
    service.layer(middleware::from_fn(leave))
}

/// What the machine's own eyes see of a process, on an address of its own.
pub fn metrics(observed: Observed) -> Router {
    Router::new()
        .route("/metrics", get(service::get_metrics))
        .route("/healthz", get(service::get_health))
        .with_state(observed)
}

/// The document, browsable; everything it loads comes from here.
fn docs() -> Router<AppState> {
    let config = utoipa_swagger_ui::Config::from("/api/v1/openapi.json")
        .validator_url("none")
        .persist_authorization(false);
    SwaggerUi::new("/api/docs").config(config).into()
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    Error::Internal(anyhow::anyhow!("a handler panicked")).into_response()
}
