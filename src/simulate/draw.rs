//! Ranges in recipes, and drawing from them.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::RangeInclusive;

/// Random number generator of everything that is drawn: the same numbers on every machine and in
/// every version.
pub type Rng = ChaCha8Rng;

/// A key of a recipe whose value cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The key with its sections: `measurement.photons`.
    pub key: String,
    /// Problem with its value, and the values that can be used.
    pub problem: String,
}

/// Fails with a [`Fault`].
///
/// # Errors
/// Always.
pub fn fault<T>(key: &str, problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { key: key.into(), problem: problem.into() })
}

/// Range that a parameter is drawn from: `0.3` (always that) or `[0.1, 0.9]` (anything between).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterRange {
    /// Smallest value of the range.
    pub lo: f64,
    /// Largest value of the range.
    pub hi: f64,
}

impl ParameterRange {
    /// Creates the range from `lo` to `hi`.
    pub const fn new(lo: f64, hi: f64) -> Self {
        ParameterRange { lo, hi }
    }

    /// Draws a value, all equally likely.
    pub fn uniform(self, rng: &mut Rng) -> f64 {
        self.lo + (self.hi - self.lo) * rng.random::<f64>()
    }

    /// Draws a value with a uniform logarithm, for quantities that span decades. The range must be
    /// positive.
    pub fn log_uniform(self, rng: &mut Rng) -> f64 {
        ParameterRange::new(self.lo.ln(), self.hi.ln()).uniform(rng).exp()
    }

    /// Draws an integer, all equally likely, both ends included.
    pub fn integer(self, rng: &mut Rng) -> usize {
        rng.random_range(self.lo.round() as usize..=self.hi.round() as usize)
    }

    /// Checks that the range is not empty and within what the property allows.
    ///
    /// # Errors
    /// [`Fault`] for the key if it is not.
    pub fn check(self, key: &str, allowed: RangeInclusive<f64>) -> Result<(), Fault> {
        if self.lo > self.hi {
            return fault(key, format!("the range {self} is empty: the smaller value comes first"));
        }
        if !allowed.contains(&self.lo) || !allowed.contains(&self.hi) {
            return fault(
                key,
                format!("{self} is out of bounds: {} to {} can be used", allowed.start(), allowed.end()),
            );
        }
        Ok(())
    }
}

impl fmt::Display for ParameterRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 1e10 rather than ten zeros.
        let plain = |value: f64| value == 0.0 || (1e-4..1e7).contains(&value.abs());
        let text = |value: f64| if plain(value) { format!("{value}") } else { format!("{value:e}") };
        if self.lo == self.hi || self.lo.is_nan() {
            f.write_str(&text(self.lo))
        } else {
            write!(f, "[{}, {}]", text(self.lo), text(self.hi))
        }
    }
}

impl Serialize for ParameterRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.lo == self.hi { self.lo.serialize(serializer) } else { [self.lo, self.hi].serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for ParameterRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParameterRangeVisitor)
    }
}

/// Visitor for a number or two. Written by hand, because serde's untagged enums say "data did not
/// match any variant" where a user needs to read what to write.
struct ParameterRangeVisitor;

impl<'de> Visitor<'de> for ParameterRangeVisitor {
    type Value = ParameterRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a range of two numbers, [smallest, largest]")
    }

    fn visit_f64<E>(self, value: f64) -> Result<ParameterRange, E> {
        Ok(ParameterRange::new(value, value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ParameterRange, E> {
        Ok(ParameterRange::new(value as f64, value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<ParameterRange, E> {
        Ok(ParameterRange::new(value as f64, value as f64))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<ParameterRange, A::Error> {
        let mut found = Vec::new();
        while let Some(value) = values.next_element::<f64>()? {
            found.push(value);
        }
        match found[..] {
            [lo, hi] => Ok(ParameterRange::new(lo, hi)),
            _ => Err(A::Error::invalid_length(found.len(), &self)),
        }
    }
}

/// Draws whether something of this probability happens.
pub fn happens(probability: f64, rng: &mut Rng) -> bool {
    rng.random::<f64>() < probability
}

/// Checks that a value is a probability.
///
/// # Errors
/// [`Fault`] for the key if it is not.
pub fn check_probability(key: &str, probability: f64) -> Result<(), Fault> {
    if (0.0..=1.0).contains(&probability) {
        return Ok(());
    }
    fault(key, format!("{probability} is no probability: 0 to 1 can be used"))
}

/// Draws a standard normal number.
pub fn normal(rng: &mut Rng) -> f64 {
    use rand_distr::{Distribution, StandardNormal};
    StandardNormal.sample(rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[derive(Deserialize)]
    struct Holder {
        a: ParameterRange,
    }

    #[test]
    fn ranges_are_read_and_checked() {
        let read = |text: &str| toml::from_str::<Holder>(text).map(|holder| holder.a);
        assert_eq!(read("a = 3").unwrap(), ParameterRange::new(3.0, 3.0));
        assert_eq!(read("a = [1, 2.5]").unwrap(), ParameterRange::new(1.0, 2.5));
        let message = read("a = [1, 2, 3]").unwrap_err().to_string();
        assert!(message.contains("a number or a range of two numbers"), "{message}");
        assert!(ParameterRange::new(2.0, 1.0).check("x", 0.0..=5.0).unwrap_err().problem.contains("empty"));
        assert!(ParameterRange::new(1.0, 9.0).check("x", 0.0..=5.0).unwrap_err().problem.contains("0 to 5"));
    }

    #[test]
    fn draws_stay_inside() {
        let mut rng = Rng::seed_from_u64(1);
        for _ in 0..1000 {
            assert!((2.0..=3.0).contains(&ParameterRange::new(2.0, 3.0).uniform(&mut rng)));
            assert!((10.0..=1000.0 + 1e-9).contains(&ParameterRange::new(10.0, 1000.0).log_uniform(&mut rng)));
            assert!((2..=4).contains(&ParameterRange::new(2.0, 4.0).integer(&mut rng)));
        }
    }
}
