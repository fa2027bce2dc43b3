//! Accounts, run by administrators.

use leptos::prelude::*;
use shared::{
    access::{Reach, Role},
    id::PatientId,
    page::Page,
    problem::{FieldProblem, Problem},
    user::{Account, AccountPatch, AccountState, NewAccount, PasswordLink},
};

use crate::{
    api::{self, patients::ListQuery, users::ListQuery as Wanted},
    app::set_title,
    components::{
        async_view::AsyncView,
        dialog::Dialog,
        field::{SelectField, TextField},
        more::{More, Paged},
        problem_note::FormProblem,
        record_form::{RecordForm, incomplete, wire_name},
        shown_once::ShownOnce,
    },
    format,
    language::t,
    session, tf,
};

/// The dialog that is open.
#[derive(Clone)]
enum Open {
    New,
    Edit(Account),
    Link(String, PasswordLink),
}

type Accounts = LocalResource<api::Result<Page<Account>>>;

/// The list of accounts, and ways to make and change them.
#[component]
pub fn UsersPage() -> impl IntoView {
    set_title(t("Users"));
    let (q, role, state) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let wanted = Memo::new(move |_| Wanted {
        q: q.get().trim().to_owned(),
        role: role.get(),
        state: state.get(),
    });
    let accounts: Accounts = LocalResource::new(move || {
        let wanted = wanted.get();
        async move { api::users::list(&wanted, "").await }
    });
    let open = RwSignal::new(None::<Open>);
    let close = Callback::new(move |()| open.set(None));
    view! {
        <div class="page">
            <div class="page-head">
                <h1>{t("Users")}</h1>
                <button type="button" class="btn btn-primary" on:click=move |_| open.set(Some(Open::New))>
                    {t("New user")}
                </button>
            </div>
            <section class="card card-flush" aria-label=t("User list")>
                <form class="filters" role="search" on:submit=|event| event.prevent_default()>
                    <label class="filter filter-search">
                        <span>{t("Search")}</span>
                        <input
                            type="search" class="control" placeholder=t("Name or e-mail address")
                            autocomplete="off" maxlength="100"
                            on:change:target=move |event| q.set(event.target().value())
                        />
                    </label>
                    <Choice label=t("Role") value=role options=roles() />
                    <Choice
                        label=t("State") value=state
                        options=AccountState::ALL.map(|one| (wire_name(one), t(one.label()).to_owned())).into()
                    />
                </form>
                <AsyncView resource=accounts rows=6 render=move |page| view! { <List page wanted=wanted.get_untracked() open /> } />
            </section>
            {move || open.get().map(|asked| match asked {
                Open::New => view! { <New close open accounts /> }.into_any(),
                Open::Edit(account) => view! { <Edit account close open accounts /> }.into_any(),
                Open::Link(name, link) => view! { <Link name link close /> }.into_any(),
            })}
        </div>
    }
}

fn roles() -> Vec<(String, String)> {
    Role::ALL.map(|role| (wire_name(role), t(role.label()).to_owned())).into()
}

#[component]
fn Choice(
    label: &'static str,
    value: RwSignal<String>,
    options: Vec<(String, String)>,
) -> impl IntoView {
    let options: Vec<_> = options
        .into_iter()
        .map(|(option, text)| view! { <option value=option>{text}</option> })
        .collect();
    view! {
        <label class="filter">
            <span>{label}</span>
            <select class="control" on:change:target=move |event| value.set(event.target().value())>
                <option value="">{t("Any")}</option>
                {options}
            </select>
        </label>
    }
}

#[component]
fn List(page: Page<Account>, wanted: Wanted, open: RwSignal<Option<Open>>) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <p class="empty" role="status">{t("Nobody matches.")}</p> }.into_any();
    }
    let Paged { items, rest } = Paged::after(page, move |from| {
        let wanted = wanted.clone();
        async move { api::users::list(&wanted, &from).await }
    });
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Users")>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">{t("Name")}</th>
                        <th scope="col">{t("Role")}</th>
                        <th scope="col">{t("State")}</th>
                        <th scope="col">{t("Second factor")}</th>
                        <th scope="col">{t("Last sign-in")}</th>
                        <th scope="col"><span class="visually-hidden">{t("Action")}</span></th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || items.get() key=|account| (account.id, account.version) let:account>
                        <Line account open />
                    </For>
                </tbody>
            </table>
        </div>
        <div class="list-end">
            <More rest />
        </div>
    }
    .into_any()
}

