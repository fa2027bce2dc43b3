//! Records values: several at once, all of them or none; and takes back what was just recorded.

use leptos::prelude::*;
use shared::{
    id::ObservationId,
    observation::{
        NewObservations, Observation, ObservationCode, ObservationMethod, ObservationVoid,
    },
    problem::{Problem, ProblemKind},
};

use super::{
    observation_row::{Row, RowFields, Typed},
    problem_note::FormProblem,
};
use crate::{
    api,
    format::{self, is_month_first},
    kept::Kept,
    language::t,
    pasted::{self, Pasted, Reading},
    record::Record,
    tf, tn,
};

/// What follows what, when several values of one visit are typed.
const USUAL: [ObservationCode; 8] = [
    ObservationCode::Creatinine,
    ObservationCode::Uacr,
    ObservationCode::Potassium,
    ObservationCode::Bicarbonate,
    ObservationCode::Albumin,
    ObservationCode::Phosphate,
    ObservationCode::Calcium,
    ObservationCode::Haemoglobin,
];

/// Why a value was voided that was taken back at once, as the record and the audit log say it.
const UNDONE: &str = "Undone by who entered it";

/// The rows that are being filled in.
#[derive(Clone, Copy)]
struct Draft {
    rows: RwSignal<Vec<Row>>,
    next: StoredValue<usize>,
    /// Rows live as long as the form, whoever adds them: a row into which others are pasted may go.
    owner: StoredValue<Option<Owner>>,
}

impl Draft {
    /// With what was typed before and not recorded, or with one empty row.
    fn new(kept: &Kept) -> Self {
        let draft = Self {
            rows: RwSignal::new(Vec::new()),
            next: StoredValue::new(0),
            owner: StoredValue::new(Owner::current()),
        };
        draft.put(kept.read().unwrap_or_default());
        draft
    }

    /// Keeps what is typed until it is recorded.
    fn keep(self, kept: Kept) {
        Effect::new(move |_| {
            let typed = self.typed();
            if typed.is_empty() { kept.forget() } else { kept.write(&typed) }
        });
    }

    /// The rows that somebody has typed something into (reactive).
    fn typed(self) -> Vec<Typed> {
        let rows = self.rows.get();
        rows.into_iter().filter(|row| row.is_typed()).map(Row::texts).collect()
    }

    /// Puts a row behind the others; answers its key.
    fn push(self, row: impl FnOnce(usize) -> Row) -> usize {
        let key = self.next.get_value();
        self.next.set_value(key + 1);
        let row = match self.owner.get_value() {
            Some(owner) => owner.with(|| row(key)),
            None => row(key),
        };
        self.rows.update(|rows| rows.push(row));
        key
    }

    /// The code and the time that one more row begins with: of the same time as the last.
    fn usual(self) -> (ObservationCode, String) {
        let (taken, at) = self.rows.with_untracked(|rows| {
            let taken: Vec<String> = rows.iter().map(|row| row.code.get_untracked()).collect();
            (taken, rows.last().map(|row| row.at.get_untracked()))
        });
        let code = USUAL.into_iter().find(|code| !taken.iter().any(|one| one == code.as_str()));
        let at = at.unwrap_or_else(|| format::to_input(format::now()));
        (code.unwrap_or(ObservationCode::Creatinine), at)
    }

    /// One more row; answers its key.
    fn add(self) -> usize {
        let (code, at) = self.usual();
        self.push(|key| Row::new(key, code, at))
    }

    /// Rows with what was typed before, in place of empty ones.
    fn put(self, typed: Vec<Typed>) {
        self.rows.update(|rows| rows.retain(|row| untrack(|| row.is_typed())));
        for texts in typed {
            self.push(|key| Row::typed(key, texts));
        }
        if self.rows.with_untracked(Vec::is_empty) {
            self.add();
        }
    }

    /// Takes a block of cells that was pasted into a row. Numbers alone go down from there; lines
    /// that say more become rows of their own. Whether it was one.
    fn paste(self, key: usize, text: &str) -> bool {
        let names = ObservationCode::ALL.map(|code| (t(code.label()).to_owned(), code));
        let how = Reading { names: &names, month_first: is_month_first() };
        let Some(pasted) = pasted::read(text, how) else { return false };
        if pasted.iter().all(|one| one.code.is_none() && one.at.is_none()) {
            self.fill_down(key, pasted);
        } else {
            let typed = pasted.into_iter().map(|one| self.texts(one)).collect();
            self.put(typed);
        }
        true
    }

