//! Digits of pi by Machin's formula: π/4 = 4 arctan(1/5) − arctan(1/239).

/// Digits in one limb.
const LIMB_DIGITS: usize = 9;
/// One more than the largest limb.
const BASE: u64 = 1_000_000_000;
/// Limbs that take the rounding of every term, and are cut off.
const GUARD: usize = 2;

/// `3.` and so many correct digits after it. Asks `go_on` now and then, and stops with `None` when that says false.
pub(super) fn digits(count: usize, mut go_on: impl FnMut() -> bool) -> Option<String> {
    let limbs = 1 + count.div_ceil(LIMB_DIGITS) + GUARD;
    let fifth = arctan_inverse(5, 16, limbs, &mut go_on)?;
    let other = arctan_inverse(239, 4, limbs, &mut go_on)?;
    let pi = subtract(fifth, &other);
    let mut text = String::with_capacity(2 + limbs * LIMB_DIGITS);
    let (whole, fraction) = pi.split_first()?;
    text.push_str(&format!("{whole}."));
    for limb in fraction {
        text.push_str(&format!("{limb:09}"));
    }
    text.truncate(2 + count);
    Some(text)
}

/// `factor` × arctan(1 / `x`) in fixed point: a limb before the point, the others after it, the largest first.
fn arctan_inverse(x: u64, factor: u64, limbs: usize, go_on: &mut impl FnMut() -> bool) -> Option<Vec<u64>> {
    let mut power = vec![0; limbs];
    if let Some(first) = power.first_mut() {
        *first = factor;
    }
    divide(&mut power, x);
    let mut sum = power.clone();
    let mut term = vec![0; limbs];
    let mut divisor = 1;
    // Limbs of the power that are zero for good.
    let mut zeros = 0;
    loop {
        if !go_on() {
            return None;
        }
        divide(power.get_mut(zeros..)?, x * x);
        while power.get(zeros) == Some(&0) {
            zeros += 1;
        }
        if zeros == limbs {
            return Some(sum);
        }
        divisor += 2;
        term.copy_from_slice(&power);
        divide(term.get_mut(zeros..)?, divisor);
        sum = if divisor % 4 == 3 { subtract(sum, &term) } else { add(sum, &term) };
    }
}

fn divide(number: &mut [u64], divisor: u64) {
    let mut rest = 0;
    for limb in number {
        let value = rest * BASE + *limb;
        *limb = value / divisor;
        rest = value % divisor;
    }
}

fn add(mut left: Vec<u64>, right: &[u64]) -> Vec<u64> {
    let mut carry = 0;
    for (limb, other) in left.iter_mut().zip(right).rev() {
        let value = *limb + other + carry;
        carry = u64::from(value >= BASE);
        *limb = value - carry * BASE;
    }
    left
}

fn subtract(mut left: Vec<u64>, right: &[u64]) -> Vec<u64> {
    let mut borrow = 0;
    for (limb, other) in left.iter_mut().zip(right).rev() {
        let value = *limb + BASE - other - borrow;
        borrow = u64::from(value < BASE);
        *limb = value - (1 - borrow) * BASE;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first hundred digits after the point, and the hundred that end at the thousandth.
    const FIRST: &str = "3.1415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253421170679";
    const LAST: &str = "2164201989";

    #[test]
    fn digits_are_those_of_the_tables() {
        for count in [1, 2, 9, 10, 50, 100] {
            assert_eq!(digits(count, || true).as_deref(), FIRST.get(..2 + count), "{count}");
        }
        let thousand = digits(1_000, || true).unwrap();
        assert_eq!(thousand.len(), 1_002);
        assert!(thousand.starts_with(FIRST) && thousand.ends_with(LAST), "{thousand}");
        // The six nines from the 762nd digit on.
        assert_eq!(thousand.get(2 + 761..2 + 767), Some("999999"));
    }

    #[test]
    fn more_digits_agree_with_fewer() {
        let long = digits(2_345, || true).unwrap();
        for count in [17, 100, 999, 1_500, 2_344] {
            assert!(long.starts_with(&digits(count, || true).unwrap()), "{count}");
        }
    }

    #[test]
    fn it_stops_when_nobody_waits() {
        let mut asked = 0;
        let stopped = digits(100_000, || {
            asked += 1;
            asked < 10
        });
        assert_eq!((stopped, asked), (None, 10));
    }
}
