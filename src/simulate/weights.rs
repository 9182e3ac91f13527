//! Random choice among kinds by their weights.

use super::draw::{Fault, ParameterRange, Rng, fault};
use rand::Rng as _;

/// Checks that one of the weights can be chosen.
///
/// # Errors
/// [`Fault`] for the key if none can.
pub fn check_weights(key: &str, weights: &[f64]) -> Result<(), Fault> {
    if weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0) || weights.iter().all(|weight| *weight == 0.0)
    {
        return fault(
            key,
            format!("the weights {weights:?} choose nothing: 0 or more can be used, at least one above 0"),
        );
    }
    Ok(())
}

/// Draws the index of one of the weights, each as likely as its share of the sum; the last one if
/// all are 0.
pub fn choose(weights: &[f64], rng: &mut Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let index = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    index.unwrap_or(weights.len().saturating_sub(1))
}

/// Draws one of the keys, each as likely as its share of the weights; `None` if all weights are 0.
pub fn pick<K: Copy>(weights: impl Iterator<Item = (K, f64)> + Clone, rng: &mut Rng) -> Option<K> {
    let total: f64 = weights.clone().map(|(_, weight)| weight).sum();
    let mut left = ParameterRange::new(0.0, total).uniform(rng);
    let mut picked = None;
    for (key, weight) in weights.filter(|(_, weight)| *weight > 0.0) {
        picked = Some(key);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn kinds_come_as_often_as_their_weights_say() {
        let mut rng = Rng::seed_from_u64(1);
        let mut seen = [0; 3];
        for _ in 0..10_000 {
            seen[choose(&[1.0, 0.0, 3.0], &mut rng)] += 1;
        }
        assert_eq!(seen[1], 0);
        // The standard deviation of a binomial count is 43; five of them.
        assert!(i32::abs(seen[0] - 2500) < 217, "{seen:?}");
    }

    #[test]
    fn weights_that_choose_nothing_are_refused() {
        assert!(check_weights("k", &[0.0, 2.0]).is_ok());
        for weights in [[0.0, 0.0], [-1.0, 2.0], [f64::NAN, 1.0]] {
            assert_eq!(check_weights("k", &weights).unwrap_err().key, "k");
        }
    }
}
