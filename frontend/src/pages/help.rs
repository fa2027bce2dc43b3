//! How to read what Nephrocast shows, what it is computed from, and how to work in it.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    INTENDED_USE,
    observation::ObservationCode,
    phrase,
    prediction::{ACategory, GCategory},
};

use crate::{app::set_title, format, language::t};

pub mod formulas;

/// Keys, and what they do.
const KEYS: [(&str, &str); 9] = [
    ("F8", phrase!("Hide names and record numbers on every page, or show them again")),
    ("Tab, Shift + Tab", phrase!("The next field or button, the one before")),
    ("Enter", phrase!("In a form: send it. While values are entered: record all rows")),
    ("Space", phrase!("Press the button, tick the box, open the section in focus")),
    ("Escape", phrase!("Close the dialog, the menu or the preview")),
    ("← →", phrase!("While a slider of the simulation is in focus: move its value")),
    ("Ctrl + V", phrase!("Into a row of values: cells copied from a spreadsheet")),
    ("Ctrl + mouse wheel", phrase!("Over a chart: nearer or farther in time; drag to move along")),
    ("Ctrl + P", phrase!("Print the page, on paper of its own layout")),
];

/// The page.
#[component]
pub fn HelpPage() -> impl IntoView {
    set_title(t("Help"));
    let sections = [
        ("risk", t("How to read the risk")),
        ("differ", t("Why KFRE and the network may differ")),
        ("formulas", t("Formulas and their sources")),
        ("categories", t("Categories")),
        ("units", t("Units")),
        ("entry", t("Entering values")),
        ("keys", t("Keyboard")),
        ("privacy", t("When somebody looks over your shoulder")),
        ("use", t("What it is not for")),
    ];
    let contents = sections.map(|(id, title)| {
        // The router would take the address for a page.
        view! { <li><a href=format!("#{id}") rel="external" on:click=move |event| leap(&event, id)>{title}</a></li> }
    });
    view! {
        <div class="page page-narrow prose">
            <h1>{t("Help")}</h1>
            <nav aria-label=t("On this page")><ul class="help-contents">{contents}</ul></nav>
            <Risk />
            <Differ />
            <formulas::Formulas />
            <Categories />
            <Units />
            <Entry />
            <Keys />
            <Privacy />
            <section class="notice notice-warning">
                <h2 id="use" tabindex="-1" class="notice-title">{t("What it is not for")}</h2>
                <p>{t(INTENDED_USE)}</p>
                <p><A href="/about">{t("About Nephrocast and its sources")}</A></p>
            </section>
        </div>
    }
}

fn leap(event: &leptos::ev::MouseEvent, id: &str) {
    event.prevent_default();
    crate::app::focus(id);
}

#[component]
fn Section(id: &'static str, title: &'static str, children: Children) -> impl IntoView {
    view! {
        <section class="card stack" aria-labelledby=id>
            <h2 id=id tabindex="-1">{title}</h2>
            {children()}
        </section>
    }
}

#[component]
fn Risk() -> impl IntoView {
    view! {
        <Section id="risk" title=t("How to read the risk")>
            <p>
                {t("A risk is always of something within a time: kidney failure, which means dialysis or a kidney transplant, within 2 or within 5 years. A risk of 12 % means: of 100 people with such values, 12 reach kidney failure in that time and 88 do not. Nobody can say to which of them one person belongs.")}
            </p>
            <ul>
                <li>{t("The full dots of the picture with 100 people are those who reach kidney failure.")}</li>
                <li>{t("The network’s interval says how far its own answer could move, nine times in ten. It does not hold what the network cannot know.")}</li>
                <li>{t("A risk above 95 % is shown as “> 95 %”, because no equation knows it better. There is never a date on which kidneys will fail.")}</li>
                <li>{t("The category follows the risk: low under 3 % within 5 years, moderate from 3 %, high above 10 % within 2 years, very high above 40 % within 2 years (KDIGO 2024, practice points 2.2.1 to 2.2.3). It comes from KFRE where it applies, otherwise from the network, and the page says from which.")}</li>
                <li>{t("A prediction rests on the values of its moment. When the record changes afterwards, the page says so; predict again then.")}</li>
            </ul>
        </Section>
    }
}

#[component]
fn Differ() -> impl IntoView {
    view! {
        <Section id="differ" title=t("Why KFRE and the network may differ")>
            <ul>
                <li>{t("They read different things. KFRE takes one eGFR and one albuminuria with age and sex; the network reads the whole course, therapies, diagnoses and the biopsy as well. Somebody whose eGFR has been stable for years gets a lower answer from it than somebody who has just fallen to the same eGFR.")}</li>
                <li>{t("They learned from different people. KFRE was fitted to hundreds of thousands of real patients in many countries; the network to simulated ones. Where both speak, KFRE is the one that has been validated.")}</li>
                <li>{t("They treat death differently. KFRE counts whoever dies before as if they could still reach kidney failure, and so says too much of the old and frail; the network takes death for an end of its own.")}</li>
                <li>{t("They are calibrated to different places: KFRE has a baseline for each region, the network has none.")}</li>
                <li>{t("The network answers wherever there is an eGFR, with an interval; KFRE gives no number at an eGFR of 60 or more, without albuminuria, under 18 years or while acute kidney injury is suspected.")}</li>
            </ul>
            <p>{t("If they are far apart, look at the contributions and at the course: mostly one of them sees something the other cannot. Trust neither more for the difference.")}</p>
        </Section>
    }
}

