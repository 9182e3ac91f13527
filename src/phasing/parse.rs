//! The grammar of recipes:
//!
//! ```text
//! list    = item { "," item }            executed from right to left
//! item    = NAME "=" VALUE | factor { "*" item }
//! factor  = ( NAME | "(" list ")" ) [ "**" COUNT ]
//! ```
//!
//! PyNX evaluates the same text as Python; here it is data, so a mistake is found before anything
//! runs, at its column.

use super::recipe::{Parameter, Recipe, Step};
use super::rules::Algorithm;
use super::support::Reference;
use crate::error::{Error, Result};
use std::str::FromStr;

/// More cycles than anybody runs: a typing error such as `HIO**50000000`.
const MOST_CYCLES: usize = 10_000_000;

/// More steps, repetitions counted, than anybody runs.
const MOST_STEPS: usize = 1_000_000;

/// Deeper parentheses than anybody writes.
const DEEPEST: usize = 16;

impl FromStr for Recipe {
    type Err = Error;

    /// Reads PyNX's notation; names in any case, spaces ignored.
    fn from_str(text: &str) -> Result<Self> {
        recipe(text)
    }
}

fn recipe(text: &str) -> Result<Recipe> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let steps = parser.list()?;
    parser.spaces();
    if parser.at < text.len() {
        return Err(parser.error("expected ',' or '*' between steps"));
    }
    let recipe = Recipe { steps };
    if recipe.cycles() > MOST_CYCLES {
        parser.at = 0;
        return Err(parser.error(&format!("{} cycles are more than the {MOST_CYCLES} allowed", recipe.cycles())));
    }
    if recipe.length() > MOST_STEPS {
        parser.at = 0;
        return Err(parser.error(&format!("it has more than the {MOST_STEPS} steps allowed")));
    }
    if recipe.cycles() == 0 {
        parser.at = 0;
        return Err(parser.error("there are no cycles in it: write for example ER**200,(Sup*HIO**50)**12"));
    }
    Ok(recipe)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error_at(&self, at: usize, problem: &str) -> Error {
        let column = self.text[..at.min(self.text.len())].chars().count() + 1;
        Error::Recipe { text: self.text.into(), column, problem: problem.into() }
    }

    fn error(&self, problem: &str) -> Error {
        self.error_at(self.at, problem)
    }

    fn spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn accept(&mut self, token: &str) -> bool {
        self.spaces();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Characters as long as `keep` holds.
    fn take(&mut self, keep: impl Fn(char) -> bool) -> &str {
        self.spaces();
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Items separated by commas or single stars, in the order of execution: the last one written
    /// first.
    fn list(&mut self) -> Result<Vec<Step>> {
        let mut steps = vec![self.item()?];
        while self.accept(",") || self.single_star() {
            steps.push(self.item()?);
        }
        steps.reverse();
        Ok(steps)
    }

    fn single_star(&mut self) -> bool {
        self.spaces();
        !self.text[self.at..].starts_with("**") && self.accept("*")
    }

    fn item(&mut self) -> Result<Step> {
        if self.accept("(") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(self.error("too many parentheses inside one another"));
            }
            let steps = self.list()?;
            if !self.accept(")") {
                return Err(self.error("expected ')'"));
            }
            self.depth -= 1;
            let n = self.power()?;
            return Ok(Step::Repeat(steps, n));
        }
        self.spaces();
        let start = self.at;
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_').to_ascii_lowercase();
        if self.accept("=") {
            return self.parameter(&name, start);
        }
        let algorithm = |name: &str| Algorithm::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name));
        match name.as_str() {
            "" => Err(self.error("expected a step such as HIO**50, Sup or (...)")),
            "sup" => Ok(Step::SupportUpdate(self.power()?)),
            "ml" => Ok(Step::MaximumLikelihood(self.power()?)),
            other => match (algorithm(other), other.strip_prefix("detwin").and_then(algorithm)) {
                (Some(algorithm), _) => Ok(Step::Cycles(algorithm, self.power()?)),
                (_, Some(algorithm)) => Ok(Step::Detwin(algorithm, self.power()?)),
                _ => Err(self.error_at(
                    start,
                    &format!(
                        "'{other}' is no step: known are {}, ML, Sup, DetwinHIO and DetwinRAAR",
                        Algorithm::ALL.map(Algorithm::name).join(", ")
                    ),
                )),
            },
        }
    }

    fn power(&mut self) -> Result<usize> {
        if !self.accept("**") {
            return Ok(1);
        }
        self.spaces();
        let start = self.at;
        let digits = self.take(|c| c.is_ascii_digit()).to_string();
        match digits.parse() {
            Ok(0) | Err(_) => Err(self.error_at(start, "expected a count of 1 or more after '**'")),
            Ok(n) => Ok(n),
        }
    }

    fn parameter(&mut self, name: &str, start: usize) -> Result<Step> {
        self.spaces();
        let at = self.at;
        let value = self.take(|c| c.is_ascii_alphanumeric() || "._+-".contains(c)).to_string();
        let number = |low: f32, high: f32| match value.parse::<f32>() {
            Ok(v) if (low..=high).contains(&v) => Ok(v),
            _ => Err(self.error_at(at, &format!("{name} takes a number from {low} to {high}"))),
        };
        let flag = || match value.to_ascii_lowercase().as_str() {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(self.error_at(at, &format!("{name} takes 0 or 1"))),
        };
        let parameter = match name {
            "beta" => Parameter::Beta(number(0.0, 1.0)?),
            "positivity" => Parameter::Positivity(flag()?),
            "support_threshold" => Parameter::SupportThreshold(number(0.0, 100.0)?),
            "support_threshold_method" => Parameter::SupportThresholdMethod(
                value
                    .parse::<Reference>()
                    .map_err(|_| self.error_at(at, "support_threshold_method takes rms, mean or max"))?,
            ),
            "support_only_shrink" => Parameter::SupportOnlyShrink(flag()?),
            "support_update_border_n" => Parameter::SupportUpdateBorderN(number(0.0, 1000.0)? as usize),
            "support_smooth_width" => Parameter::SupportSmoothWidth(number(0.0, 50.0)?),
            "gap_bounds" => Parameter::GapBounds(flag()?),
            "gap_leak" => Parameter::GapLeak(number(0.0, 1.0)?),
            "psf" => Parameter::Psf(match value.parse() {
                Ok(n) if n <= MOST_CYCLES => n,
                _ => {
                    let problem = "psf takes 0 (off), 1 (on) or the cycles between two updates of its kernel";
                    return Err(self.error_at(at, problem));
                }
            }),
            _ => {
                return Err(self.error_at(
                    start,
                    &format!(
                        "'{name}' is no parameter: known are beta, positivity, support_threshold, \
                         support_threshold_method, support_only_shrink, support_update_border_n, \
                         support_smooth_width, gap_bounds, gap_leak and psf"
                    ),
                ));
            }
        };
        Ok(Step::Set(parameter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> String {
        recipe(text).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_found_at_their_column() {
        assert!(problem("ER**200,(Sup*HIA**50)**12").contains("column 14: 'hia' is no step"));
        assert!(problem("ER**").contains("column 5"));
        assert!(problem("(ER**5").contains("column 7: expected ')'"));
        assert!(problem("ER**5)").contains("column 6"));
        assert!(problem("").contains("column 1"));
        assert!(problem("ER**0").contains("column 5"));
        assert!(problem("beta=2,ER").contains("column 6: beta takes a number from 0 to 1"));
        assert!(problem("bata=2,ER").contains("column 1: 'bata' is no parameter"));
        assert!(problem("psf=gaussian,ER").contains("column 5: psf takes 0 (off), 1 (on)"));
        assert!(problem("psf=-1,ER").contains("column 5"));
        assert!(problem("Sup").contains("no cycles"));
        assert!(problem("HIO**50000000").contains("more than"));
        assert!(problem("HIO,(Sup)**200000000").contains("more than"));
        assert!(problem("HIO,Sup**200000000").contains("more than"));
        assert!(problem(&"(".repeat(100)).contains("too many parentheses"));
        assert!(problem("(((ER**99999)**99999)**99999)**99999").contains("more than"));
        assert!(problem("ER**é").contains("column 5"));
    }

    fn step() -> impl Strategy<Value = Step> {
        let n = 1usize..50;
        let algorithm = prop::sample::select(Algorithm::ALL.to_vec());
        let parameter = prop_oneof![
            (0.0f32..1.0).prop_map(Parameter::Beta),
            any::<bool>().prop_map(Parameter::Positivity),
            (0.0f32..1.0).prop_map(Parameter::SupportThreshold),
            Just(Parameter::SupportThresholdMethod(Reference::Max)),
            any::<bool>().prop_map(Parameter::SupportOnlyShrink),
            (0usize..9).prop_map(Parameter::SupportUpdateBorderN),
            (0.1f32..9.0).prop_map(Parameter::SupportSmoothWidth),
            any::<bool>().prop_map(Parameter::GapBounds),
            (0.0f32..1.0).prop_map(Parameter::GapLeak),
            (0usize..50).prop_map(Parameter::Psf),
        ];
        let leaf = prop_oneof![
            (algorithm.clone(), n.clone()).prop_map(|(a, n)| Step::Cycles(a, n)),
            (algorithm, n.clone()).prop_map(|(a, n)| Step::Detwin(a, n)),
            n.clone().prop_map(Step::MaximumLikelihood),
            n.clone().prop_map(Step::SupportUpdate),
            parameter.prop_map(Step::Set),
        ];
        leaf.prop_recursive(3, 12, 4, move |inner| {
            (prop::collection::vec(inner, 1..4), 1usize..6).prop_map(|(steps, n)| Step::Repeat(steps, n))
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(steps in prop::collection::vec(step(), 1..5)) {
            let written = Recipe { steps };
            prop_assume!((1..=MOST_CYCLES).contains(&written.cycles()) && written.length() <= MOST_STEPS);
            prop_assert_eq!(recipe(&written.to_string()).unwrap(), written);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = recipe(&text);
        }
    }
}
