//! What HDF5 says when something fails, in words for users.

use hdf5::filters::Filter;

/// HDF5's reason without function names, addresses and times: the operating system's message where
/// there is one.
pub(super) fn reason(error: &hdf5::Error) -> String {
    let text = error.to_string();
    if let Some((_, after)) = text.split_once("error message = '") {
        return after.split('\'').next().unwrap_or_default().to_string();
    }
    let text = text.split_once("(): ").map_or(text.as_str(), |(_, text)| text);
    text.lines().next().unwrap_or_default().trim().to_string()
}

/// Names of compressions that HDF5 knows as registered filters:
/// <https://github.com/HDFGroup/hdf5_plugins>.
const REGISTERED: [(i32, &str); 14] = [
    (305, "LZO"),
    (307, "bzip2"),
    (32000, "LZF"),
    (32001, "Blosc"),
    (32004, "LZ4"),
    (32008, "bitshuffle"),
    (32013, "ZFP"),
    (32015, "Zstandard"),
    (32016, "fpzip"),
    (32017, "SZ"),
    (32018, "FCIDECOMP"),
    (32019, "JPEG"),
    (32024, "SZ3"),
    (32026, "Blosc2"),
];

/// The first compression of a data set that nothing here can undo.
pub(super) fn missing_filter(dataset: &hdf5::Dataset) -> Option<String> {
    dataset.filters().iter().find(|filter| !filter.is_available()).map(|filter| match filter {
        Filter::SZip(..) => "szip".into(),
        other => {
            let id = other.id();
            let name = REGISTERED.iter().find(|(known, _)| *known == id);
            name.map_or_else(|| format!("filter {id}"), |(_, name)| format!("{name} (filter {id})"))
        }
    })
}

/// The message for a data set with such a compression.
pub(super) fn unreadable_filter(name: &str) -> String {
    format!("is compressed with {name}, which cannot be read here: rewrite it with gzip, as h5repack -f GZIP=4 does")
}
