//! Half precision, as files have it.

/// The number whose 16 bits in half precision (IEEE 754's binary16) these are. Every one is exact in f64; all that is NaN becomes one NaN.
///
/// ```
/// use kniff_data::widen_half;
/// assert_eq!([0x3c00, 0xc000, 0x3555, 0x7bff].map(widen_half), [1.0, -2.0, 0.333251953125, 65504.0]);
/// ```
pub fn widen_half(bits: u16) -> f64 {
    let (exponent, fraction) = (u64::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    // 2^(k - 25), of which a fraction counts the units.
    let unit = |k: u64| f64::from_bits((k + 1023 - 25) << 52);
    let size = match exponent {
        0 => fraction * unit(1),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * unit(exponent),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_every_kind() {
        // Zero, the smallest subnormal, the largest, the smallest normal, one and its neighbour, the largest number.
        let known = [
            (0x0000, 0.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 1023.0 * 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3c00, 1.0),
            (0x3c01, 1.0 + 2_f64.powi(-10)),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
        ];
        for (bits, value) in known {
            assert_eq!(widen_half(bits).to_bits(), value.to_bits(), "{bits:#x}");
            assert_eq!(widen_half(bits | 0x8000).to_bits(), (-value).to_bits(), "{bits:#x}, negative");
        }
        assert!((0x7c01..=0x7fff).all(|bits| widen_half(bits).is_nan() && widen_half(bits | 0x8000).is_nan()));
    }

    #[test]
    fn more_bits_are_more_and_a_step_is_one_unit_of_its_power_of_two() {
        for bits in 0..0x7bff {
            let step = widen_half(bits + 1) - widen_half(bits);
            let power = i32::from((bits >> 10).max(1)) - 25;
            assert_eq!(step, 2_f64.powi(power), "{bits:#x}");
        }
    }
}
