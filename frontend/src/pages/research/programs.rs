//! The same for a program: the code that asks what the page shows.

use leptos::prelude::*;
use shared::phrase;
use shared::problem::Problem;

use super::Choice;
use crate::{
    api::summaries::address,
    components::{field::SelectField, shown_once::Copyable},
    language::{around, t},
};

/// What the code asks for.
#[derive(Clone, Copy)]
enum Wanted {
    Figures,
    Performance,
    Private,
    Rows,
}

const WANTED: [(&str, &str, Wanted); 4] = [
    ("figures", phrase!("Figures of groups"), Wanted::Figures),
    ("performance", phrase!("Told and observed"), Wanted::Performance),
    ("private", phrase!("Private counts"), Wanted::Private),
    ("rows", phrase!("Rows without identity"), Wanted::Rows),
];
const LANGUAGES: [(&str, &str); 3] = [("curl", "curl"), ("python", "Python (pandas)"), ("r", "R")];

/// Code to copy, for what is chosen on the page.
#[component]
pub fn ForPrograms(
    /// The groups and filters of the page.
    choice: Choice,
) -> impl IntoView {
    let language = RwSignal::new("curl".to_owned());
    let wanted = RwSignal::new("figures".to_owned());
    let owned = |(value, label): (&str, &str)| (value.to_owned(), label.to_owned());
    let languages: Vec<_> = LANGUAGES.map(owned).into();
    let tables: Vec<_> = WANTED.map(|(value, label, _)| owned((value, t(label)))).into();
    let problem = Signal::derive(|| None::<Problem>);
    let [before, make, behind] =
        around(t("Needs a token for summaries: *make one*. What it asks is on record."));
    let code = move || {
        let is_it = |one: &&(&str, &str, Wanted)| wanted.with(|wanted| wanted == one.0);
        let wanted = WANTED.iter().find(is_it).map_or(Wanted::Figures, |one| one.2);
        let call = Call::new(wanted, choice);
        language.with(|language| match language.as_str() {
            "python" => call.python(),
            "r" => call.r(),
            _ => call.curl(),
        })
    };
    view! {
        <section class="card stack" aria-labelledby="programs">
            <h2 id="programs">{t("The same for a program")}</h2>
            <p>
                {before} <a href="/tokens">{make}</a> {behind}
            </p>
            <div class="question">
                <SelectField label=t("What") pointer="/what" value=wanted options=tables problem form="program" />
                <SelectField label=t("Programming language") pointer="/language" value=language options=languages problem form="program" />
            </div>
            {move || view! { <Copyable text=code() /> }}
        </section>
    }
}

/// A call of the API.
struct Call {
    wanted: Wanted,
    url: String,
    /// Where in the answer the table is.
    list: &'static str,
    /// What is sent, as JSON.
    body: String,
}

impl Call {
    fn new(wanted: Wanted, choice: Choice) -> Self {
        let mut body = String::new();
        let (path, list) = match wanted {
            Wanted::Figures if choice.is_risk() => {
                (address("risk-distribution", &choice.asked()), "histograms")
            }
            Wanted::Figures => (address(choice.operation(), &choice.asked()), "groups"),
            Wanted::Performance => ("/summaries/model-performance".to_owned(), "voices"),
            Wanted::Private => {
                // Names and numbers: it can always be written.
                body = serde_json::to_string(&choice.private()).unwrap_or_default();
                ("/summaries/private-counts".to_owned(), "counts")
            }
            Wanted::Rows => ("/summaries/export?format=csv".to_owned(), ""),
        };
        let site = window().location().origin().unwrap_or_default();
        Self { wanted, url: format!("{site}/api/v1{path}"), list, body }
    }

    fn curl(&self) -> String {
        let Self { url, body, .. } = self;
        let more = match self.wanted {
            Wanted::Private => format!(" \\\n  -H 'Content-Type: application/json' -d '{body}'"),
            Wanted::Rows => " -o rows.csv".to_owned(),
            Wanted::Figures | Wanted::Performance => String::new(),
        };
        format!(
            "curl --fail-with-body -s -H \"Authorization: Bearer $NEPHROCAST_TOKEN\" \\\n  '{url}'{more}"
        )
    }

    fn python(&self) -> String {
        let Self { url, list, body, .. } = self;
        let token = "{\"Authorization\": \"Bearer \" + os.environ[\"NEPHROCAST_TOKEN\"]}";
        let (method, more) = match self.wanted {
            Wanted::Rows => {
                return format!(
                    "import os, pandas as pd\n\
                     rows = pd.read_csv(\"{url}\",\n    storage_options={token})\n\
                     print(rows.describe())"
                );
            }
            Wanted::Private => ("post", format!(",\n    json={body}")),
            Wanted::Figures | Wanted::Performance => ("get", String::new()),
        };
        format!(
            "import os, pandas as pd, requests\n\
             answer = requests.{method}(\"{url}\",\n    headers={token}{more})\n\
             answer.raise_for_status()\n\
             print(pd.json_normalize(answer.json()[\"{list}\"]))"
        )
    }

    fn r(&self) -> String {
        let Self { url, list, body, .. } = self;
        let opened = format!(
            "url(\"{url}\",\n  headers = c(Authorization = paste(\"Bearer\", Sys.getenv(\"NEPHROCAST_TOKEN\"))))"
        );
        match self.wanted {
            Wanted::Rows => format!("rows <- read.csv({opened})\nprint(summary(rows))"),
            Wanted::Private => format!(
                "library(httr2)\n\
                 answer <- request(\"{url}\") |>\n  \
                 req_auth_bearer_token(Sys.getenv(\"NEPHROCAST_TOKEN\")) |>\n  \
                 req_body_raw('{body}', type = \"application/json\") |>\n  \
                 req_perform() |> resp_body_json(simplifyVector = TRUE)\n\
                 print(answer${list})"
            ),
            Wanted::Figures | Wanted::Performance => format!(
                "library(jsonlite)\n\
                 answer <- fromJSON({opened}, flatten = TRUE)\n\
                 print(answer${list})"
            ),
        }
    }
}
