//! The name of a subject or issuer, byte for byte.

use std::fmt;

use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::pki::plain_text::plain;

/// A distinguished name: the encoded bytes, which alone decide, and its common name. The text for people is made when
/// somebody reads it: minting never does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistinguishedName {
    der: Vec<u8>,
    common_name: Option<String>,
}

impl DistinguishedName {
    pub(in crate::pki) fn of(name: &X509Name<'_>) -> Self {
        let common_name = name.iter_common_name().next().and_then(|attribute| attribute.as_str().ok()).map(printable);
        Self { der: name.as_raw().to_vec(), common_name }
    }

    /// Reads a name that stands alone; `None`: it is none, or something follows it.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        X509Name::from_der(der).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, name)| Self::of(&name))
    }

    fn text(&self) -> String {
        X509Name::from_der(&self.der).map(|(_, name)| printable(&name.to_string())).unwrap_or_default()
    }

    /// The encoded name. Path building compares these bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The first common name, where there is one, without control characters.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }
}

/// Names come from outside: no control character of one may reach a terminal, and no name may flood it.
fn printable(text: &str) -> String {
    plain(text, 256)
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(if text.is_empty() { "<empty name>" } else { &text })
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence of one common name.
    fn common_name(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let value = [&[0x06, 3, 0x55, 4, 3, 0x0c, length], text.as_bytes()].concat();
        [&[0x30, length + 11, 0x31, length + 9, 0x30, length + 7], value.as_slice()].concat()
    }

    #[test]
    fn a_name_is_read_byte_for_byte_where_nothing_follows_it() {
        let der = common_name("mesh1 root g1");
        let name = DistinguishedName::from_der(&der).unwrap();
        assert_eq!((name.der(), name.common_name()), (der.as_slice(), Some("mesh1 root g1")));
        assert_eq!(DistinguishedName::from_der(&[der.as_slice(), &[0]].concat()), None);
        assert_eq!(DistinguishedName::from_der(b"no name"), None);
    }

    #[test]
    fn people_read_a_name_without_control_characters_and_see_that_one_is_empty() {
        let name = DistinguishedName::from_der(&common_name("a\u{1b}b")).unwrap();
        assert_eq!((name.to_string().as_str(), name.common_name()), ("CN=a\u{fffd}b", Some("a\u{fffd}b")));
        assert_eq!(format!("{name:?}"), "\"CN=a\u{fffd}b\"");
        let empty = DistinguishedName::from_der(&[0x30, 0]).unwrap();
        assert_eq!((empty.to_string().as_str(), empty.common_name()), ("<empty name>", None));
    }
}
