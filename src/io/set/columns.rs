//! The parameters of all patterns of a set as columns.

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, Group};
use ndarray::Array2;
use std::collections::BTreeSet;

use crate::io::nexus::unicode;
use crate::parameters::{Parameter, Parameters};

/// The values of one parameter for all patterns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Numbers, NaN where there is none.
    Numbers(Vec<f64>),
    /// Lists of numbers, `(patterns, longest)`, NaN where there is none.
    Lists(Array2<f64>),
    /// Flags, 0 or 1.
    Flags(Vec<u8>),
    /// Texts, empty where there is none.
    Texts(Vec<String>),
}

/// The columns of all parameters, in the order of their names. What differs in kind from pattern to
/// pattern becomes text.
pub(super) fn columns(parameters: &[Parameters]) -> Vec<(String, Column)> {
    let names: BTreeSet<&str> = parameters.iter().flat_map(|values| values.iter().map(|(name, _)| name)).collect();
    names.into_iter().map(|name| (name.to_string(), Column::new(parameters, name))).collect()
}

impl Column {
    fn new(parameters: &[Parameters], name: &str) -> Self {
        let values: Vec<&Parameter> =
            parameters.iter().map(|values| values.get(name).unwrap_or(&Parameter::Missing)).collect();
        let all = |is: fn(&Parameter) -> bool| values.iter().all(|value| **value == Parameter::Missing || is(value));
        if all(|value| value.number().is_some()) {
            Column::Numbers(values.iter().map(|value| value.number().unwrap_or(f64::NAN)).collect())
        } else if values.iter().all(|value| matches!(value, Parameter::Flag(_))) {
            Column::Flags(values.iter().map(|value| u8::from(**value == Parameter::Flag(true))).collect())
        } else if all(|value| value.numbers().is_some()) {
            let lists: Vec<&[f64]> = values.iter().map(|value| value.numbers().unwrap_or_default()).collect();
            let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
            let cell = |(row, place): (usize, usize)| lists[row].get(place).copied().unwrap_or(f64::NAN);
            Column::Lists(Array2::from_shape_fn((lists.len(), longest), cell))
        } else {
            Column::Texts(values.iter().map(|value| text(value)).collect())
        }
    }

    /// Stores the column as a data set.
    ///
    /// # Errors
    /// What HDF5 reports.
    pub fn write(&self, home: &Group, name: &str) -> hdf5::Result<()> {
        let builder = home.new_dataset_builder();
        match self {
            Column::Numbers(values) => builder.with_data(values).create(name),
            Column::Lists(values) => builder.with_data(values).create(name),
            Column::Flags(values) => builder.with_data(values).create(name),
            Column::Texts(values) => {
                let values = values.iter().map(|value| unicode(value)).collect::<hdf5::Result<Vec<_>>>()?;
                builder.with_data(&values).create(name)
            }
        }
        .map(drop)
    }

    /// Reads the column from a data set.
    ///
    /// # Errors
    /// What HDF5 reports, or what the data set holds instead of a column.
    pub fn read(dataset: &Dataset) -> hdf5::Result<Self> {
        match (dataset.dtype()?.to_descriptor()?, dataset.ndim()) {
            (TypeDescriptor::Float(_), 1) => dataset.read_raw().map(Column::Numbers),
            (TypeDescriptor::Float(_), 2) => dataset.read_2d().map(Column::Lists),
            (TypeDescriptor::Unsigned(_), 1) => dataset.read_raw().map(Column::Flags),
            (TypeDescriptor::VarLenUnicode, 1) => {
                let texts = dataset.read_raw::<VarLenUnicode>()?;
                Ok(Column::Texts(texts.iter().map(|text| text.as_str().to_string()).collect()))
            }
            (other, axes) => Err(format!("holds {other} with {axes} axes").into()),
        }
    }

    /// Number of patterns in the column.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Lists(values) => values.nrows(),
            Column::Flags(values) => values.len(),
            Column::Texts(values) => values.len(),
        }
    }

    /// The value of pattern `index`.
    pub fn value(&self, index: usize) -> Parameter {
        match self {
            Column::Numbers(values) => values[index].into(),
            Column::Lists(values) => {
                let row = values.row(index);
                let length = row.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
                Parameter::Numbers(row.iter().take(length).copied().collect())
            }
            Column::Flags(values) => Parameter::Flag(values[index] != 0),
            Column::Texts(values) => Parameter::Text(values[index].clone()),
        }
    }

    /// The column as numbers, if it has one number a pattern.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match self {
            Column::Numbers(values) => Some(values.clone()),
            Column::Flags(values) => Some(values.iter().map(|&flag| flag.into()).collect()),
            _ => None,
        }
    }
}

/// Texts stand for themselves, other values in a column of texts as in JSON.
fn text(value: &Parameter) -> String {
    match value {
        Parameter::Missing => String::new(),
        Parameter::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_have_the_kind_of_their_values() {
        let rows = [
            json!({"photons": 3, "cell": [1, 2.5, 4], "flag": true, "kind": "rod", "mixed": 1, "rare": null}),
            json!({"photons": null, "cell": [7], "flag": false, "kind": null, "mixed": "two", "none": []}),
        ];
        let rows = rows.map(|row| serde_json::from_value::<Parameters>(row).unwrap());
        let columns = columns(&rows);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cell", "flag", "kind", "mixed", "none", "photons", "rare"]);
        let back = [0, 1].map(|index| -> serde_json::Value {
            let values: Parameters = columns.iter().map(|(name, column)| (name.clone(), column.value(index))).collect();
            serde_json::to_value(values).unwrap()
        });
        let none: [f64; 0] = [];
        assert_eq!(
            back[0],
            json!({"photons": 3.0, "cell": [1.0, 2.5, 4.0], "flag": true, "kind": "rod", "mixed": "1", "none": none, "rare": null})
        );
        assert_eq!(
            back[1],
            json!({"photons": null, "cell": [7.0], "flag": false, "kind": "", "mixed": "two", "none": none, "rare": null})
        );
        assert_eq!(columns[1].1.numbers(), Some(vec![1.0, 0.0]));
        assert_eq!(columns[2].1.numbers(), None);
    }
}
