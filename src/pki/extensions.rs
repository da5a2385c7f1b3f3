//! The extensions of a certificate, as far as decisions need them.

use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

/// The extensions that decisions need. An absent extension is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Basic constraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// Key usage.
    pub key_usage: Option<KeyUsage>,
    /// Extended key usages as dotted object identifiers.
    pub extended_key_usage: Option<Vec<String>>,
    /// The subject key identifier.
    pub subject_key_identifier: Option<Vec<u8>>,
    /// The key identifier of the authority key identifier.
    pub authority_key_identifier: Option<Vec<u8>>,
    /// DNS names of the subject alternative name.
    pub dns_names: Vec<String>,
    /// URIs of the subject alternative name.
    pub uris: Vec<String>,
    /// Name constraints, where there are any.
    pub name_constraints: Option<NameConstraints>,
    /// Object identifiers of critical extensions that are none of the above.
    pub unknown_critical: Vec<String>,
}

/// Basic constraints (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the extension is critical.
    pub critical: bool,
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many intermediate CAs may follow below.
    pub path_length: Option<u32>,
}

/// Key usage (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Whether the extension is critical.
    pub critical: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign revocation lists.
    pub crl_sign: bool,
    /// May sign other things.
    pub digital_signature: bool,
}

/// Name constraints (RFC 5280 §4.2.1.10), only the kinds that decide something in a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameConstraints {
    /// Whether the extension is critical.
    pub critical: bool,
    /// Permitted DNS names.
    pub permitted_dns: Vec<String>,
    /// Excluded DNS names.
    pub excluded_dns: Vec<String>,
    /// Permitted hosts of URI names.
    pub permitted_uris: Vec<String>,
    /// Excluded hosts of URI names.
    pub excluded_uris: Vec<String>,
    /// Whether directory names are constrained in any way.
    pub directory_names: bool,
    /// Whether names of a kind are constrained that is none of DNS, URI, directory, IP address and e-mail.
    pub others: bool,
}

/// Server authentication, as an extended key usage.
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// Client authentication, as an extended key usage.
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