#[component]
fn Categories() -> impl IntoView {
    let egfr = [
        (GCategory::G1, "≥ 90", t("normal or high")),
        (GCategory::G2, "60–89", t("mildly decreased")),
        (GCategory::G3a, "45–59", t("mildly to moderately decreased")),
        (GCategory::G3b, "30–44", t("moderately to severely decreased")),
        (GCategory::G4, "15–29", t("severely decreased")),
        (GCategory::G5, "< 15", t("kidney failure")),
    ]
    .map(|(category, range, words)| row(category.label(), range, words));
    let albuminuria = [
        (ACategory::A1, "< 30", t("normal to mildly increased")),
        (ACategory::A2, "30–300", t("moderately increased")),
        (ACategory::A3, "> 300", t("severely increased")),
    ]
    .map(|(category, range, words)| row(category.label(), range, words));
    let head = |measure: String| {
        view! {
            <thead>
                <tr>
                    <th scope="col">{t("Category")}</th>
                    <th scope="col">{measure}</th>
                    <th scope="col">{t("In words")}</th>
                </tr>
            </thead>
        }
    };
    let unit = |code: ObservationCode| format::unit(code.canonical_unit());
    view! {
        <Section id="categories" title=t("Categories")>
            <table class="table table-tight">
                {head(format!("eGFR, {}", unit(ObservationCode::Egfr)))}
                <tbody>{egfr}</tbody>
            </table>
            <table class="table table-tight">
                {head(format!("uACR, {}", unit(ObservationCode::Uacr)))}
                <tbody>{albuminuria}</tbody>
            </table>
            <p class="fine">
                "KDIGO 2024 Clinical practice guideline for the evaluation and management of chronic kidney disease. Kidney Int 2024;105(4S):S117–S314."
            </p>
        </Section>
    }
}

fn row(category: &'static str, range: &'static str, words: &'static str) -> impl IntoView {
    view! {
        <tr>
            <th scope="row">{category}</th>
            <td class="nowrap">{range}</td>
            <td>{words}</td>
        </tr>
    }
}

#[component]
fn Units() -> impl IntoView {
    let rows = ObservationCode::ALL.map(|code| {
        let mut units = code.units().into_iter().map(format::unit);
        let kept = units.next();
        let others: Vec<String> = units.collect();
        view! {
            <tr>
                <th scope="row">{t(code.label())}</th>
                <td class="nowrap">{kept}</td>
                <td>{others.join(", ")}</td>
                <td class="nowrap">{code.loinc()}</td>
            </tr>
        }
    });
    view! {
        <Section id="units" title=t("Units")>
            <p>{t("A value is kept as it was given, with its unit, and beside it in one unit for all. Whatever unit is chosen while entering, the equations get the right one.")}</p>
            <div class="table-scroll" tabindex="0" role="region" aria-label=t("Units")>
                <table class="table table-tight">
                    <thead>
                        <tr>
                            <th scope="col">{t("Quantity")}</th>
                            <th scope="col">{t("Kept in")}</th>
                            <th scope="col">{t("Also taken")}</th>
                            <th scope="col">"LOINC"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Section>
    }
}

#[component]
fn Entry() -> impl IntoView {
    view! {
        <Section id="entry" title=t("Entering values")>
            <ul>
                <li>{t("Rows are recorded together: all of them, or none. A value that cannot be is refused at its field; one that is unusual is taken with a remark.")}</li>
                <li>{t("Cells from a spreadsheet can be pasted into a row: a column of numbers, a line for each value with its cells in any order, or a table with quantities in its head and a line for each day.")}</li>
                <li>{t("“Undo” voids what was just recorded and puts it back into the form. Nothing is ever deleted: a voided or corrected value stays in the record, marked, with the reason, and counts no more.")}</li>
                <li>{t("A voided value cannot be made valid again, because others may have acted on its being void. “Enter again” takes it into the form as a new value.")}</li>
                <li>{t("What is typed outlives a reload, an ended session and a lost connection. It is thrown away when you save it, close its dialog, sign out or close the tab.")}</li>
                <li>{t("When the server cannot be reached, a note says so; what waits to be sent is sent by itself as soon as it is back, once only.")}</li>
            </ul>
        </Section>
    }
}

#[component]
fn Keys() -> impl IntoView {
    let rows = KEYS.map(|(keys, does)| {
        view! { <tr><th scope="row" class="nowrap"><kbd>{keys}</kbd></th><td>{t(does)}</td></tr> }
    });
    view! {
        <Section id="keys" title=t("Keyboard")>
            <table class="table table-tight">
                <thead>
                    <tr><th scope="col">{t("Key")}</th><th scope="col">{t("What it does")}</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Section>
    }
}

#[component]
fn Privacy() -> impl IntoView {
    view! {
        <Section id="privacy" title=t("When somebody looks over your shoulder")>
            <p>{t("The eye in the bar, or F8, blurs names, record numbers and dates of birth on every page; the field that you type into stays sharp. This browser remembers the choice. It is for the screen only: who may see a record does not change by it, nor what is printed or saved.")}</p>
        </Section>
    }
}
