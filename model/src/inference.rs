//! The forward pass that serves: the same numbers as [`Network::forward`], many times as fast.
//!
//! Four things make the difference. Only the positions that the head looks back on are computed,
//! and of those only the ones where there is a visit. Of patients in a row whose visits are the same,
//! as steps of an explanation are, the course is computed once. A chunk of patients goes through one
//! member from its first layer to its last, while everything that it needs stays in the cache. And
//! every buffer is used again: a thread that has seen a full chunk allocates nothing any more.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the processor's vectors"
)]

mod dense;

use candle_core::Result;
use pulp::{Arch, Simd, WithSimd};

use self::dense::{Dense, Row};
use crate::{
    config::{Shape, YEARS},
    features::{FACTS_WIDTH, VISIT_WIDTH, VISITS},
    network::{CAUSES, KERNEL, Network, cone},
};

/// The most patients of a chunk: enough to fill the tiles, few enough for the cache.
pub const CHUNK: usize = 48;

/// The members of an ensemble, packed for the processor that runs them.
#[derive(Clone, Debug)]
pub struct Ensemble {
    arch: Arch,
    layers: Vec<Layer>,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    temporal: Vec<Dense>,
    facts: Dense,
    joint: Dense,
    head: Dense,
}

/// The positions at which a temporal layer is computed, in slots that are numbered from 1.
#[derive(Clone, Debug)]
struct Layer(Vec<Slot>);

#[derive(Clone, Debug)]
struct Slot {
    position: usize,
    /// The slots that it reads of the layer below, earliest first; slot 0 is what is before the
    /// first visit: zero.
    taps: [usize; KERNEL],
}

/// Buffers of one thread, used again by every chunk.
#[derive(Debug, Default)]
pub struct Workspace {
    rows: Rows,
    /// The visits, then what each temporal layer makes of them: patient by patient, slot by slot.
    courses: Vec<Vec<f32>>,
    /// Who has the same visits as the one before, and who was the first with them.
    repeated: Vec<(usize, usize)>,
    joint: Vec<f32>,
    hidden: Vec<f32>,
    logits: Vec<f32>,
    incidences: Vec<f64>,
}

/// What is to be computed of a chunk, the same for every member.
#[derive(Debug, Default)]
struct Rows {
    temporal: Vec<Vec<Row<KERNEL>>>,
    facts: Vec<Row<1>>,
    joint: Vec<Row<1>>,
    head: Vec<Row<1>>,
}

impl Ensemble {
    /// Packs members of one shape.
    pub fn new(networks: &[Network], shape: &Shape) -> Result<Self> {
        if networks.is_empty() {
            candle_core::bail!("an ensemble has at least one member");
        }
        let arch = Arch::new();
        let members = networks.iter().map(|network| Member::new(network, arch));
        let members = members.collect::<Result<_>>()?;
        Ok(Self { arch, layers: layers(&shape.dilations), members })
    }

    /// How many members there are.
    pub const fn members(&self) -> usize {
        self.members.len()
    }

    /// Every member's cumulative incidences of kidney failure, not calibrated: patient by patient,
    /// year by year, member by member. Up to [`CHUNK`] patients at a time; `visits` and `facts` are what
    /// [`tensors`](crate::predictor::tensors) makes tensors of.
    pub fn run<'a>(
        &self,
        workspace: &'a mut Workspace,
        visits: &[f32],
        facts: &[f32],
    ) -> &'a [f64] {
        let patients = facts.len() / FACTS_WIDTH;
        workspace.incidences.clear();
        workspace.incidences.resize(patients * YEARS * self.members.len(), 0.0);
        if let Some(member) = self.members.first() {
            workspace.take(&self.layers, visits);
            workspace.lay_out(&self.layers, member, patients);
            self.arch.dispatch(Pass { ensemble: self, workspace, facts });
        }
        &workspace.incidences
    }
}

/// The slots of each layer, and what they read.
fn layers(dilations: &[usize]) -> Vec<Layer> {
    let mut below: Vec<usize> = (0..VISITS).collect();
    let layer = |(positions, dilation): (Vec<usize>, &usize)| {
        let tap = |position: usize, tap: usize| {
            let read = position.checked_sub((KERNEL - 1 - tap) * dilation);
            read.and_then(|read| below.binary_search(&read).ok()).map_or(0, |slot| 1 + slot)
        };
        let slot = |position: &usize| Slot {
            position: *position,
            taps: std::array::from_fn(|number| tap(*position, number)),
        };
        let slots = positions.iter().map(slot).collect();
        below = positions;
        Layer(slots)
    };
    cone(dilations).into_iter().zip(dilations).map(layer).collect()
}

impl Member {
    fn new(network: &Network, arch: Arch) -> Result<Self> {
        let temporal = network.temporal.iter();
        let temporal =
            temporal.map(|layer| Ok(Dense::new(&layer.linear, KERNEL, arch)?.rectified()));
        Ok(Self {
            temporal: temporal.collect::<Result<_>>()?,
            facts: Dense::new(&network.facts, 1, arch)?.rectified(),
            joint: Dense::new(&network.joint, 1, arch)?.rectified(),
            head: Dense::new(&network.head, 1, arch)?,
        })
    }
}

