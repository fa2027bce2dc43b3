//! Private counts: the question above, answered with noise, and paid for.

use leptos::prelude::*;
use shared::{
    privacy::{Budget, PrivateCount, PrivateCounts, PrivateQuestion},
    problem::Problem,
};

use super::{field::SelectField, problem_note::ProblemNote};
use crate::{api, format, language::t, pages::research::words, tf};

/// The section of the page.
#[component]
pub fn Private(
    /// The groups and filters that are chosen above.
    question: Signal<PrivateQuestion>,
    /// What it may cost.
    epsilon: RwSignal<String>,
) -> impl IntoView {
    let answer = RwSignal::new(None::<PrivateCounts>);
    let problem = RwSignal::new(None::<Problem>);
    let budgets = LocalResource::new(api::summaries::budgets);
    let ask = Action::new_local(move |(): &()| async move {
        problem.set(None);
        match api::summaries::count_privately(&question.get_untracked()).await {
            Ok(counts) => answer.set(Some(counts)),
            Err(refused) => problem.set(Some(refused)),
        }
        budgets.refetch();
    });
    let prices: Vec<_> =
        [0.05, 0.1, 0.25, 0.5, 1.0].map(|one: f64| (one.to_string(), format::exact(one))).into();
    let none = Signal::derive(|| None::<Problem>);
    view! {
        <section class="card stack" aria-labelledby="private">
            <h2 id="private">{t("Private counts")}</h2>
            <p class="muted">
                {t("The groups and filters above, up to four fields, with nothing withheld: every count has random noise \
                 instead (differential privacy). Each new question spends for ever; the same one again is free.")}
            </p>
            <div class="question">
                <SelectField label=t("Spend (ε)") pointer="/epsilon" value=epsilon options=prices problem=none form="private" />
                <button
                    type="button" class="btn" disabled=move || ask.pending().get()
                    on:click=move |_| { ask.dispatch_local(()); }
                >
                    {t("Count and pay")}
                </button>
                <p role="status">
                    {move || budgets.get().and_then(Result::ok).map(|budgets| {
                        let Budget { limit, left, .. } = budgets.account;
                        tf!("{left} of your {limit} left", left = format::exact(left), limit = format::exact(limit))
                    })}
                </p>
            </div>
            {move || problem.get().map(|problem| view! { <ProblemNote problem /> })}
            {move || answer.get().map(|counts| view! { <Counts counts /> })}
        </section>
    }
}

#[component]
fn Counts(counts: PrivateCounts) -> impl IntoView {
    let PrivateCounts { epsilon, repeated, margin, counts, .. } = counts;
    let file = csv(&counts);
    let save = move |_| {
        let _ = api::summaries::save_figures(&file);
    };
    let rows = counts.into_iter().map(|one| {
        let values: Vec<String> = one.group.values().map(|value| words(value)).collect();
        let name =
            if values.is_empty() { t("Everybody asked for").to_owned() } else { values.join(", ") };
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="number">{format::number(one.people as f64, 0)}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    let cost = if repeated {
        t("Answered before, so it cost nothing.").to_owned()
    } else {
        tf!("It cost {epsilon}.", epsilon = format::exact(epsilon))
    };
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label=t("Private counts")>
            <table class="table table-tight">
                <thead>
                    <tr>
                        <th scope="col">{t("Group")}</th>
                        <th scope="col" class="number">{t("People, with noise")}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="fine">{tf!("19 of 20 counts are at most {margin} from the truth.", margin = format::number(margin as f64, 0))} " " {cost}</p>
        <div class="row">
            <button type="button" class="btn" on:click=save>{t("Download these counts")}</button>
        </div>
    }
}

/// The counts as a file, one line a group.
fn csv(counts: &[PrivateCount]) -> String {
    let Some(first) = counts.first() else { return String::new() };
    let names = first.group.keys().map(String::as_str).chain(["people"]);
    let mut lines = vec![names.collect::<Vec<_>>().join(",")];
    for PrivateCount { group, people } in counts {
        let people = people.to_string();
        let values = group.values().map(String::as_str).chain([people.as_str()]);
        lines.push(values.collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}
