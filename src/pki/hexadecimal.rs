//! Bytes as hexadecimal digits.

/// Two lower-case digits a byte, nothing between.
///
/// ```
/// use meshca::pki::hexadecimal::digits;
/// assert_eq!(digits(&[0x0a, 0xff]), "0aff");
/// ```
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
