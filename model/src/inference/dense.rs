//! One linear layer over many rows, in vectors of whatever the processor has.
//!
//! Vectors run over a layer's outputs, so that one patient fills them as well as a thousand do. A
//! tile of rows shares every vector of weights that it loads and keeps its sums in registers.

use candle_core::Result;
use candle_nn::Linear;
use pulp::{Arch, Simd, WithSimd};

/// Rows of a tile where there are 32 registers, and where there are 16: with two vectors a row,
/// three quarters of the registers are sums.
const TILE: usize = 12;
const SMALL_TILE: usize = 6;

/// Does something for each row of a tile, written out: a compiler that is told to optimise less unrolls no
/// such loop, and keeps the sums in memory, which takes more than twice as long.
macro_rules! for_each_row {
    ($row:ident < $rows:ident, $do:block) => {
        for_each_row!($row < $rows, $do, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($row:ident < $rows:ident, $do:block, $($number:literal)*) => {
        $(if $number < $rows {
            let $row = $number;
            $do
        })*
    };
}

/// Where a row's inputs begin, one place for each tap, and where its outputs go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<const TAPS: usize> {
    pub(super) inputs: [usize; TAPS],
    pub(super) output: usize,
}

/// A linear layer, its weights in the order in which the kernel reads them: for each group of two
/// vectors of outputs, input by input.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// Inputs of one tap.
    width: usize,
    outputs: usize,
    groups: Vec<Group>,
    is_rectified: bool,
}

/// One or two vectors of outputs.
#[derive(Clone, Debug)]
struct Group {
    vectors: usize,
    bias: Vec<f32>,
    weights: Vec<f32>,
}

impl Dense {
    /// Packs a layer of so many taps for this processor.
    pub(super) fn new(layer: &Linear, taps: usize, arch: Arch) -> Result<Self> {
        let (outputs, inputs) = layer.weight().dims2()?;
        let weights = layer.weight().to_vec2::<f32>()?;
        let bias = match layer.bias() {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![0.0; outputs],
        };
        let lanes = arch.dispatch(Lanes);
        let padded = outputs.next_multiple_of(lanes);
        let groups = (0..padded).step_by(2 * lanes).map(|first| {
            let columns = first..(first + 2 * lanes).min(padded);
            // Outputs beyond the last are zero, and so is whatever reads them.
            let of = |column: usize, input: usize| weights.get(column).map_or(0.0, |w| w[input]);
            Group {
                vectors: columns.len() / lanes,
                bias: columns.clone().map(|c| bias.get(c).copied().unwrap_or(0.0)).collect(),
                weights: (0..inputs)
                    .flat_map(|input| columns.clone().map(move |column| (column, input)))
                    .map(|(column, input)| of(column, input))
                    .collect(),
            }
        });
        let groups = groups.collect();
        Ok(Self { width: inputs / taps, outputs, groups, is_rectified: false })
    }

    /// The same with negative outputs set to zero.
    pub(super) fn rectified(self) -> Self {
        Self { is_rectified: true, ..self }
    }

    /// How many outputs there are.
    pub(super) const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floats that a row of outputs takes: whole vectors.
    pub(super) fn row(&self) -> usize {
        self.groups.iter().map(|group| group.bias.len()).sum()
    }

    /// Computes the rows.
    #[inline(always)]
    pub(super) fn run<S: Simd, const TAPS: usize>(
        &self,
        simd: S,
        rows: &[Row<TAPS>],
        input: &[f32],
        output: &mut [f32],
    ) {
        let mut column = 0;
        for group in &self.groups {
            let floor = if self.is_rectified { 0.0 } else { f32::NEG_INFINITY };
            let at = At { width: self.width, floor, column };
            match group.vectors {
                1 => group.run::<S, TAPS, 1>(simd, &at, rows, input, output),
                _ => group.run::<S, TAPS, 2>(simd, &at, rows, input, output),
            }
            column += group.bias.len();
        }
    }
}

/// What every tile of a group has in common.
struct At {
    width: usize,
    floor: f32,
    column: usize,
}

impl Group {
    #[inline(always)]
    fn run<S: Simd, const TAPS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        at: &At,
        rows: &[Row<TAPS>],
        input: &[f32],
        output: &mut [f32],
    ) {
        let mut rest = rows;
        if 32 <= S::REGISTER_COUNT {
            rest = self.tiles::<S, TAPS, VECTORS, TILE>(simd, at, rest, input, output);
        }
        rest = self.tiles::<S, TAPS, VECTORS, SMALL_TILE>(simd, at, rest, input, output);
        rest = self.tiles::<S, TAPS, VECTORS, 3>(simd, at, rest, input, output);
        self.tiles::<S, TAPS, VECTORS, 1>(simd, at, rest, input, output);
    }

    /// Runs as many tiles as there are and returns the rows that are left.
    #[inline(always)]
    fn tiles<'a, S: Simd, const TAPS: usize, const VECTORS: usize, const ROWS: usize>(
        &self,
        simd: S,
        at: &At,
        rows: &'a [Row<TAPS>],
        input: &[f32],
        output: &mut [f32],
    ) -> &'a [Row<TAPS>] {
        const { assert!(ROWS <= 12, "for_each_row! writes out twelve") };
        let bias = S::as_simd_f32s(&self.bias).0;
        let weights = S::as_simd_f32s(&self.weights).0.as_chunks::<VECTORS>().0;
        let floor = simd.splat_f32s(at.floor);
        let (tiles, rest) = rows.as_chunks::<ROWS>();
        for tile in tiles {
            let mut sums: [[S::f32s; VECTORS]; ROWS] = [std::array::from_fn(|v| bias[v]); ROWS];
            for tap in 0..TAPS {
                let inputs: [&[f32]; ROWS] =
                    std::array::from_fn(|row| &input[tile[row].inputs[tap]..][..at.width]);
                let weights = &weights[tap * at.width..][..at.width];
                for (index, weights) in weights.iter().enumerate() {
                    for_each_row!(row < ROWS, {
                        let value = simd.splat_f32s(inputs[row][index]);
                        for (sum, weight) in sums[row].iter_mut().zip(weights) {
                            *sum = simd.mul_add_e_f32s(value, *weight, *sum);
                        }
                    });
                }
            }
            for (row, sums) in tile.iter().zip(sums) {
                let output = &mut output[row.output + at.column..][..self.bias.len()];
                for (output, sum) in S::as_mut_simd_f32s(output).0.iter_mut().zip(sums) {
                    // In this order what is no number stays none: weights gone wrong must show.
                    *output = simd.max_f32s(floor, sum);
                }
            }
        }
        rest
    }
}

/// How many numbers a vector of this processor holds.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}
