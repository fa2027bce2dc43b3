//! The documents of a record: letters, reports, pictures.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{components::A, hooks::use_params_map};
use shared::{
    access::Permission,
    document::{Document, DocumentKind, LARGEST},
    id::PatientId,
    page::Page,
    patient::Patient,
    problem::{Problem, ProblemKind},
};
use web_sys::{DragEvent, File, FileList};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        dialog::Confirm,
        document_preview::{Preview, Showing},
        field::SelectField,
        more::{More, Paged},
        problem_note::ProblemNote,
    },
    format,
    language::{said, t},
    record, session, tf,
};

type Documents = LocalResource<api::Result<Page<Document>>>;

/// The page of one patient's documents.
#[component]
pub fn DocumentsPage() -> impl IntoView {
    set_title(t("Documents"));
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")?.parse::<PatientId>().ok()));
    let patient = LocalResource::new(move || patient(id.get()));
    view! {
        <div class="page page-narrow">
            <AsyncView resource=patient rows=6 render=|patient| view! { <Parts patient /> } />
        </div>
    }
}

async fn patient(id: Option<PatientId>) -> api::Result<Patient> {
    api::patients::read(id.ok_or_else(|| Problem::new(ProblemKind::NotFound))?).await
}

#[component]
fn Parts(patient: Patient) -> impl IntoView {
    let id = patient.id;
    let documents: Documents = LocalResource::new(move || api::documents::list(id, ""));
    let open = patient.archived_at.is_none();
    let editable = move || open && session::allows(Permission::EditPatients);
    let name = format!("{} {}", patient.given_name, patient.family_name);
    view! {
        <header class="page-head">
            <div>
                <h1>{t("Documents")}</h1>
                <p><A href=record::address(id) attr:class="identifying">{name}</A></p>
            </div>
        </header>
        {move || editable().then(|| view! { <Upload id documents /> })}
        <section class="card" aria-label=t("Documents of the record")>
            <AsyncView
                resource=documents
                rows=4
                render=move |page| view! { <List id page documents editable=Signal::derive(editable) /> }
            />
        </section>
    }
}

/// A file on its way.
#[derive(Clone)]
struct Sending {
    key: usize,
    name: String,
    share: RwSignal<f64>,
    problem: RwSignal<Option<Problem>>,
}

/// Where files are dropped or chosen, and how far each is.
#[component]
fn Upload(id: PatientId, documents: Documents) -> impl IntoView {
    let kind = RwSignal::new(DocumentKind::Other.as_str().to_owned());
    let sending = RwSignal::new(Vec::<Sending>::new());
    let over = RwSignal::new(false);
    let count = StoredValue::new(0);
    let send = move |file: File| {
        let key = count.get_value();
        count.set_value(key + 1);
        let one = Sending {
            key,
            name: file.name(),
            share: RwSignal::new(0.0),
            problem: RwSignal::new(None),
        };
        sending.update(|all| all.push(one.clone()));
        let kind = DocumentKind::parse(&kind.get_untracked()).unwrap_or(DocumentKind::Other);
        spawn_local(async move {
            let sent = if (LARGEST as f64) < file.size() {
                Err(Problem::new(ProblemKind::TooLarge))
            } else {
                api::documents::upload(id, &file, kind, one.share).await
            };
            match sent {
                Ok(_) => {
                    let _ = sending.try_update(|all| all.retain(|other| other.key != key));
                    documents.refetch();
                }
                Err(failed) => {
                    let _ = one.problem.try_set(Some(failed));
                }
            }
        });
    };
    let send_all = move |files: Option<FileList>| {
        let Some(files) = files else { return };
        (0..files.length()).filter_map(|index| files.get(index)).for_each(send);
    };
    let drop_files = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        send_all(event.data_transfer().and_then(|dragged| dragged.files()));
    };
    let options =
        DocumentKind::ALL.map(|kind| (kind.as_str().to_owned(), t(kind.label()).to_owned()));
    view! {
        <section
            class="card stack drop"
            class:drop-over=move || over.get()
            aria-labelledby="add-documents"
            on:dragover=move |event| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=drop_files
        >
            <h2 id="add-documents">{t("Add documents")}</h2>
            <div class="grid-2">
                <SelectField
                    label=t("What they are") pointer="/kind" value=kind options
                    problem=Signal::stored(None::<Problem>)
                />
                <div class="field">
                    <label for="files">{t("Files")}</label>
                    <input
                        type="file" id="files" multiple=true
                        accept=".pdf,.png,.jpg,.jpeg,.tif,.tiff,.dcm"
                        on:change:target=move |event| {
                            send_all(event.target().files());
                            // The same file can be chosen again.
                            event.target().set_value("");
                        }
                    />
                </div>
            </div>
            <p class="fine">{t("PDF, PNG, JPEG, TIFF or DICOM, up to 25 MiB each. Or drop them here.")}</p>
            <ul class="records" aria-live="polite">
                <For each=move || sending.get() key=|one| one.key let:one>
                    <li class="record"><Progress one sending /></li>
                </For>
            </ul>
        </section>
    }
}