    fn fill_down(self, key: usize, pasted: Vec<Pasted>) {
        let place = |rows: &Vec<Row>| rows.iter().position(|row| row.key == key);
        let first = self.rows.with_untracked(place).unwrap_or_default();
        for (index, one) in pasted.into_iter().enumerate() {
            if self.rows.with_untracked(Vec::len) <= first + index {
                self.add();
            }
            if let Some(row) = self.rows.with_untracked(|rows| rows.get(first + index).copied()) {
                row.value.set(one.value);
                row.note.set(one.note);
            }
        }
    }

    /// A pasted value as a row has it; what it does not say is as in one more row.
    fn texts(self, pasted: Pasted) -> Typed {
        let (code, at) = self.usual();
        let code = pasted.code.unwrap_or(code);
        let unit = pasted.unit.unwrap_or_else(|| code.canonical_unit()).to_owned();
        [code.as_str().to_owned(), pasted.value, unit, pasted.at.unwrap_or(at), pasted.note]
    }

    fn remove(self, key: usize) {
        self.rows.update(|rows| rows.retain(|row| row.key != key));
    }

    fn clear(self) {
        self.rows.set(Vec::new());
        self.add();
    }

    /// What is typed, or everything that is wrong with it.
    fn read(self) -> api::Result<NewObservations> {
        let mut observations = Vec::new();
        let mut errors = Vec::new();
        for row in self.rows.get_untracked() {
            match row.read() {
                Ok(new) => observations.push(new),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() {
            Ok(NewObservations { observations })
        } else {
            Err(Problem { errors, ..Problem::new(ProblemKind::Invalid) })
        }
    }

    /// The server counts rows (`/observations/0/value`); rows know themselves by key.
    fn by_row(self, mut problem: Problem) -> Problem {
        let rows = self.rows.get_untracked();
        for error in &mut problem.errors {
            let place = error.pointer.strip_prefix("/observations/").and_then(|rest| {
                let (index, field) = rest.split_once('/')?;
                Some((rows.get(index.parse::<usize>().ok()?)?, field))
            });
            if let Some((row, field)) = place {
                error.pointer = row.pointer(field);
            }
        }
        problem
    }
}

/// What was recorded last, as long as it can be taken back here.
#[derive(Clone, PartialEq)]
struct Saved {
    /// The values that were typed; what was computed from them goes with them.
    ids: Vec<ObservationId>,
    /// All that were recorded, computed ones included.
    count: usize,
    /// What was typed.
    typed: Vec<Typed>,
}

/// What the form has done last.
#[derive(Clone, PartialEq)]
enum Done {
    Recorded(Saved),
    /// So many were taken back; so many had been changed by somebody else meanwhile.
    Undone(usize, usize),
}

impl Done {
    fn words(&self) -> String {
        match self {
            Self::Recorded(Saved { count: 1, .. }) => t("1 value recorded.").to_owned(),
            Self::Recorded(Saved { count, .. }) => {
                tf!("{count} values recorded, computed ones included.", count = count)
            }
            Self::Undone(undone, 0) => tn!(
                *undone,
                "Undone: 1 value is voided. What you typed is in the form again.",
                "Undone: {n} values are voided. What you typed is in the form again."
            ),
            Self::Undone(undone, changed) => tf!(
                "Undone: {undone} voided; {changed} had been changed meanwhile and stay as they are.",
                undone = undone,
                changed = changed,
            ),
        }
    }
}

/// Voids values; what cannot be reached is left over with the problem. Answers how many somebody had
/// voided or corrected meanwhile.
async fn void_all(
    mut ids: Vec<ObservationId>,
) -> std::result::Result<usize, (Vec<ObservationId>, Problem)> {
    let mut changed = 0;
    while let Some(id) = ids.last() {
        match api::observations::void(*id, &ObservationVoid { reason: UNDONE.to_owned() }).await {
            Ok(_) => {}
            Err(problem) if problem.kind == ProblemKind::Conflict => changed += 1,
            Err(problem) => return Err((ids, problem)),
        }
        ids.pop();
    }
    Ok(changed)
}

fn typed_ids(items: &[Observation]) -> Vec<ObservationId> {
    let typed = items.iter().filter(|item| item.method == ObservationMethod::Reported);
    typed.map(|item| item.id).collect()
}

/// The form.
#[component]
pub fn ObservationForm() -> impl IntoView {
    let record = Record::here();
    let kept = Kept::of(&format!("values.{}", record.id));
    let draft = Draft::new(&kept);
    draft.keep(kept);
    enter_again(record, draft);
    let problem = RwSignal::new(None::<Problem>);
    let done = RwSignal::new(None::<Done>);
    let save = Action::new_local(move |(): &()| async move {
        problem.set(None);
        done.set(None);
        let typed = untrack(|| draft.typed());
        let recorded = match draft.read() {
            Ok(new) => api::observations::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match recorded {
            Ok(items) => {
                let (ids, count) = (typed_ids(&items.items), items.items.len());
                done.set(Some(Done::Recorded(Saved { ids, count, typed })));
                draft.clear();
                record.changed.set(true);
                record.observations.refetch();
            }
            Err(failed) => {
                problem.set(Some(draft.by_row(failed)));
                crate::app::focus("new-values-problem");
            }
        }
    });
    let undo = Action::new_local(move |(): &()| async move {
        let Some(Done::Recorded(saved)) = done.get_untracked() else { return };
        problem.set(None);
        let count = saved.ids.len();
        match void_all(saved.ids.clone()).await {
            Ok(changed) => {
                done.set(Some(Done::Undone(count - changed, changed)));
                if changed == 0 {
                    draft.put(saved.typed);
                }
                crate::app::focus("new-values");
            }
            Err((ids, failed)) => {
                done.set(Some(Done::Recorded(Saved { ids, ..saved })));
                problem.set(Some(failed));
            }
        }
        record.changed.set(true);
        record.observations.refetch();
    });
    let pending = save.pending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            save.dispatch_local(());
        }
    };
    view! {
        <form
            class="stack value-form no-print"
            id="new-values"
            tabindex="-1"
            novalidate=true
            on:submit=submit
            aria-label=t("Record values")
        >
            <div id="new-values-problem" tabindex="-1"><FormProblem problem /></div>
            <p class="fine">
                {t("Cells from a spreadsheet can be pasted into a row: a column of numbers, a line for each value, or a table with quantities in its head.")}
            </p>
            <For each=move || draft.rows.get() key=|row| row.key let:row>
                <DraftRow draft row problem />
            </For>
            <div class="form-actions">
                <button
                    type="submit"
                    class="btn btn-primary"
                    aria-disabled=move || pending.get().to_string()
                >
                    {move || pending.get().then(|| {
                        view! { <span class="spinner" aria-hidden="true"></span> }
                    })}
                    {t("Record")}
                </button>
                <button type="button" class="btn" on:click=move |_| {
                    let key = draft.add();
                    request_animation_frame(move || {
                        crate::app::focus(&format!("new-value-rows-{key}-code"));
                    });
                }>
                    {t("Add another value")}
                </button>
                <span class="fine" role="status">
                    {move || done.with(|done| done.as_ref().map(Done::words))}
                </span>
                {move || done.with(|done| matches!(done, Some(Done::Recorded(_)))).then(|| view! {
                    <UndoButton undo />
                })}
            </div>
        </form>
    }
}

/// A value that was voided is entered again as a new one.
fn enter_again(record: Record, draft: Draft) {
    Effect::new(move |_| {
        if let Some(again) = record.again.get() {
            let note = again.note.unwrap_or_default();
            let (code, value) = (again.code.as_str().to_owned(), again.value_as_given.to_string());
            let at = format::to_input(again.effective_at);
            draft.put(vec![[code, value, again.unit_as_given, at, note]]);
            record.again.set(None);
            // The section that the form is in opens first.
            request_animation_frame(|| crate::app::focus("new-values"));
        }
    });
}

#[component]
fn UndoButton(undo: Action<(), ()>) -> impl IntoView {
    let click = move |_| {
        if !undo.pending().get_untracked() {
            undo.dispatch_local(());
        }
    };
    view! {
        <button
            type="button"
            class="btn btn-small"
            aria-disabled=move || undo.pending().get().to_string()
            on:click=click
        >
            {t("Undo")}
        </button>
    }
}

#[component]
fn DraftRow(draft: Draft, row: Row, problem: RwSignal<Option<Problem>>) -> impl IntoView {
    let place = move || {
        let of_row = |rows: &Vec<Row>| rows.iter().position(|one| one.key == row.key);
        draft.rows.with(of_row).map_or(1, |place| place + 1)
    };
    let remove = move || {
        let several = 1 < draft.rows.with(Vec::len);
        several.then(|| Callback::new(move |()| draft.remove(row.key)))
    };
    let paste = Callback::new(move |text: String| draft.paste(row.key, &text));
    view! {
        <RowFields
            row
            problem
            place=Signal::derive(place)
            remove=Signal::derive(remove)
            paste
        />
    }
}
