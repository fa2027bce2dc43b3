//! The fixed tables that a publication consists of: one for every combination of up to three fields.

/// Every table, with its cells numbered through.
#[derive(Clone, Debug)]
pub struct Lattice {
    sizes: Vec<usize>,
    tables: Vec<Table>,
    cells: usize,
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
    /// The tables over up to `depth` fields with so many values each. Two fields of which one only
    /// divides the other more finely never stand in one table.
    pub fn new(sizes: Vec<usize>, depth: usize, apart: &[(usize, usize)]) -> Self {
        let mut tables = Vec::new();
        let mut cells = 0;
        for mask in 0_u32..1 << sizes.len() {
            let has = |field: usize| mask & (1 << field) != 0;
            let fields: Vec<usize> = (0..sizes.len()).filter(|field| has(*field)).collect();
            if depth < fields.len() || apart.iter().any(|(a, b)| has(*a) && has(*b)) {
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
        Self { sizes, tables, cells }
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
        let mut whole = vec![0; self.sizes.len()];
        for (field, value) in fields.iter().zip(values) {
            whole[*field] = *value;
        }
        Some(self.table(fields)?.cell(&whole))
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
        let mut lines = Vec::new();
        for table in &self.tables {
            for (place, field) in table.fields.iter().enumerate() {
                let mut others = table.fields.clone();
                others.remove(place);
                let margin = self.table(&others).expect("what a table contains is a table, too");
                for (cell, values) in self.values(margin) {
                    let mut whole = vec![0; self.sizes.len()];
                    for (field, value) in margin.fields.iter().zip(values) {
                        whole[*field] = value;
                    }
                    let (stride, count) = (table.strides[place], self.sizes[*field]);
                    lines.push(Line { margin: cell, first: table.cell(&whole), stride, count });
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
        let lattice = Lattice::new(vec![2, 3, 4, 2], 3, &[(2, 3)]);
        assert!(lattice.table(&[2, 3]).is_none());
        assert_eq!(lattice.tables().len(), 1 + 4 + 5 + 2);
        let mut counts = vec![0; lattice.cells()];
        for number in 0_u8..=200 {
            let values = [number % 2, number % 3, number / 7 % 4, number / 5 % 2];
            for cell in lattice.cells_of(&values) {
                counts[cell] += 1;
            }
        }
        assert_eq!(counts[0], 201, "the grand total comes first");
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
