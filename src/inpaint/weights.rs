//! The file of a model's weights, before it is trusted: its header must state what the file holds,
//! and that must be what the architecture needs. Only then is memory spent on a network.

use super::unet::Architecture;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest header in bytes; those of our networks have a few thousand.
const LONGEST_HEADER: usize = 1 << 20;

/// An array in the header of a safetensors file.
#[derive(Deserialize)]
struct Array {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Checks a safetensors file (<https://github.com/huggingface/safetensors>, Format) against the
/// architecture on the card.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(bytes: &[u8], architecture: &Architecture) -> Result<(), String> {
    let wrong = |problem: &str| format!("is no safetensors file as lacuna writes it: {problem}");
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| wrong("it is cut short"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST_HEADER {
        return Err(wrong(&format!("its header would have {length} bytes")));
    }
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| wrong("it is cut short"))?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| wrong(&format!("its header cannot be read, {error}")))?;
    let mut numbers = 0;
    for (name, array) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let array: Array = serde_json::from_value(array).map_err(|error| wrong(&format!("{name}: {error}")))?;
        let count = array.shape.iter().try_fold(1, |product: usize, &n| product.checked_mul(n));
        let [start, end] = array.data_offsets;
        let bytes = (end <= data.len()).then(|| end.checked_sub(start)).flatten();
        match count.filter(|count| bytes == count.checked_mul(4) && array.dtype == "F32") {
            Some(count) => numbers += count,
            None => return Err(wrong(&format!("{name} is not the float32 array that its header states"))),
        }
    }
    let needed = architecture.weights();
    if needed != Some(numbers) || data.len() != 4 * numbers {
        let needed = needed.map_or("more than any computer holds".into(), |needed| needed.to_string());
        return Err(format!("holds {numbers} weights, the architecture on the card has {needed}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_not_believed() {
        let architecture = Architecture {
            dimensions: 2,
            channels: vec![1],
            groups: 1,
            dilations: Vec::new(),
            phased: false,
            kriged: false,
        };
        // A block of five inputs, and the last convolution.
        let weights = 5 * 9 + 3 + 4 + 4;
        assert_eq!(architecture.weights(), Some(weights));
        let file = |header: &str, data: usize| {
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
        };
        let array = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"__metadata__":{{}},"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let good = array("F32", "[56]", "[0,224]");
        assert_eq!(check(&file(&good, 224), &architecture), Ok(()));
        for (bytes, word) in [
            (vec![1, 2, 3], "cut short"),
            (u64::MAX.to_le_bytes().to_vec(), "header would have"),
            ((1u64 << 40).to_le_bytes().to_vec(), "header would have"),
            (file(&good, 224)[..40].to_vec(), "cut short"),
            (file(&good, 220), "float32 array"),
            (file(&good, 228), "holds 56 weights"),
            (file("{", 0), "cannot be read"),
            (file(&"[".repeat(5000), 0), "cannot be read"),
            (file(r#"{"a":3}"#, 0), "a: "),
            (file(&array("F16", "[56]", "[0,224]"), 224), "float32 array"),
            (file(&array("F32", "[4294967296,4294967296]", "[0,224]"), 224), "float32 array"),
            (file(&array("F32", "[56]", "[224,0]"), 224), "float32 array"),
            (file(&array("F32", "[55]", "[0,220]"), 220), "has 56"),
        ] {
            let error = check(&bytes, &architecture).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let huge = Architecture { channels: vec![usize::MAX], ..architecture };
        assert!(check(&file("{}", 0), &huge).unwrap_err().contains("more than any computer holds"));
    }
}