impl Extensions {
    pub(in crate::pki) fn of(parsed: &X509Certificate<'_>) -> Result<Self, String> {
        let mut found = Self::default();
        parsed.tbs_certificate.extensions_map().map_err(|_| "an extension occurs twice".to_owned())?;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(value) => {
                    found.basic_constraints = Some(BasicConstraints {
                        critical: extension.critical,
                        ca: value.ca,
                        path_length: value.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(value) => {
                    found.key_usage = Some(KeyUsage {
                        critical: extension.critical,
                        key_cert_sign: value.key_cert_sign(),
                        crl_sign: value.crl_sign(),
                        digital_signature: value.digital_signature(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(value) => {
                    found.extended_key_usage = Some(extended_key_usages(value));
                }
                ParsedExtension::SubjectKeyIdentifier(value) => {
                    found.subject_key_identifier = Some(value.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(value) => {
                    found.authority_key_identifier = value.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(value) => {
                    for name in &value.general_names {
                        match name {
                            GeneralName::DNSName(dns) => found.dns_names.push((*dns).to_owned()),
                            GeneralName::URI(uri) => found.uris.push((*uri).to_owned()),
                            _ => {}
                        }
                    }
                }
                ParsedExtension::NameConstraints(value) => {
                    found.name_constraints = Some(NameConstraints::of(value, extension.critical));
                }
                ParsedExtension::ParseError { error } => return Err(format!("extension {}: {error}", extension.oid)),
                _ if extension.critical => found.unknown_critical.push(extension.oid.to_id_string()),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl NameConstraints {
    fn of(parsed: &x509_parser::extensions::NameConstraints<'_>, critical: bool) -> Self {
        let mut found = Self { critical, ..Self::default() };
        let permitted = parsed.permitted_subtrees.iter().flatten().map(|tree| (true, tree));
        let excluded = parsed.excluded_subtrees.iter().flatten().map(|tree| (false, tree));
        for (is_permitted, tree) in permitted.chain(excluded) {
            match &tree.base {
                GeneralName::DNSName(dns) if is_permitted => found.permitted_dns.push((*dns).to_owned()),
                GeneralName::DNSName(dns) => found.excluded_dns.push((*dns).to_owned()),
                GeneralName::URI(host) if is_permitted => found.permitted_uris.push((*host).to_owned()),
                GeneralName::URI(host) => found.excluded_uris.push((*host).to_owned()),
                GeneralName::DirectoryName(_) => found.directory_names = true,
                GeneralName::IPAddress(_) | GeneralName::RFC822Name(_) => {}
                _ => found.others = true,
            }
        }
        found
    }

    /// Whether URI names are constrained in any way.
    #[must_use]
    pub const fn has_uris(&self) -> bool {
        !self.permitted_uris.is_empty() || !self.excluded_uris.is_empty()
    }
}

fn extended_key_usages(value: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (value.any, "2.5.29.37.0"),
        (value.server_auth, SERVER_AUTH),
        (value.client_auth, CLIENT_AUTH),
        (value.code_signing, "1.3.6.1.5.5.7.3.3"),
        (value.email_protection, "1.3.6.1.5.5.7.3.4"),
        (value.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (value.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let mut usages: Vec<String> =
        known.iter().filter(|(present, _)| *present).map(|(_, oid)| (*oid).to_owned()).collect();
    usages.extend(value.other.iter().map(x509_parser::der_parser::oid::Oid::to_id_string));
    usages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::certificate::Certificate;
    use crate::pki::fixture::{first, fixture};
    use crate::problem::Problem;

    /// A certificate with one extension of this content.
    fn with(oid: &[u64], critical: bool, content: &[u8]) -> Result<Extensions, Problem> {
        let mut extension = rcgen::CustomExtension::from_oid_content(oid, content.to_vec());
        extension.set_criticality(critical);
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.custom_extensions.push(extension);
        let signed = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        Certificate::from_der(signed.der()).map(|it| it.extensions().clone())
    }

    fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&[tag, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    /// Name constraints that permit and exclude names of these tags.
    fn constrained(critical: bool, permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> NameConstraints {
        let trees = |tag: u8, names: &[(u8, &[u8])]| {
            let trees: Vec<_> = names.iter().map(|(tag, name)| wrap(0x30, &[&wrap(*tag, &[name])])).collect();
            if names.is_empty() { Vec::new() } else { wrap(tag, &[&trees.concat()]) }
        };
        let content = wrap(0x30, &[&trees(0xa0, permitted), &trees(0xa1, excluded)]);
        with(&[2, 5, 29, 30], critical, &content).unwrap().name_constraints.unwrap()
    }

    const DNS: u8 = 0x82;
    const URI: u8 = 0x86;

    #[test]
    fn name_constraints_are_kept_by_kind_and_by_side() {
        let found = constrained(true, &[(DNS, b"a"), (URI, b"b")], &[(DNS, b"c"), (URI, b"d")]);
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let wanted = NameConstraints {
            critical: true,
            permitted_dns: names(&["a"]),
            excluded_dns: names(&["c"]),
            permitted_uris: names(&["b"]),
            excluded_uris: names(&["d"]),
            directory_names: false,
            others: false,
        };
        assert_eq!(found, wanted);
    }

    #[test]
    fn uris_are_constrained_by_what_is_permitted_or_excluded_and_by_no_other_kind() {
        assert!(constrained(false, &[(URI, b"a")], &[]).has_uris());
        assert!(constrained(false, &[], &[(URI, b"a")]).has_uris());
        assert!(!constrained(false, &[(DNS, b"a")], &[(DNS, b"b")]).has_uris());
    }

    #[test]
    fn other_kinds_of_constrained_names_are_told_apart_where_they_decide_something() {
        let kinds = |tag, name| {
            let found = constrained(false, &[], &[(tag, name)]);
            assert!(!found.critical && !found.has_uris());
            (found.directory_names, found.others)
        };
        assert_eq!(kinds(0xa4, &[0x30, 0]), (true, false), "a directory name");
        assert_eq!(kinds(0x87, &[10, 0, 0, 0, 255, 0, 0, 0]), (false, false), "addresses");
        assert_eq!(kinds(0x81, b"example.org"), (false, false), "e-mail");
        assert_eq!(kinds(0x88, &[0x2a, 3]), (false, true), "a registered identifier");
    }

    #[test]
    fn an_unknown_extension_counts_where_it_is_critical() {
        let unknown = |critical| with(&[1, 3, 6, 1, 4, 1, 55_555, 1], critical, &[5, 0]).unwrap().unknown_critical;
        assert_eq!(unknown(true), ["1.3.6.1.4.1.55555.1"]);
        assert!(unknown(false).is_empty());
    }

    #[test]
    fn a_known_extension_that_cannot_be_read_is_refused_critical_or_not() {
        for critical in [true, false] {
            let refused = with(&[2, 5, 29, 19], critical, b"garbage").unwrap_err();
            assert!(refused.what().contains("extension 2.5.29.19"), "{refused}");
        }
    }

    #[test]
    fn each_extended_key_usage_and_each_alternative_name_is_kept() {
        let usages = |identifiers: &[&[u8]]| {
            let content = identifiers.iter().map(|it| wrap(6, &[it])).collect::<Vec<_>>().concat();
            with(&[2, 5, 29, 37], false, &wrap(0x30, &[&content])).unwrap().extended_key_usage.unwrap()
        };
        let of_pkix = |last| [0x2b, 6, 1, 5, 5, 7, 3, last];
        let all = [of_pkix(1), of_pkix(2), of_pkix(3), of_pkix(4), of_pkix(8), of_pkix(9), of_pkix(17)];
        let all: Vec<&[u8]> = all.iter().map(<[u8; 8]>::as_slice).collect();
        let wanted: Vec<_> = [1, 2, 3, 4, 8, 9, 17].iter().map(|last| format!("1.3.6.1.5.5.7.3.{last}")).collect();
        assert_eq!(usages(&all), wanted);
        assert_eq!(usages(&[&[0x55, 0x1d, 0x25, 0]]), ["2.5.29.37.0"]);
        let leaf = first(fixture!("foreign/istio-samples/leaf-workload-foo-cert.pem"));
        assert_eq!(leaf.extensions().uris, ["spiffe://trust-domain-foo/ns/foo/sa/foo"]);
        let signer = first(fixture!("foreign/istio-samples/ca-cert.pem"));
        assert_eq!(signer.extensions().dns_names, ["ca.istio.io"]);
    }
}