#[component]
fn Line(account: Account, open: RwSignal<Option<Open>>) -> impl IntoView {
    let label = tf!("Manage {name}", name = account.display_name);
    let seen = account.last_sign_in_at.map_or_else(|| t("never").to_owned(), format::date_time);
    view! {
        <tr>
            <th scope="row">{account.display_name.clone()} <span class="when">{account.email.clone()}</span></th>
            <td>{t(account.role.label())}</td>
            <td class="nowrap"><span class="badge">{t(account.state.label())}</span></td>
            <td>{if account.second_factor { t("on") } else { t("off") }}</td>
            <td class="nowrap">{seen}</td>
            <td>
                <button
                    type="button" class="btn btn-small" aria-label=label
                    on:click=move |_| open.set(Some(Open::Edit(account.clone())))
                >
                    {t("Manage")}
                </button>
            </td>
        </tr>
    }
}

/// Name, role and, for a patient, whose record; what a form of an account asks.
#[derive(Clone, Copy)]
struct Draft {
    email: RwSignal<String>,
    name: RwSignal<String>,
    role: RwSignal<String>,
    mrn: RwSignal<String>,
    problem: RwSignal<Option<Problem>>,
}

impl Draft {
    fn new(name: &str, role: &str) -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            email: text(""),
            name: text(name),
            role: text(role),
            mrn: text(""),
            problem: RwSignal::new(None),
        }
    }

    fn role(self) -> Option<Role> {
        Role::ALL.into_iter().find(|role| wire_name(role) == self.role.get())
    }

    /// The record with the number that was typed, if one was.
    async fn patient(self) -> api::Result<Option<PatientId>> {
        let mrn = self.mrn.get_untracked().trim().to_owned();
        if mrn.is_empty() {
            return Ok(None);
        }
        let query = ListQuery { q: mrn.clone(), ..ListQuery::default() };
        let found = api::patients::list(&query).await?.items;
        let found = found.into_iter().find(|patient| patient.mrn == mrn).map(|patient| patient.id);
        let unknown =
            || incomplete(vec![FieldProblem::new("/patient_id", t("No record has this number."))]);
        found.map(Some).ok_or_else(unknown)
    }
}

#[component]
fn Fields(draft: Draft) -> impl IntoView {
    let Draft { name, role, mrn, problem, .. } = draft;
    view! {
        <TextField label=t("Name") pointer="/display_name" value=name problem form="user" required=true />
        <SelectField label=t("Role") pointer="/role" value=role options=roles() problem form="user" />
        {move || {
            let own = draft.role().is_some_and(|role| role.reach() == Reach::OwnRecord);
            own.then(|| view! {
                <TextField
                    label=t("Medical record number") pointer="/patient_id" value=mrn problem form="user"
                    hint=t("Whose record the account reads; empty changes nothing")
                />
            })
        }}
    }
}

