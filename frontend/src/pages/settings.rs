//! What an administrator decides for the whole site.

use leptos::prelude::*;
use shared::{
    access::{Role, Visibility},
    prediction::KfreRegion,
    problem::{FieldProblem, Problem, ProblemKind},
    settings::{Language, Settings, SettingsPatch, Units},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        field::{SelectField, TextField},
        problem_note::FormProblem,
        record_form::{incomplete, wire_name},
    },
    format,
    language::t,
    tf,
};

/// The site's settings.
#[component]
pub fn SettingsPage() -> impl IntoView {
    set_title(t("Settings"));
    let settings = LocalResource::new(api::settings::read);
    view! {
        <div class="page page-narrow">
            <h1>{t("Settings")}</h1>
            <AsyncView resource=settings rows=8 render=|settings| view! { <Form settings /> } />
        </div>
    }
}

const REGIONS: [KfreRegion; 3] =
    [KfreRegion::NorthAmerica, KfreRegion::Other, KfreRegion::UnitedKingdom];

fn number(pointer: &str, text: &str) -> Result<i32, FieldProblem> {
    text.trim().parse().map_err(|_| FieldProblem::new(pointer, t("Enter a whole number.")))
}

#[component]
fn Form(settings: Settings) -> impl IntoView {
    let region = RwSignal::new(wire_name(settings.kfre_region));
    let language = RwSignal::new(wire_name(settings.language));
    let units = RwSignal::new(wire_name(settings.units));
    let idle = RwSignal::new(settings.session_idle_minutes.to_string());
    let hours = RwSignal::new(settings.session_hours.to_string());
    let visibility = RwSignal::new(wire_name(settings.visibility));
    let emergency = RwSignal::new(settings.emergency_access_minutes.to_string());
    let kept = RwSignal::new(settings.retention_years.to_string());
    let risk = RwSignal::new(settings.patients_see_risk);
    let smallest = RwSignal::new(settings.minimum_cell_size.to_string());
    let of_token = RwSignal::new(settings.token_privacy_budget.to_string());
    let of_account = RwSignal::new(settings.account_privacy_budget.to_string());
    let roles = RwSignal::new(settings.second_factor_required.clone());
    let current = RwSignal::new(settings);
    let problem = RwSignal::new(None::<Problem>);
    let saved = RwSignal::new("");
    let read = move || {
        let idle = number("/session_idle_minutes", &idle.get_untracked());
        let hours = number("/session_hours", &hours.get_untracked());
        let smallest = number("/minimum_cell_size", &smallest.get_untracked());
        let emergency = number("/emergency_access_minutes", &emergency.get_untracked());
        let of_token = number("/token_privacy_budget", &of_token.get_untracked());
        let of_account = number("/account_privacy_budget", &of_account.get_untracked());
        let kept = number("/retention_years", &kept.get_untracked());
        let all = [idle, hours, smallest, emergency, of_token, of_account, kept];
        if let [
            Ok(idle),
            Ok(hours),
            Ok(smallest),
            Ok(emergency),
            Ok(of_token),
            Ok(of_account),
            Ok(kept),
        ] = all
        {
            return Ok(SettingsPatch {
                second_factor_required: Some(roles.get_untracked()),
                session_idle_minutes: Some(idle),
                session_hours: Some(hours),
                kfre_region: REGIONS
                    .into_iter()
                    .find(|one| wire_name(one) == region.get_untracked()),
                language: Language::of_tag(&language.get_untracked()),
                units: Units::ALL.into_iter().find(|one| wire_name(one) == units.get_untracked()),
                patients_see_risk: Some(risk.get_untracked()),
                minimum_cell_size: Some(smallest),
                token_privacy_budget: Some(of_token),
                account_privacy_budget: Some(of_account),
                visibility: Visibility::ALL
                    .into_iter()
                    .find(|one| wire_name(one) == visibility.get_untracked()),
                emergency_access_minutes: Some(emergency),
                retention_years: Some(kept),
            });
        }
        Err(incomplete(all.into_iter().filter_map(Result::err).collect()))
    };
    let save = Action::new_local(move |(): &()| async move {
        problem.set(None);
        saved.set("");
        let version = current.with_untracked(|current| current.version);
        let answer = match read() {
            Ok(patch) => api::settings::update(version, &patch).await,
            Err(incomplete) => Err(incomplete),
        };
        match answer {
            Ok(settings) => {
                current.set(settings);
                saved.set(t("Saved. It counts from the next request on."));
            }
            Err(failed) if failed.kind == ProblemKind::Stale => {
                let detail = t("Somebody else changed the settings. Load the page again.");
                problem.set(Some(Problem { detail: Some(detail.to_owned()), ..failed }));
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !save.pending().get_untracked() {
            save.dispatch_local(());
        }
    };
    let regions: Vec<_> = REGIONS.map(|one| (wire_name(one), t(one.label()).to_owned())).into();
    let languages: Vec<_> =
        Language::ALL.map(|one| (wire_name(one), one.label().to_owned())).into();
    let systems: Vec<_> = Units::ALL.map(|one| (wire_name(one), t(one.label()).to_owned())).into();
    let visibilities: Vec<_> =
        Visibility::ALL.map(|one| (wire_name(one), t(one.label()).to_owned())).into();
    let boxes: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| {
            view! {
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=move || roles.with(|roles| roles.contains(&role))
                        on:change:target=move |event| {
                            let wanted = event.target().checked();
                            roles.update(|roles| {
                                roles.retain(|one| *one != role);
                                if wanted {
                                    roles.push(role);
                                }
                            });
                        }
                    />
                    {t(role.label())}
                </label>
            }
        })
        .collect();
    view! {
        <form class="card stack" novalidate=true on:submit=submit>
            <FormProblem problem />
            <SelectField
                label=t("KFRE baseline") pointer="/kfre_region" value=region options=regions problem form="settings"
                hint=t("For new predictions; earlier ones keep theirs, and everybody may choose another")
            />
            <div class="grid-2">
                <SelectField
                    label=t("Language") pointer="/language" value=language options=languages problem form="settings"
                    hint=t("Of the sign-in page, and of whoever has chosen none")
                />
                <SelectField
                    label=t("Units") pointer="/units" value=units options=systems problem form="settings"
                    hint=t("Of whoever has chosen none; values are kept as they were recorded")
                />
            </div>
            <div class="grid-2">
                <SelectField
                    label=t("Who sees whom") pointer="/visibility" value=visibility options=visibilities problem form="settings"
                    hint=t("Whoever registers a patient is the first of the care team")
                />
                <TextField
                    label=t("An emergency opens a record for minutes") pointer="/emergency_access_minutes" kind="number"
                    value=emergency problem form="settings" hint=t("15 to 1440; to others than the care team")
                />
            </div>
            <p class="fine">
                <a href="/emergency-access">{t("Emergencies, and records that nobody is left to care for")}</a>
            </p>
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=move || risk.get()
                    on:change:target=move |event| risk.set(event.target().checked())
                />
                {t("Patients see the risk in their own record")}
            </label>
            <fieldset class="field">
                <legend>{t("A second factor is required of")}</legend>
                <div class="row">{boxes}</div>
            </fieldset>
            <div class="grid-2">
                <TextField
                    label=t("A session ends after minutes without use") pointer="/session_idle_minutes" kind="number"
                    value=idle problem form="settings" hint=t("16 to 1440")
                />
                <TextField
                    label=t("and in any case after hours") pointer="/session_hours" kind="number"
                    value=hours problem form="settings" hint=t("1 to 168")
                />
            </div>
            <TextField
                label=t("Fewest people in a group of researchers' summaries") pointer="/minimum_cell_size"
                kind="number" value=smallest problem form="settings"
                hint=t("5 to 100; counts from the next publication on")
            />
            <div class="grid-2">
                <TextField
                    label=t("Privacy budget of an API token (ε)") pointer="/token_privacy_budget" kind="number"
                    value=of_token problem form="settings" hint=t("0 to 100, for ever; 0 answers no private counts")
                />
                <TextField
                    label=t("and of an account with all its tokens (ε)") pointer="/account_privacy_budget"
                    kind="number" value=of_account problem form="settings" hint=t("0 to 100")
                />
            </div>
            <TextField
                label=t("A record is kept for years after it was archived") pointer="/retention_years"
                kind="number" value=kept problem form="settings"
                hint=t("0 to 100; after that it may be erased, by hand")
            />
            <p class="fine"><a href="/archived-records">{t("Archived records, and erasing them")}</a></p>
            <div class="form-actions">
                <button type="submit" class="btn btn-primary">{t("Save")}</button>
                <span role="status">{move || saved.get()}</span>
            </div>
            {move || current.with(|current| current.changed_at).map(|moment| view! {
                <p class="fine">{tf!("Last changed {moment}.", moment = format::date_time(moment))}</p>
            })}
        </form>
    }
}
