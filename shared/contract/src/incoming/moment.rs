//! Validation of RFC 3339 timestamps.

use jiff::civil;

/// The longest accepted timestamp in characters. RFC 3339 permits any number of digits in a fraction.
pub(super) const LONGEST: usize = 64;

/// Whether a text is a `date-time` of RFC 3339, section 5.6, in any year and with a fraction of any length. Second 60
/// is valid only where a leap second can occur: immediately before midnight UTC.
pub(super) fn is_rfc3339(text: &str) -> bool {
    parts(text.as_bytes()).is_some_and(|(hour, minute, second, offset)| {
        let in_utc = (i32::from(hour) * 60 + i32::from(minute) - offset).rem_euclid(24 * 60);
        hour <= 23 && minute <= 59 && (second <= 59 || (second == 60 && in_utc == 24 * 60 - 1))
    })
}

/// Hour, minute, second and the offset in minutes, if the format and the date are valid.
fn parts(text: &[u8]) -> Option<(u8, u8, u8, i32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', month @ .., b'-', d1, d2] = date else { return None };
    let year = i16::from(two(*y1, *y2)?) * 100 + i16::from(two(*y3, *y4)?);
    let [m1, m2] = month else { return None };
    let (month, day) = (i8::try_from(two(*m1, *m2)?).ok()?, i8::try_from(two(*d1, *d2)?).ok()?);
    civil::Date::new(year, month, day).ok()?;

    let [b'T' | b't', h1, h2, b':', i1, i2, b':', s1, s2, rest @ ..] = rest else { return None };
    let offset = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            fraction.get(digits..).filter(|_| digits > 0)?
        }
        without => without,
    };
    let offset = match offset {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
            let offset = i32::from(hours) * 60 + i32::from(minutes);
            let is_valid = hours <= 23 && minutes <= 59;
            is_valid.then_some(if *sign == b'-' { -offset } else { offset })?
        }
        _ => return None,
    };
    Some((two(*h1, *h2)?, two(*i1, *i2)?, two(*s1, *s2)?, offset))
}

/// The number that two ASCII digits form.
fn two(tens: u8, ones: u8) -> Option<u8> {
    let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    are_digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
}