#[component]
fn Progress(one: Sending, sending: RwSignal<Vec<Sending>>) -> impl IntoView {
    let Sending { key, name, share, problem } = one;
    let label = tf!("How much of {name} has been sent", name = name);
    move || {
        match problem.get() {
        None => view! {
            <div class="stack-tight">
                <p class="identifying">{name.clone()}</p>
                <progress aria-label=label.clone() max="1" prop:value=move || share.get()></progress>
            </div>
        }
        .into_any(),
        Some(failed) => {
            let errors: Vec<_> = failed
                .errors
                .iter()
                .map(|error| tf!("It {problem}.", problem = said(&error.message)))
                .map(|text| view! { <p>{text}</p> })
                .collect();
            view! {
                <div class="stack-tight">
                    <p><strong>{name.clone()}</strong></p>
                    <ProblemNote problem=failed />
                    {errors}
                </div>
                <button
                    type="button" class="btn btn-small"
                    on:click=move |_| sending.update(|all| all.retain(|other| other.key != key))
                >
                    {t("Dismiss")}
                </button>
            }
            .into_any()
        }
    }
    }
}

/// What is open over the list.
#[derive(Clone)]
enum Open {
    Preview(Document, String),
    Remove(Document),
}

#[component]
fn List(
    id: PatientId,
    page: Page<Document>,
    documents: Documents,
    editable: Signal<bool>,
) -> impl IntoView {
    if page.items.is_empty() {
        return view! {
            <div class="empty" role="status">
                <h2>{t("No documents yet")}</h2>
                <p>{t("Letters, reports and pictures of the record are kept here.")}</p>
            </div>
        }
        .into_any();
    }
    let Paged { items, rest } =
        Paged::after(page, move |from| async move { api::documents::list(id, &from).await });
    let open = RwSignal::new(None::<Open>);
    let problem = RwSignal::new(None::<Problem>);
    view! {
        {move || problem.get().map(|problem| view! { <ProblemNote problem /> })}
        <ul class="records">
            <For each=move || items.get() key=|document| document.id let:document>
                <Line document open problem editable />
            </For>
        </ul>
        <div class="list-end"><More rest /></div>
        {move || open.get().map(|asked| match asked {
            Open::Preview(document, address) => view! {
                <Preview document address close=move |()| open.set(None) />
            }
            .into_any(),
            Open::Remove(document) => view! { <Remove document open documents /> }.into_any(),
        })}
    }
    .into_any()
}

#[component]
fn Line(
    document: Document,
    open: RwSignal<Option<Open>>,
    problem: RwSignal<Option<Problem>>,
    editable: Signal<bool>,
) -> impl IntoView {
    let size = if document.size < 1024 * 1024 {
        format!("{} KiB", document.size.div_euclid(1024) + 1)
    } else {
        format!("{} MiB", format::number(document.size as f64 / 1_048_576.0, 1))
    };
    let form = document.media_type.rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
    let about = tf!(
        "{kind} · {form}, {size} · added {when}",
        kind = t(document.kind.label()),
        form = form,
        size = size,
        when = format::date_time(document.uploaded_at),
    );
    let shown = Showing::of(&document.media_type) != Showing::Nowhere;
    let look = tf!("Show {name}", name = document.title);
    let save = tf!("Save {name}", name = document.title);
    let remove = tf!("Remove {name}", name = document.title);
    let (one, other, third) = (document.clone(), document.clone(), document.clone());
    view! {
        <li class="record">
            <div>
                <p><strong class="identifying">{document.title}</strong></p>
                <p class="fine">{about}</p>
                {(!shown).then(|| view! {
                    <p class="fine">{t("This browser cannot show this kind of file: save it and open it there.")}</p>
                })}
            </div>
            <div class="row">
                {shown.then(|| view! {
                    <button type="button" class="btn btn-small" aria-label=look on:click=move |_| show(one.clone(), open, problem)>
                        {t("Show")}
                    </button>
                })}
                <button type="button" class="btn btn-small" aria-label=save on:click=move |_| {
                    let document = other.clone();
                    spawn_local(async move {
                        let _ = problem.try_set(api::documents::save(&document).await.err());
                    });
                }>
                    {t("Save")}
                </button>
                {move || editable.get().then(|| {
                    let document = third.clone();
                    view! {
                        <button
                            type="button" class="btn btn-small btn-quiet" aria-label=remove.clone()
                            on:click=move |_| open.set(Some(Open::Remove(document.clone())))
                        >
                            {t("Remove")}
                        </button>
                    }
                })}
            </div>
        </li>
    }
}

/// Fetches a document and shows it over the page.
fn show(document: Document, open: RwSignal<Option<Open>>, problem: RwSignal<Option<Problem>>) {
    spawn_local(async move {
        match api::documents::address(document.id).await {
            Ok(address) => {
                let _ = problem.try_set(None);
                let _ = open.try_set(Some(Open::Preview(document, address)));
            }
            Err(failed) => {
                let _ = problem.try_set(Some(failed));
            }
        }
    });
}

#[component]
fn Remove(document: Document, open: RwSignal<Option<Open>>, documents: Documents) -> impl IntoView {
    let id = document.id;
    let action = Action::new_local(move |(): &()| async move {
        api::documents::remove(id).await?;
        open.set(None);
        documents.refetch();
        Ok(())
    });
    view! {
        <Confirm
            title=tf!("Remove {name}?", name = document.title)
            id="remove-document"
            verb=t("Remove the document")
            action
            close=move |()| open.set(None)
        >
            <p>{t("Its content is destroyed and cannot be brought back; that it was here stays in the audit log.")}</p>
        </Confirm>
    }
}
