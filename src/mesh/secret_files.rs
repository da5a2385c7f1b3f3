//! The data of a `cacerts` Secret: names and values as they lie in Kubernetes or in a folder.
//!
//! Names are those of `security/pkg/pki/ca/ca.go` of Istio.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

pub use crate::mesh::cacerts::{
    CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, FILES as FOUR, ISTIO_GENERATED, ROOT_CERT, TLS_CERT, TLS_KEY, TLS_ROOT,
};

/// The three files of the tls form.
pub const TLS_THREE: [&str; 3] = [TLS_CERT, TLS_KEY, TLS_ROOT];

/// The values of one set by name. They are wiped when dropped, and only names and lengths are ever shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretFiles {
    values: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// In which of the two forms istiod would read a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Four `.pem` files.
    Istio,
    /// `tls.crt`, `tls.key`, `ca.crt`. The mere presence of `tls.crt` decides.
    Tls,
}

impl SecretFiles {
    /// A set without files.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: BTreeMap::new() }
    }

    /// The same set with this value under this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.insert(name, value);
        self
    }

    /// Puts a value under a name, in place of an earlier one.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.values.insert(name.into(), Zeroizing::new(value.into()));
    }

    /// Takes a value away.
    pub fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The value under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(|value| value.as_slice())
    }

    /// Whether there is a value under this name; it may be empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The form that istiod would read (`detectSigningCABundleAndCRL` in `pilot/pkg/bootstrap/istio_ca.go`).
    #[must_use]
    pub fn form(&self) -> Form {
        if self.has(TLS_CERT) { Form::Tls } else { Form::Istio }
    }
}

impl fmt::Debug for SecretFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values.iter().map(|(name, value)| (name, value.len()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown() {
        let files = SecretFiles::new().with(CA_KEY, "secret").with(ROOT_CERT, "");
        assert_eq!(format!("{files:?}"), r#"{"ca-key.pem": 6, "root-cert.pem": 0}"#);
    }

    #[test]
    fn the_presence_of_tls_crt_alone_decides_the_form() {
        let four = FOUR.iter().fold(SecretFiles::new(), |files, name| files.with(*name, "x"));
        assert_eq!(four.form(), Form::Istio);
        assert_eq!(four.clone().with(TLS_ROOT, "x").form(), Form::Istio);
        assert_eq!(four.with(TLS_CERT, "").form(), Form::Tls);
    }
}
