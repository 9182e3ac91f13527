//! The parameters of all patterns of a set as columns.

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, Group};
use ndarray::Array2;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::io::cxi_write::unicode;

/// A parameter of all patterns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Numbers, NaN where there is none.
    Numbers(Vec<f64>),
    /// Lists of numbers, `(patterns, longest)`, NaN where there is none.
    Lists(Array2<f64>),
    /// 0 or 1.
    Flags(Vec<u8>),
    /// Texts, empty where there is none.
    Texts(Vec<String>),
}

/// The columns of all parameters, in the order of their names. What differs in kind from pattern to pattern, and what is neither number,
/// list of numbers, boolean nor text, becomes text.
pub(super) fn columns(parameters: &[Map<String, Value>]) -> Vec<(String, Column)> {
    let names: BTreeSet<&String> = parameters.iter().flat_map(Map::keys).collect();
    names.into_iter().map(|name| (name.clone(), Column::new(parameters, name))).collect()
}

impl Column {
    fn new(parameters: &[Map<String, Value>], name: &str) -> Self {
        let values: Vec<&Value> = parameters.iter().map(|values| values.get(name).unwrap_or(&Value::Null)).collect();
        let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
        if all(Value::is_number) {
            Column::Numbers(values.iter().map(|value| number(value)).collect())
        } else if values.iter().all(|value| value.is_boolean()) {
            Column::Flags(values.iter().map(|value| u8::from(**value == Value::Bool(true))).collect())
        } else if all(is_list) {
            let lists: Vec<&[Value]> =
                values.iter().map(|value| value.as_array().map_or(&[][..], |list| list)).collect();
            let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
            let cell = |(row, place): (usize, usize)| lists[row].get(place).map_or(f64::NAN, number);
            Column::Lists(Array2::from_shape_fn((lists.len(), longest), cell))
        } else {
            Column::Texts(values.iter().map(|value| text(value)).collect())
        }
    }

    /// Stores the column as a data set.
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

    /// Reads the column from a data set, or says what it holds instead.
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

    /// Number of patterns.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Lists(values) => values.nrows(),
            Column::Flags(values) => values.len(),
            Column::Texts(values) => values.len(),
        }
    }

    /// The value of pattern `index`.
    pub fn value(&self, index: usize) -> Value {
        match self {
            Column::Numbers(values) => values[index].into(),
            Column::Lists(values) => {
                let row = values.row(index);
                let length = row.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
                row.iter().take(length).copied().collect()
            }
            Column::Flags(values) => (values[index] != 0).into(),
            Column::Texts(values) => values[index].clone().into(),
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

fn is_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(|value| value.is_number() || value.is_null()))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
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
        let rows: Vec<Map<String, Value>> = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
        let columns = columns(&rows);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cell", "flag", "kind", "mixed", "none", "photons", "rare"]);
        let back: Vec<Value> = (0..2)
            .map(|index| columns.iter().map(|(name, column)| (name.clone(), column.value(index))).collect())
            .collect();
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
