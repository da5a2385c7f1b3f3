//! Digests over which nobody should sign any more.

/// Object identifiers of signatures over SHA-1, MD5 or MD2, each with the name of its digest.
const WEAK: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

/// The broken digest of the signature algorithm with this object identifier, if it has one.
pub(in crate::pki) fn of(algorithm: &str) -> Option<&'static str> {
    WEAK.iter().find(|(identifier, _)| *identifier == algorithm).map(|(_, digest)| *digest)
}
