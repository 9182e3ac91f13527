//! Numbers as files store them: every width, sign and byte order.

/// The kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
    Complex,
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub kind: Kind,
    /// Bytes in one element.
    pub width: usize,
    pub big_endian: bool,
}

impl Element {
    pub fn new(kind: Kind, width: usize, big_endian: bool) -> Self {
        Element { kind, width, big_endian: big_endian && width > 1 }
    }

    /// The name that numpy gives it: `uint16 big-endian`.
    pub fn name(&self) -> String {
        let bits = 8 * self.width;
        let order = if self.big_endian { " big-endian" } else { "" };
        match self.kind {
            Kind::Bool => "bool".into(),
            Kind::Signed => format!("int{bits}{order}"),
            Kind::Unsigned => format!("uint{bits}{order}"),
            Kind::Float => format!("float{bits}{order}"),
            Kind::Complex => format!("complex{bits}{order}"),
        }
    }

    /// The largest value of an integer type: what detectors write into saturated or missing pixels.
    pub fn maximum(&self) -> Option<f64> {
        let bits = 8 * self.width as i32;
        match self.kind {
            Kind::Unsigned => Some(2f64.powi(bits) - 1.0),
            Kind::Signed => Some(2f64.powi(bits - 1) - 1.0),
            _ => None,
        }
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Signed | Kind::Unsigned)
    }

    /// Reads one value from its bytes; `None` for a type that is not a number of a known width.
    pub fn decoder(&self) -> Option<fn(&[u8]) -> f64> {
        macro_rules! decode {
            ($type:ty) => {
                if self.big_endian {
                    |bytes| <$type>::from_be_bytes(bytes.try_into().unwrap_or_default()) as f64
                } else {
                    |bytes| <$type>::from_le_bytes(bytes.try_into().unwrap_or_default()) as f64
                }
            };
        }
        Some(match (self.kind, self.width) {
            (Kind::Bool, 1) => |bytes| f64::from(bytes[0] != 0),
            (Kind::Unsigned, 1) => decode!(u8),
            (Kind::Unsigned, 2) => decode!(u16),
            (Kind::Unsigned, 4) => decode!(u32),
            (Kind::Unsigned, 8) => decode!(u64),
            (Kind::Signed, 1) => decode!(i8),
            (Kind::Signed, 2) => decode!(i16),
            (Kind::Signed, 4) => decode!(i32),
            (Kind::Signed, 8) => decode!(i64),
            (Kind::Float, 2) if self.big_endian => |bytes| half(u16::from_be_bytes([bytes[0], bytes[1]])),
            (Kind::Float, 2) => |bytes| half(u16::from_le_bytes([bytes[0], bytes[1]])),
            (Kind::Float, 4) => decode!(f32),
            (Kind::Float, 8) => decode!(f64),
            _ => return None,
        })
    }
}

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        exponent => sign * (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 15),
    }
}

/// The message for an element type that nothing here can decode.
pub(super) fn unsupported(name: &str) -> String {
    let name = name.replace(char::is_control, "?");
    format!("holds elements of type {name}: integers and floating point numbers up to 64 bits can be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_those_of_ieee() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (1, 2f64.powi(-24)), (0x3555, 0.333251953125)]
        {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert!(half(0x7e00).is_nan());
    }
}
