//! Public keys whose private halves everybody has, because Istio's repository publishes them for demonstrations.
//!
//! SHA-256 of the SubjectPublicKeyInfo, computed with OpenSSL from the files named (`istio/istio` at `eed52ebb66ad`
//! unless said otherwise). Roots are listed, too: their keys are not in the folder, but everything below them is.

use crate::pki::fingerprint::Fingerprint;

/// Each key and the file in Istio's repository that it comes from.
pub const PUBLISHED: &[(&str, &str)] = &[
    ("f0592d4d660052580d0c0bfe09f9a4d795ad8ab7c2fa86c33276fbb352145ee5", "samples/certs/root-cert.pem"),
    ("42d8cfd1102e06e3f2579e68f9db4f787ec9cbcd1f19f1bae7934cee918c2fef", "samples/certs/ca-cert.pem"),
    ("42d0f6531c3afb84b72f12f458fa35dc74402771fed9b27ad48a665474dde501", "samples/certs/root-cert-alt.pem"),
    ("88e809261b157f0db238901c0033e6bfeba79793c20ab8af41963cdd41ce6600", "samples/certs/ca-cert-alt.pem"),
    ("7c5f2208b98507d0d6f1fda0a6609e93fbb7fb434d39ed78b71e305e23d7a46d", "samples/certs/ca-cert-alt-2.pem"),
    ("02f9ef016e164f12013c7e8d1f19b4ebd85738ef9cbee079a077bfd9166794cf", "samples/certs/ca-key-alt-2.pem"),
    ("ee087b4b06e45ab3596dacd51ff5176c7b3f28196115374040f0269f4b36b5a9", "samples/certs/leaf-workload-foo-cert.pem"),
    ("ea6a6c986f1f857db9220ae417f72720e6a3f789e06a85a7e92052c36fa10e58", "samples/certs/leaf-workload-bar-cert.pem"),
    ("bb1eae277ea4eb9f87a9a5ae2aaa737926874baeb1fda2d182f6c265689afa51", "samples/certs/root-cert.pem at 05a9c328890a"),
    ("33b56859d49574d5a08a943b8775b453dd82cff09d987b3c6a843a917b2ae0df", "samples/certs/ca-cert.pem at 35c82023483c"),
    ("61f107b25c92688bb732fd97cd28a7c7308a3f26e8b7bfb640c34106f8d3d81d", "tests/testdata/certs/pilot/ca-key.pem"),
    (
        "eaad61dcd777fa3b0828d778eed2976b750a28f70cce775aecfaab8855b0c6e4",
        "security/pkg/pki/testdata/multilevelpki/root-key.pem",
    ),
    (
        "b01876cde4c503ca5559a04d064b950aa041c85542edec38ba64ab99d9b80a39",
        "security/pkg/pki/testdata/multilevelpki/int-key.pem",
    ),
    (
        "8d549ffdb4525b36ffd7bcdff9304ee0fc4f7888b9ade536cd16723eca0edc85",
        "security/pkg/pki/testdata/multilevelpki/int2-key.pem",
    ),
    (
        "0bd9cfb28bfe4d650c992bfe0a181b12a8b932021e48eeee7b2a372511e04e11",
        "security/pkg/pki/testdata/multilevelpki/ecc-root-key.pem",
    ),
    (
        "730d266370c07488b1930a8333add8e7c99356f0876ee3405ccfd6505fed2ba3",
        "security/pkg/pki/testdata/multilevelpki/ecc-int-key.pem",
    ),
    (
        "2e8bd33a2b50c6ce96e5ebafc24c8fc5bd41d04b8a394cedb7abeab89a54dd33",
        "security/pkg/pki/testdata/multilevelpki/ecc-int2-key.pem",
    ),
    ("4c2b051529b44c0466f0ebd0e3820ec03bebe1f11f757a9fddac85895c111bcf", "security/pkg/pki/testdata/crl/ca-key.pem"),
    ("bbb07b190385c6708aab910a031694fed85cef6f1a8d41acacea3e47365314c1", "security/pkg/pki/testdata/key.pem"),
    ("9588dedf098998cc84b68930b17600a6da79144b2aaeb948be247d5c2133bc37", "security/pkg/pki/testdata/ec-root-key.pem"),
];

/// The file in Istio's repository that publishes this key, if one does. The argument is the SHA-256 of the
/// SubjectPublicKeyInfo.
#[must_use]
pub fn published_in(key: Fingerprint) -> Option<&'static str> {
    let written = key.to_string();
    PUBLISHED.iter().find(|(known, _)| *known == written).map(|(_, file)| *file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::certificate::Certificate;
    use crate::pki::pem_blocks::PemText;

    fn keys_of(pem: &str) -> Vec<Fingerprint> {
        let text = PemText::read(pem.as_bytes()).unwrap();
        text.blocks.iter().map(|block| Certificate::from_der(&block.der).unwrap().key_fingerprint()).collect()
    }

    macro_rules! sample {
        ($name:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/foreign/istio-samples/", $name))
        };
    }

    #[test]
    fn every_sample_certificate_of_istio_is_known_by_its_key() {
        let samples = [
            sample!("root-cert.pem"),
            sample!("root-cert-alt.pem"),
            sample!("root-cert-2024.pem"),
            sample!("ca-cert.pem"),
            sample!("ca-cert-alt.pem"),
            sample!("ca-cert-alt-2.pem"),
            sample!("ca-cert-2024.pem"),
            sample!("cert-chain-alt.pem"),
            sample!("cert-chain-alt-2.pem"),
            sample!("root-cert-combined.pem"),
            sample!("leaf-workload-foo-cert.pem"),
            sample!("leaf-workload-bar-cert.pem"),
        ];
        for pem in samples {
            for key in keys_of(pem) {
                assert!(published_in(key).is_some(), "{key} of\n{pem}");
            }
        }
    }

    #[test]
    fn the_list_is_written_as_fingerprints_are_and_no_other_key_is_in_it() {
        assert!(PUBLISHED.iter().all(|(key, _)| Fingerprint::parse(key).is_some_and(|f| f.to_string() == *key)));
        assert_eq!(published_in(Fingerprint::of(b"some other key")), None);
    }
}
