//! The iterative projection algorithms as numbers.
//!
//! With P the modulus projection of the object O, every algorithm of Table I in S. Marchesini, Rev.
//! Sci. Instrum. 78, 011301 (2007) but the difference map is `O' = a P + b O`, with one pair (a, b)
//! inside the support and one outside. Under positivity a pixel inside the support counts as
//! outside where the real part of a third combination, the argument of the support projection in
//! the operator form, is negative.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An iterative algorithm by the name that the field uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// Error reduction (Gerchberg and Saxton; Fienup).
    Er,
    /// Solvent flipping (Abrahams and Leslie).
    Sf,
    /// Hybrid input-output (Fienup).
    Hio,
    /// Difference map (Elser), with gamma_S = -1/beta and gamma_M = 1/beta.
    Dm,
    /// Averaged successive reflections (Bauschke, Combettes, Luke).
    Asr,
    /// Hybrid projection reflection (Bauschke, Combettes, Luke).
    Hpr,
    /// Relaxed averaged alternating reflections (Luke).
    Raar,
    /// Charge flipping (Oszlanyi and Suto): what is weak changes its sign.
    Cf,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Algorithm; 8] = [
        Algorithm::Er,
        Algorithm::Sf,
        Algorithm::Hio,
        Algorithm::Dm,
        Algorithm::Asr,
        Algorithm::Hpr,
        Algorithm::Raar,
        Algorithm::Cf,
    ];

    /// Name in recipes, such as `HIO`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Er => "ER",
            Algorithm::Sf => "SF",
            Algorithm::Hio => "HIO",
            Algorithm::Dm => "DM",
            Algorithm::Asr => "ASR",
            Algorithm::Hpr => "HPR",
            Algorithm::Raar => "RAAR",
            Algorithm::Cf => "CF",
        }
    }

    /// Returns the cycle that this algorithm repeats, with relaxation `beta` (0 to 1).
    pub fn cycle(self, beta: f32, positivity: bool) -> Cycle {
        let (outside, decision) = match self {
            Algorithm::Er => ([0.0, 0.0], [1.0, 0.0]),
            Algorithm::Sf | Algorithm::Cf => ([-1.0, 0.0], [1.0, 0.0]),
            Algorithm::Hio => ([-beta, 1.0], [1.0, 0.0]),
            Algorithm::Asr => ([-1.0, 1.0], [2.0, -1.0]),
            Algorithm::Hpr => ([-beta, 1.0], [1.0 + beta, -1.0]),
            Algorithm::Raar => ([1.0 - 2.0 * beta, beta], [2.0, -1.0]),
            Algorithm::Dm => return Cycle::DifferenceMap { beta, positivity },
        };
        // Charge flipping is solvent flipping whose "inside" is what exceeds a positive threshold.
        let threshold = if self == Algorithm::Cf { CF_THRESHOLD } else { 0.0 };
        let decision = (positivity || self == Algorithm::Cf).then_some(Decision { weights: decision, threshold });
        Cycle::Rule(Rule { inside: [1.0, 0.0], outside, decision })
    }
}

/// Charge flipping keeps what exceeds this fraction of the object's root mean square inside the
/// support.
const CF_THRESHOLD: f32 = 0.1;

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The work of one cycle on the object, once the modulus projection P of the object O is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cycle {
    /// `O' = a P + b O`.
    Rule(Rule),
    /// The difference map, which needs a second modulus projection.
    DifferenceMap {
        /// Relaxation.
        beta: f32,
        /// Whether negative real parts count as outside the support.
        positivity: bool,
    },
}

/// The numbers of a rule: `[a, b]` in `O' = a P + b O`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Numbers inside the support.
    pub inside: [f32; 2],
    /// Numbers outside the support, and where the decision says so.
    pub outside: [f32; 2],
    /// Decision which pixels inside the support count as outside.
    pub decision: Option<Decision>,
}

/// A pixel stays inside where `Re(weights[0] P + weights[1] O) >= threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The combination of P and O that the operator form hands to the support projection.
    pub weights: [f32; 2],
    /// Threshold in units of the object's root mean square inside the support; zero for positivity.
    pub threshold: f32,
}

impl Rule {
    /// Returns whether the next object follows from the projection alone.
    pub fn needs_no_object(&self) -> bool {
        self.inside[1] == 0.0
            && self.outside[1] == 0.0
            && self.decision.is_none_or(|decision| decision.weights[1] == 0.0)
    }
}
