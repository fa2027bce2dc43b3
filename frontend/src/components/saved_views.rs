//! Views of the patient list that somebody keeps under a name: chosen, saved, renamed, deleted.

use leptos::prelude::*;
use shared::{
    patient::PatientFilter,
    problem::Problem,
    view::{NewView, View},
};

use super::{
    dialog::{Confirm, Dialog},
    field::TextField,
    problem_note::ProblemNote,
    record_form::RecordForm,
};
use crate::{
    api::{self, patients::ListQuery},
    app::focus,
    language::t,
    tf,
};

/// The element that gets the focus back when a dialog has closed.
const CHOICE: &str = "saved-view";

/// The dialog that is open.
#[derive(Clone)]
enum Open {
    Save,
    Rename(View),
    Delete(View),
}

/// The views' row over the list.
#[component]
pub fn SavedViews(
    /// What the list shows.
    wanted: Memo<ListQuery>,
    /// Shows another list.
    want: Callback<ListQuery>,
    /// What the list shows where no view is chosen.
    none: ListQuery,
) -> impl IntoView {
    let views = LocalResource::new(api::me::views);
    let all = Memo::new(move |_| {
        views.get().and_then(Result::ok).map(|views| views.items).unwrap_or_default()
    });
    // The list is a view as long as it shows what the view does.
    let shown = Memo::new(move |_| {
        let wanted = wanted.get();
        all.with(|all| all.iter().find(|view| ListQuery::from(*view) == wanted).cloned())
    });
    let open = RwSignal::new(None::<Open>);
    let close = Callback::new(move |()| {
        open.set(None);
        // Nothing behind a dialog takes the focus before the dialog is gone.
        request_animation_frame(|| focus(CHOICE));
    });
    let done = Callback::new(move |()| {
        views.refetch();
        close.run(());
    });
    let choose = move |id: &str| {
        let chosen = |view: &&View| view.id.to_string() == id;
        let query = all.with_untracked(|all| all.iter().find(chosen).map(ListQuery::from));
        want.run(query.unwrap_or_else(|| none.clone()));
    };
    let options = move || {
        let option = |View { id, name, .. }: View| {
            let selected =
                move || shown.with(|shown| shown.as_ref().is_some_and(|one| one.id == id));
            view! { <option value=id.to_string() prop:selected=selected>{name}</option> }
        };
        all.get().into_iter().map(option).collect_view()
    };
    view! {
        <div class="views" role="group" aria-label=t("Saved views")>
            <label class="filter">
                <span>{t("View")}</span>
                <select
                    id=CHOICE
                    class="control"
                    on:change:target=move |event| choose(&event.target().value())
                >
                    <option value="" prop:selected=move || shown.with(Option::is_none)>
                        {t("No view")}
                    </option>
                    {options}
                </select>
            </label>
            <Buttons wanted shown open />
            {move || views.get().and_then(Result::err).map(|problem| {
                let retry = Callback::new(move |()| views.refetch());
                view! { <ProblemNote problem retry /> }
            })}
        </div>
        {move || open.get().map(|asked| match asked {
            Open::Save => view! { <Name wanted renamed=None done close /> }.into_any(),
            Open::Rename(view) => view! { <Name wanted renamed=Some(view) done close /> }.into_any(),
            Open::Delete(view) => view! { <Delete view done close /> }.into_any(),
        })}
    }
}

/// What can be done with what the list shows.
#[component]
fn Buttons(
    wanted: Memo<ListQuery>,
    shown: Memo<Option<View>>,
    open: RwSignal<Option<Open>>,
) -> impl IntoView {
    let can_save = move || wanted.with(|wanted| wanted.is_understood() && wanted.order().is_some());
    move || match shown.get() {
        None => view! {
            <button
                type="button" class="btn" disabled=move || !can_save()
                on:click=move |_| open.set(Some(Open::Save))
            >
                {t("Save view")}
            </button>
        }
        .into_any(),
        Some(view) => {
            let (renamed, deleted) = (view.clone(), view);
            view! {
                <button
                    type="button" class="btn btn-quiet"
                    on:click=move |_| open.set(Some(Open::Rename(renamed.clone())))
                >
                    {t("Rename view")}
                </button>
                <button
                    type="button" class="btn btn-quiet"
                    on:click=move |_| open.set(Some(Open::Delete(deleted.clone())))
                >
                    {t("Delete view")}
                </button>
            }
            .into_any()
        }
    }
}

/// Asks for a name: for what the list shows, or instead of the one that a view has.
#[component]
fn Name(
    wanted: Memo<ListQuery>,
    renamed: Option<View>,
    done: Callback<()>,
    close: Callback<()>,
) -> impl IntoView {
    let name = RwSignal::new(renamed.as_ref().map(|view| view.name.clone()).unwrap_or_default());
    let (title, verb) = match renamed {
        Some(_) => (t("Rename view"), t("Rename")),
        None => (t("Save view"), t("Save")),
    };
    let problem = RwSignal::new(None::<Problem>);
    let id = renamed.map(|view| view.id);
    let save = Action::new_local(move |(): &()| async move {
        let query = wanted.get_untracked();
        let new = NewView {
            name: name.get_untracked().trim().to_owned(),
            filter: PatientFilter::from(&query),
            sort: query.order().unwrap_or_default(),
            archived: query.archived,
        };
        let saved = match id {
            Some(id) => api::me::replace_view(id, &new).await,
            None => api::me::create_view(&new).await,
        };
        match saved {
            Ok(_) => done.run(()),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title id="name-view" close>
            <p>{t("It keeps the search, the filters and the order. Only you see it.")}</p>
            <RecordForm save verb close problem>
                <TextField label=t("Name") pointer="/name" value=name problem form="view" required=true />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Delete(view: View, done: Callback<()>, close: Callback<()>) -> impl IntoView {
    let id = view.id;
    let action = Action::new_local(move |(): &()| async move {
        api::me::delete_view(id).await?;
        done.run(());
        Ok(())
    });
    view! {
        <Confirm
            title=tf!("Delete the view “{name}”?", name = view.name)
            id="delete-view" verb=t("Delete view") action close
        >
            <p>{t("The patients that it shows stay.")}</p>
        </Confirm>
    }
}