#[component]
fn New(close: Callback<()>, open: RwSignal<Option<Open>>, accounts: Accounts) -> impl IntoView {
    let draft = Draft::new("", &roles()[1].0);
    let save = Action::new_local(move |(): &()| async move {
        let made = match (draft.role(), draft.patient().await) {
            (Some(role), Ok(patient_id)) => {
                let (email, display_name) =
                    (draft.email.get_untracked(), draft.name.get_untracked());
                api::users::create(&NewAccount { email, display_name, role, patient_id }).await
            }
            (_, Err(failed)) => Err(failed),
            (None, _) => Err(incomplete(Vec::new())),
        };
        match made {
            Ok(made) => {
                accounts.refetch();
                let link =
                    made.password_link.map(|link| Open::Link(made.account.display_name, link));
                open.set(link);
            }
            Err(failed) => draft.problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("New user") id="new-user" close>
            <RecordForm save verb=t("Make account") close problem=draft.problem>
                <TextField
                    label=t("E-mail address") pointer="/email" kind="email" value=draft.email
                    problem=draft.problem form="user" required=true
                />
                <Fields draft />
            </RecordForm>
        </Dialog>
    }
}

/// The link, this once.
#[component]
fn Link(name: String, link: PasswordLink, close: Callback<()>) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    view! {
        <Dialog title=tf!("The link for {name}", name = name) id="password-link" close>
            <p>
                {tf!(
                    "Pass it on to this person and to nobody else: whoever has it sets the password. It is \
                     shown this once, good once, and ends on {moment}.",
                    moment = format::date_time(link.expires_at),
                )}
            </p>
            <ShownOnce secret=format!("{origin}{}", link.path) />
            <button type="button" class="btn btn-primary" on:click=move |_| close.run(())>
                {t("I have passed it on")}
            </button>
        </Dialog>
    }
}

/// What can be done to an account beside changing its facts.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Reset,
    Unlock,
    RemoveFactor,
    Activate(bool),
}

#[component]
fn Edit(
    account: Account,
    close: Callback<()>,
    open: RwSignal<Option<Open>>,
    accounts: Accounts,
) -> impl IntoView {
    let (id, version) = (account.id, account.version);
    let draft = Draft::new(&account.display_name, &wire_name(account.role));
    let done = Callback::new(move |()| {
        accounts.refetch();
        close.run(());
    });
    let save = Action::new_local(move |(): &()| async move {
        let saved = match draft.patient().await {
            Ok(patient_id) => {
                let patch = AccountPatch {
                    display_name: Some(draft.name.get_untracked()),
                    role: draft.role(),
                    patient_id: patient_id.map(Some),
                    active: None,
                };
                api::users::update(id, version, &patch).await
            }
            Err(failed) => Err(failed),
        };
        match saved {
            Ok(_) => done.run(()),
            Err(failed) => draft.problem.set(Some(failed)),
        }
    });
    let name = account.display_name.clone();
    let failed = RwSignal::new(None::<Problem>);
    let act = Action::new_local(move |act: &Act| {
        let (act, name) = (*act, name.clone());
        async move {
            let patch = |active| AccountPatch { active: Some(active), ..AccountPatch::default() };
            let answer = match act {
                Act::Reset => api::users::reset_password(id).await.map(Some),
                Act::Unlock => api::users::unlock(id).await.map(|_| None),
                Act::RemoveFactor => api::users::remove_second_factor(id).await.map(|()| None),
                Act::Activate(active) => {
                    api::users::update(id, version, &patch(active)).await.map(|_| None)
                }
            };
            match answer {
                Ok(None) => done.run(()),
                Ok(Some(link)) => {
                    accounts.refetch();
                    open.set(Some(Open::Link(name, link)));
                }
                Err(problem) => failed.set(Some(problem)),
            }
        }
    });
    let own = session::user().is_some_and(|user| user.id == id);
    let closed = account.state == AccountState::Deactivated;
    let acts = [
        (!own && !closed, t("Reset password"), Act::Reset),
        (account.state == AccountState::Locked, t("Unlock"), Act::Unlock),
        (!own && account.second_factor, t("Remove second factor"), Act::RemoveFactor),
        (!closed, t("Deactivate"), Act::Activate(false)),
        (closed, t("Activate again"), Act::Activate(true)),
    ];
    let buttons: Vec<_> = acts
        .into_iter()
        .filter(|(possible, ..)| *possible)
        .map(|(_, text, one)| {
            view! {
                <button
                    type="button" class="btn btn-small"
                    class:btn-danger=one == Act::Activate(false)
                    on:click=move |_| { act.dispatch_local(one); }
                >
                    {text}
                </button>
            }
        })
        .collect();
    view! {
        <Dialog title=tf!("Manage {name}", name = account.display_name) id="edit-user" close>
            <p class="fine">{account.email} " · " {t(account.state.label())}</p>
            <RecordForm save verb=t("Save") close problem=draft.problem>
                <Fields draft />
            </RecordForm>
            <FormProblem problem=failed />
            <div class="row">{buttons}</div>
        </Dialog>
    }
}
