//! The fixed tables that a publication consists of: one for every combination of up to three fields.

use std::ops::Range;

/// Every table, with its cells numbered through.
#[derive(Clone, Debug)]
pub struct Lattice {
    sizes: Vec<usize>,
    tables: Vec<Table>,
    cells: usize,
    finer: Vec<Finer>,
}

/// Two fields of which one divides people as the other does, only more finely; they never stand in
/// one table.
#[derive(Clone, Debug)]
pub struct Finer {
    /// The coarser field.
    pub coarse: usize,
    /// The finer one.
    pub fine: usize,
    /// Values of the coarser field with the values of the finer one that are the same people: tables
    /// of the one are sums of tables of the other.
    pub same: Vec<(u8, Range<u8>)>,
}

/// One table: the fields that it crosses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The fields, ascending; none for the grand total.
    pub fields: Vec<usize>,
    /// How far apart two neighbouring values of each field are.
    strides: Vec<usize>,
    /// The number of its first cell.
    first: usize,
    /// How many cells it has.
    pub cells: usize,
}

/// A sum that the tables hold: the cell `margin` is made of the children.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The sum.
    pub margin: usize,
    first: usize,
    stride: usize,
    count: usize,
}

impl Line {
    /// The cells that add up to the margin.
    pub fn children(self) -> impl Iterator<Item = usize> + Clone {
        (0..self.count).map(move |place| self.first + place * self.stride)
    }
}

impl Lattice {
    /// The tables over up to `depth` fields with so many values each.
    pub fn new(sizes: Vec<usize>, depth: usize, finer: &[Finer]) -> Self {
        let mut tables = Vec::new();
        let mut cells = 0;
        for mask in 0_u32..1 << sizes.len() {
            let has = |field: usize| mask & (1 << field) != 0;
            let fields: Vec<usize> = (0..sizes.len()).filter(|field| has(*field)).collect();
            if depth < fields.len() || finer.iter().any(|two| has(two.coarse) && has(two.fine)) {
                continue;
            }
            let mut size = 1;
            let mut strides = vec![1; fields.len()];
            for (place, field) in fields.iter().enumerate().rev() {
                strides[place] = size;
                size *= sizes[*field];
            }
            tables.push(Table { fields, strides, first: cells, cells: size });
            cells += size;
        }
        Self { sizes, tables, cells, finer: finer.to_vec() }
    }

    /// How many cells all tables have together.
    pub const fn cells(&self) -> usize {
        self.cells
    }

    /// The tables.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table that crosses these fields, given in ascending order.
    pub fn table(&self, fields: &[usize]) -> Option<&Table> {
        self.tables.iter().find(|table| table.fields == fields)
    }

    /// The cell of every table to which somebody with these values belongs.
    pub fn cells_of(&self, values: &[u8]) -> impl Iterator<Item = usize> {
        self.tables.iter().map(move |table| table.cell(values))
    }

    /// The cell of a table with these values, given in the order of the table's fields.
    pub fn cell(&self, fields: &[usize], values: &[u8]) -> Option<usize> {
        Some(self.table(fields)?.cell(&self.whole(fields, values)))
    }

    /// One value for each field of the lattice: these, and the first of the others.
    fn whole(&self, fields: &[usize], values: &[u8]) -> Vec<u8> {
        let mut whole = vec![0; self.sizes.len()];
        for (field, value) in fields.iter().zip(values) {
            whole[*field] = *value;
        }
        whole
    }

    /// Every cell of a table with its values, in the order of the table's fields.
    pub fn values<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (usize, Vec<u8>)> + 'a {
        (0..table.cells).map(move |place| {
            let value = |(field, stride): (&usize, &usize)| {
                u8::try_from(place / stride % self.sizes[*field]).expect("fields have few values")
            };
            (table.first + place, table.fields.iter().zip(&table.strides).map(value).collect())
        })
    }

    /// Every sum that can be formed within the tables.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = self.lines_of_finer();
        for table in &self.tables {
            for (place, field) in table.fields.iter().enumerate() {
                let mut others = table.fields.clone();
                others.remove(place);
                let margin = self.table(&others).expect("what a table contains is a table, too");
                for (cell, values) in self.values(margin) {
                    let whole = self.whole(&margin.fields, &values);
                    let (stride, count) = (table.strides[place], self.sizes[*field]);
                    lines.push(Line { margin: cell, first: table.cell(&whole), stride, count });
                }
            }
        }
        lines
    }

    /// The sums of values of a field that are one value of another.
    fn lines_of_finer(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for Finer { coarse, fine, same } in &self.finer {
            for table in &self.tables {
                let Some(place) = table.fields.iter().position(|field| field == fine) else {
                    continue;
                };
                let mut fields = table.fields.clone();
                fields.retain(|field| field != fine);
                fields.push(*coarse);
                fields.sort_unstable();
                let margin = self.table(&fields).expect("the finer field stands for the other");
                for (_, values) in self.values(margin) {
                    let mut whole = self.whole(&fields, &values);
                    let is_this = |(value, _): &&(u8, Range<u8>)| *value == whole[*coarse];
                    let Some((_, parts)) = same.iter().find(is_this) else { continue };
                    let sum = margin.cell(&whole);
                    whole[*fine] = parts.start;
                    let (first, stride) = (table.cell(&whole), table.strides[place]);
                    lines.push(Line { margin: sum, first, stride, count: parts.len() });
                }
            }
        }
        lines
    }
}

impl Table {
    /// The cell of somebody with these values, one for each field of the lattice.
    fn cell(&self, values: &[u8]) -> usize {
        let places = self.fields.iter().zip(&self.strides);
        self.first
            + places.map(|(field, stride)| usize::from(values[*field]) * stride).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_cell_of_each_table_and_every_line_adds_up() {
        let finer = Finer { coarse: 3, fine: 2, same: vec![(0, 0..3), (1, 3..4)] };
        let lattice = Lattice::new(vec![2, 3, 4, 2], 3, &[finer]);
        assert!(lattice.table(&[2, 3]).is_none());
        assert_eq!(lattice.tables().len(), 1 + 4 + 5 + 2);
        let mut counts = vec![0; lattice.cells()];
        for number in 0_u8..=200 {
            let fine = number / 7 % 4;
            let values = [number % 2, number % 3, fine, fine / 3];
            for cell in lattice.cells_of(&values) {
                counts[cell] += 1;
            }
        }
        assert_eq!(counts[0], 201, "the grand total comes first");
        let of_finer = lattice.lines_of_finer();
        assert_eq!(of_finer.len(), 2 * (1 + 2 + 3 + 6), "two values in four tables");
        for line in lattice.lines() {
            assert_eq!(counts[line.margin], line.children().map(|cell| counts[cell]).sum::<i32>());
        }
    }

    #[test]
    fn a_cell_knows_its_values() {
        let lattice = Lattice::new(vec![2, 3, 4], 3, &[]);
        let table = lattice.table(&[0, 2]).unwrap();
        for (cell, values) in lattice.values(table) {
            assert_eq!(table.cell(&[values[0], 1, values[1]]), cell);
        }
    }
}
