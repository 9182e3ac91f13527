//! What happens to bytes on disks and under fingers.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers at which arithmetic breaks.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 7, 255, 0x7fff, 0xffff_ffff, 0x7fff_ffff, 1 << 40, u64::MAX, u64::MAX - 7, i64::MAX as u64];

/// The same as text.
const WORDS: [&str; 18] = [
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "-0.0",
    "1e-300",
    "4294967296",
    "18446744073709551616",
    "9223372036854775807",
    "\"",
    "[]",
    "{}",
    "\u{fc}",
    "\0",
    "**",
    "((((",
    "= =",
];

/// Damage that depends on its seed alone.
pub struct Damage(ChaCha8Rng);

impl Damage {
    pub fn new(seed: u64) -> Self {
        Damage(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Damages one of several texts.
    pub fn text_of(&mut self, all: &[impl AsRef<str>]) -> String {
        let text = self.one_of(all).as_ref().to_string();
        self.text(&text)
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        all.choose(&mut self.0).expect("something to choose from")
    }

    /// Damages bytes in one to six places.
    pub fn bytes(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.0.random_range(1..=6) {
            if bytes.is_empty() {
                return;
            }
            let at = self.0.random_range(0..bytes.len());
            let end = (at + self.0.random_range(1..=64)).min(bytes.len());
            match self.0.random_range(0..10) {
                0 => bytes[at] ^= 1 << self.0.random_range(0..8),
                1 => bytes[at] = self.0.random(),
                2 => bytes[at..end].fill(0),
                3 => bytes[at..end].fill(0xff),
                4 => {
                    let number = self.one_of(&NUMBERS).to_le_bytes();
                    let width = *self.one_of(&[2, 4, 8]);
                    bytes.iter_mut().skip(at).zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
                }
                5 => {
                    let number = self.one_of(&NUMBERS).to_be_bytes();
                    bytes.iter_mut().skip(at).zip(&number[4..]).for_each(|(byte, new)| *byte = *new);
                }
                6 => bytes.truncate(at),
                7 => drop(bytes.drain(at..end)),
                8 => {
                    let copy = bytes[at..end].to_vec();
                    let to = self.0.random_range(0..=bytes.len());
                    bytes.splice(to..to, copy);
                }
                // A block of a disk or of a sparse file that was never written.
                _ => {
                    let end = (at + 4096).min(bytes.len());
                    bytes[at..end].fill(0);
                }
            }
        }
    }

    /// Damages a text in one to four places.
    pub fn text(&mut self, text: &str) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..self.0.random_range(1..=4) {
            let at = self.0.random_range(0..=text.len());
            let end = (at + self.0.random_range(1..=12)).min(text.len());
            match self.0.random_range(0..6) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let copy = text[at..end].to_vec();
                    let to = self.0.random_range(0..=text.len());
                    text.splice(to..to, copy);
                }
                2 => {
                    // Another number for the one that follows.
                    let number = |c: &char| c.is_ascii_digit() || ".e-".contains(*c);
                    let start = (at..text.len()).find(|&i| text[i].is_ascii_digit()).unwrap_or(at);
                    let end = start + text[start..].iter().take_while(|c| number(c)).count();
                    let word = *self.one_of(&WORDS);
                    text.splice(start..end, word.chars());
                }
                3 => {
                    let word = *self.one_of(&WORDS);
                    text.splice(at..at, word.chars());
                }
                4 if at < text.len() => text[at] = char::from(self.0.random_range(b' '..=b'~')),
                _ => text.insert(at, char::from(self.0.random_range(b'\t'..=b'~'))),
            }
        }
        text.into_iter().collect()
    }
}
