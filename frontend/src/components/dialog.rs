//! A question over the page that has to be answered first.

use leptos::{html, prelude::*};

use crate::language::t;

/// A modal dialog, open from the moment it is on the page. Escape and its buttons close it.
#[component]
pub fn Dialog(
    /// What it is about.
    #[prop(into)]
    title: String,
    /// Tells apart dialogs on one page.
    id: &'static str,
    /// Takes it off the page.
    #[prop(into)]
    close: Callback<()>,
    /// Takes the room that there is, for what is looked at.
    #[prop(optional)]
    wide: bool,
    /// What it says and asks.
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    dialog.on_load(|dialog| {
        // It fails only if the dialog is open already.
        let _ = dialog.show_modal();
    });
    view! {
        <dialog
            node_ref=dialog
            class="dialog"
            class:dialog-wide=wide
            aria-labelledby=id
            on:close=move |_| close.run(())
        >
            <div class="stack">
                <h2 id=id>{title}</h2>
                {children()}
            </div>
        </dialog>
    }
}

/// A question with a yes and a no; the answer of the server, if it refuses, stands in between.
#[component]
pub fn Confirm(
    /// The question.
    #[prop(into)]
    title: String,
    /// Tells apart dialogs on one page.
    id: &'static str,
    /// What the yes says.
    verb: &'static str,
    /// Does it; while it is being done the button waits.
    action: Action<(), crate::api::Result<()>>,
    /// Takes the question off the page.
    #[prop(into)]
    close: Callback<()>,
    /// What it means.
    children: Children,
) -> impl IntoView {
    let pending = action.pending();
    let problem = move || action.value().get().and_then(Result::err);
    view! {
        <Dialog title id close>
            {children()}
            <super::problem_note::FormProblem problem=Signal::derive(problem) />
            <div class="form-actions">
                <button
                    type="button"
                    class="btn btn-danger"
                    disabled=move || pending.get()
                    on:click=move |_| {
                        action.dispatch_local(());
                    }
                >
                    {verb}
                </button>
                <button type="button" class="btn btn-quiet" on:click=move |_| close.run(())>
                    {t("Cancel")}
                </button>
            </div>
        </Dialog>
    }
}
