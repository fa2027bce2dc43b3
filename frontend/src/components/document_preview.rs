//! A document shown over the page: pictures and PDFs, which browsers can show by themselves.
//!
//! The server gives every document away as an attachment that runs nothing. What is shown here is
//! the same content, fetched with the session and held by this page under a `blob:` address, which
//! is all that the content security policy lets into a frame.

use js_sys::Reflect;
use leptos::prelude::*;
use shared::document::Document;
use web_sys::Url;

use super::dialog::Dialog;
use crate::api;
use crate::language::t;

/// How a document can be looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// As a picture.
    Picture,
    /// By the browser's own reader of PDFs.
    Pages,
    /// It can only be saved.
    Nowhere,
}

impl Showing {
    /// What this browser makes of a type of content.
    pub fn of(media_type: &str) -> Self {
        match media_type {
            "image/png" | "image/jpeg" => Self::Picture,
            "application/pdf" if reads_pdf() => Self::Pages,
            _ => Self::Nowhere,
        }
    }
}

/// Whether the browser shows PDFs in a page; those of telephones often do not.
fn reads_pdf() -> bool {
    let said = Reflect::get(&window().navigator(), &"pdfViewerEnabled".into());
    said.ok().and_then(|said| said.as_bool()).unwrap_or(true)
}

/// The document over the page. Its address is given back when the dialog goes.
#[component]
pub fn Preview(
    /// What is shown.
    document: Document,
    /// Where this page holds its content.
    address: String,
    /// Takes it off the page.
    #[prop(into)]
    close: Callback<()>,
) -> impl IntoView {
    let given = address.clone();
    on_cleanup(move || {
        // It can be revoked once only, which is now.
        let _ = Url::revoke_object_url(&given);
    });
    let title = document.title.clone();
    let content = match Showing::of(&document.media_type) {
        // A sandboxed frame would keep the browser's reader out; the policy keeps scripts out.
        Showing::Pages => {
            view! { <iframe class="preview" src=address title=title.clone()></iframe> }.into_any()
        }
        _ => view! { <img class="picture" src=address alt=title.clone() /> }.into_any(),
    };
    let problem = RwSignal::new(None);
    let save = Action::new_local(move |document: &Document| {
        let document = document.clone();
        async move {
            // The dialog may have been closed meanwhile.
            let _ = problem.try_set(api::documents::save(&document).await.err());
        }
    });
    view! {
        <Dialog title id="preview" close wide=true>
            {content}
            {move || problem.get().map(|problem| view! { <super::problem_note::ProblemNote problem /> })}
            // In the focus at first: in the reader's frame Escape would not close the dialog.
            <div class="form-actions">
                <button type="button" class="btn btn-primary" autofocus=true on:click=move |_| close.run(())>{t("Close")}</button>
                <button
                    type="button"
                    class="btn"
                    on:click=move |_| { save.dispatch_local(document.clone()); }
                >
                    {t("Save")}
                </button>
            </div>
        </Dialog>
    }
}
