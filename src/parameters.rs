//! Parameters of a simulated pattern: everything that was drawn for it, each under its name.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The value of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// No value: the parameter does not apply to this pattern.
    Missing,
    /// A property that the pattern has or has not.
    Flag(bool),
    /// A whole number from 0 up.
    Count(u64),
    /// A real number.
    Number(f64),
    /// A short list of numbers, NaN where one is missing.
    Numbers(#[serde(deserialize_with = "numbers")] Vec<f64>),
    /// A name or kind.
    Text(String),
}

impl Parameter {
    /// The value as a number; `None` for what is no number, or is missing.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Parameter::Number(value) => Some(value),
            Parameter::Count(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The value as a list of numbers; `None` for what is no list.
    pub fn numbers(&self) -> Option<&[f64]> {
        match self {
            Parameter::Numbers(values) => Some(values),
            _ => None,
        }
    }
}

impl From<f64> for Parameter {
    /// A number; [`Parameter::Missing`] where it is not finite, which no file of parameters can
    /// hold.
    fn from(value: f64) -> Self {
        if value.is_finite() { Parameter::Number(value) } else { Parameter::Missing }
    }
}

/// Lists keep their places: a missing number is NaN here and `null` in JSON.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// The parameters of one pattern, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<String, Parameter>);

/// Name of the linear oversampling, one ratio for each axis `(z, y, x)`.
const OVERSAMPLING: &str = "oversampling";

impl Parameters {
    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.get(name)
    }

    /// The number of this name; `None` where there is none.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.number()
    }

    /// The linear oversampling along `(z, y, x)`; `None` where the parameters do not hold it.
    pub fn oversampling(&self) -> Option<[f64; 3]> {
        self.get(OVERSAMPLING)?.numbers()?.try_into().ok()
    }

    /// Sets the linear oversampling along `(z, y, x)`.
    pub fn set_oversampling(&mut self, ratios: [f64; 3]) {
        self.insert(OVERSAMPLING, Parameter::Numbers(ratios.to_vec()));
    }

    /// Sets the parameter of this name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Parameter>) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a parameter for each field of a flat description, under names such as `gap_width`: the
    /// section's name, unless the field's begins with it, and the field's.
    ///
    /// # Panics
    /// If the description is not flat: a field is neither number, list of numbers, name nor flag.
    pub fn insert_fields(&mut self, section: &str, description: &impl Serialize) {
        let fields = serde_json::to_value(description).and_then(serde_json::from_value::<Parameters>);
        for (field, value) in fields.expect("descriptions are flat").0 {
            let name = if field.starts_with(section) { field } else { format!("{section}_{field}") };
            self.insert(name, value);
        }
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, Parameter)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, Parameter)>>(parameters: I) -> Self {
        Parameters(parameters.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Description {
        gap: &'static str,
        width: f64,
        distance: f64,
        number: usize,
        rotated: bool,
    }

    #[test]
    fn parameters_survive_json_as_they_were() {
        let mut parameters = Parameters::default();
        parameters.set_oversampling([1.0, 2.5, 3.0]);
        let description = Description { gap: "slab", width: 6.0, distance: f64::NAN, number: 2, rotated: true };
        parameters.insert_fields("gap", &description);
        let text = serde_json::to_string(&parameters).unwrap();
        let expected = r#"{"gap":"slab","gap_distance":null,"gap_number":2,"gap_rotated":true,"gap_width":6.0,"oversampling":[1.0,2.5,3.0]}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Parameters>(&text).unwrap(), parameters);
        assert_eq!(parameters.oversampling(), Some([1.0, 2.5, 3.0]));
        assert_eq!((parameters.number("gap_number"), parameters.number("gap_distance")), (Some(2.0), None));
        let list: Parameter = serde_json::from_str("[1, null]").unwrap();
        assert!(matches!(list.numbers(), Some([one, missing]) if *one == 1.0 && missing.is_nan()));
    }
}
