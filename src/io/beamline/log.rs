//! What the text file of a scan says: positions of motors, and columns with a number for each point.

use std::path::PathBuf;

/// A scan as its text file describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ScanLog {
    /// The file.
    pub path: PathBuf,
    /// The number of the scan, where the file says it.
    pub number: Option<u64>,
    /// Numbers that hold for the whole scan, by the name of the motor.
    pub motors: Vec<(String, f64)>,
    /// Numbers of each point, by the name of the column.
    pub columns: Vec<(String, Vec<f64>)>,
}

impl ScanLog {
    /// The numbers of a column or, where there are none of this name, the position of a motor.
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        let column = self.column(name).ok().filter(|values| !values.is_empty()).map(<[f64]>::to_vec);
        column.or_else(|| self.motors.iter().find(|(known, _)| known == name).map(|(_, value)| vec![*value]))
    }

    /// The numbers of a column.
    ///
    /// # Errors
    ///
    /// The names of the columns that there are.
    pub fn column(&self, name: &str) -> Result<&[f64], String> {
        let found = self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| &values[..]);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { "none".into() } else { names.join(", ") };
            format!("is no column of {}, which has {names}", self.path.display())
        })
    }
}
