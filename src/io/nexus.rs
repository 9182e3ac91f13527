//! Groups, quantities and texts of NeXus files, as they are written.

use hdf5::types::VarLenUnicode;
use hdf5::{Group, Location};

/// What writing a part of a file gives.
pub(super) type Outcome = hdf5::Result<()>;

/// A number with its unit, where there is one.
pub(super) fn quantity(group: &Group, name: &str, value: Option<f64>, unit: &str) -> Outcome {
    let Some(value) = value else { return Ok(()) };
    let dataset = group.new_dataset::<f64>().create(name)?;
    dataset.write_scalar(&value)?;
    attribute(&dataset, "units", unit)
}

/// A group of a NeXus class.
pub(super) fn group(home: &Group, name: &str, class: &str) -> hdf5::Result<Group> {
    let group = home.create_group(name)?;
    attribute(&group, "NX_class", class)?;
    Ok(group)
}

/// A text attribute.
pub(super) fn attribute(home: &Location, name: &str, value: &str) -> Outcome {
    home.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&unicode(value)?)
}

/// A data set with one text.
pub(super) fn text(home: &Group, name: &str, value: &str) -> Outcome {
    home.new_dataset::<VarLenUnicode>().create(name)?.write_scalar(&unicode(value)?)
}

/// HDF5 strings end at a NUL.
pub(super) fn unicode(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.replace('\0', " ").parse().map_err(|_| "text cannot be stored".into())
}