impl Workspace {
    /// Takes the visits over, with a slot of zeros before each patient's first.
    fn take(&mut self, layers: &[Layer], visits: &[f32]) {
        self.courses.resize_with(1 + layers.len(), Vec::new);
        let course = &mut self.courses[0];
        course.clear();
        self.repeated.clear();
        let (mut first, mut before) = (0, None);
        for (patient, visits) in visits.chunks_exact(VISITS * VISIT_WIDTH).enumerate() {
            course.extend([0.0; VISIT_WIDTH]);
            course.extend_from_slice(visits);
            if before == Some(visits) {
                self.repeated.push((patient, first));
            } else {
                (first, before) = (patient, Some(visits));
            }
        }
    }

    /// Lists the rows of every layer, and makes room for what comes out of them. What is not
    /// computed is zero: slot 0, and where there is no visit.
    fn lay_out(&mut self, layers: &[Layer], member: &Member, patients: usize) {
        let channels = member.temporal.last().map_or(0, Dense::outputs);
        let (joint, hidden) = (channels + member.facts.row(), member.joint.row());
        self.rows.temporal.resize_with(layers.len(), Vec::new);
        let (mut slots_below, mut row_below) = (1 + VISITS, VISIT_WIDTH);
        for (index, (layer, dense)) in layers.iter().zip(&member.temporal).enumerate() {
            let (below, above) = self.courses.split_at_mut(1 + index);
            let is_last = index + 1 == layers.len();
            // The last layer's one slot is the beginning of what the joint layer reads.
            let (slots, row) = if is_last { (0, joint) } else { (1 + layer.0.len(), dense.row()) };
            clear(&mut above[0], patients * slots * row);
            let rows = &mut self.rows.temporal[index];
            rows.clear();
            let mut repeated = self.repeated.iter().peekable();
            for (patient, visits) in below[0].chunks_exact((1 + VISITS) * VISIT_WIDTH).enumerate() {
                if repeated.next_if(|(who, _)| *who == patient).is_some() {
                    continue;
                }
                for (slot, Slot { position, taps }) in (1..).zip(&layer.0) {
                    if visits[(2 + position) * VISIT_WIDTH - 1] != 0.0 {
                        let at = if is_last { patient } else { patient * slots + slot };
                        rows.push(Row {
                            inputs: taps.map(|tap| (patient * slots_below + tap) * row_below),
                            output: at * row,
                        });
                    }
                }
            }
            (slots_below, row_below) = (slots, row);
        }
        one_by_one(&mut self.rows.facts, patients, FACTS_WIDTH, joint, channels);
        one_by_one(&mut self.rows.joint, patients, joint, hidden, 0);
        one_by_one(&mut self.rows.head, patients, hidden, member.head.row(), 0);
        clear(&mut self.joint, patients * joint);
        clear(&mut self.hidden, patients * hidden);
        clear(&mut self.logits, patients * member.head.row());
    }
}

/// As many zeros, in the same memory as before.
fn clear(buffer: &mut Vec<f32>, length: usize) {
    buffer.clear();
    buffer.resize(length, 0.0);
}

/// The rows of a layer that reads one row of each patient and writes one, behind `before` others.
fn one_by_one(rows: &mut Vec<Row<1>>, patients: usize, input: usize, output: usize, before: usize) {
    rows.clear();
    rows.extend(
        (0..patients)
            .map(|patient| Row { inputs: [patient * input], output: patient * output + before }),
    );
}

/// A chunk's way through every member.
struct Pass<'a> {
    ensemble: &'a Ensemble,
    workspace: &'a mut Workspace,
    facts: &'a [f32],
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { ensemble, workspace, facts } = self;
        let Workspace { rows, courses, repeated, joint, hidden, logits, incidences } = workspace;
        let channels = ensemble.members[0].temporal.last().map_or(0, Dense::outputs);
        let width = channels + ensemble.members[0].facts.row();
        for (index, member) in ensemble.members.iter().enumerate() {
            for (layer, dense) in member.temporal.iter().enumerate() {
                let (below, above) = courses.split_at_mut(1 + layer);
                let is_last = layer + 1 == member.temporal.len();
                let output = if is_last { &mut *joint } else { &mut above[0] };
                dense.run(simd, &rows.temporal[layer], &below[layer], output);
            }
            for &(patient, first) in &*repeated {
                joint.copy_within(first * width..first * width + channels, patient * width);
            }
            member.facts.run(simd, &rows.facts, facts, joint);
            member.joint.run(simd, &rows.joint, joint, hidden);
            member.head.run(simd, &rows.head, hidden, logits);
            let members = ensemble.members.len();
            let incidences = incidences.chunks_exact_mut(YEARS * members);
            for (incidences, logits) in incidences.zip(logits.chunks_exact(member.head.row())) {
                let years = incidences.iter_mut().skip(index).step_by(members);
                for (slot, incidence) in years.zip(cumulative_incidence(logits)) {
                    *slot = incidence;
                }
            }
        }
    }
}

/// Cumulative incidence of kidney failure from a row of logits.
#[inline(always)]
fn cumulative_incidence(logits: &[f32]) -> [f64; YEARS] {
    let (mut free, mut failed) = (1.0, 0.0);
    let mut incidence = [0.0; YEARS];
    for (incidence, causes) in incidence.iter_mut().zip(logits.chunks_exact(CAUSES)) {
        let highest = causes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shares =
            [causes[0], causes[1], causes[2]].map(|logit| f64::from((logit - highest).exp()));
        let all: f64 = shares.iter().sum();
        failed += free * shares[0] / all;
        free *= shares[2] / all;
        *incidence = failed;
    }
    incidence
}
