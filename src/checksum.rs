//! Checksums of what is read back.

use sha2::{Digest, Sha256};

/// SHA-256 checksum, hexadecimal.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
