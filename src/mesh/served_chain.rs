//! What the chain that somebody served as istiod says about the intermediate it signs with.
//!
//! A chain is public: whoever has seen it can send it. So it counts only after a handshake in which the peer signed with
//! the key of the first certificate, and only if the chain says that this key is istiod's: istiod signs workloads by
//! their token, under a SPIFFE URI and no DNS name, and its own serving certificate under its DNS names. What then is
//! shown: somebody answered who holds a key that this signer certified as istiod. A liar with a CA of his own can make
//! it look as if istiod signed with that one; he cannot make it look as if it signed with ours.

use time::OffsetDateTime;

use crate::pki::certificate::Certificate;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};

/// More certificates than any chain that a peer would verify.
const MOST_CERTIFICATES: usize = 32;

/// What a served chain shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedChain {
    /// The public key of the certificate that signed the served one.
    pub signer_spki: Vec<u8>,
    /// The first second of the served certificate: istiod makes a new one at each load.
    pub since: OffsetDateTime,
}

/// Reads a chain as it was served, first certificate first; `place` is where it was served, `namespace` that of the
/// istiod which should be there.
///
/// Not checked: the window in time of any certificate, whether the chain leads to a root, and whether the peer holds the
/// key; the handshake shows that.
///
/// # Errors
/// `istiod-not-proven`: the first certificate cannot be read, is not for istiod's names, or was signed by no CA among
/// the others.
pub fn read(chain: &[&[u8]], place: &str, namespace: &str) -> Result<ServedChain, Problem> {
    let unproven = |what: &str| Problem::new(Code::IstiodNotProven, format!("{place} {what}"));
    if chain.len() > MOST_CERTIFICATES {
        let what = format!("serves {} certificates, and {MOST_CERTIFICATES} is more than any chain has", chain.len());
        return Err(unproven(&what));
    }
    let [first, rest @ ..] = chain else { return Err(unproven("serves no certificate")) };
    let served = Certificate::from_der(first)
        .map_err(|problem| unproven("serves a certificate that cannot be read").fact(problem.what()))?;
    let names = &served.extensions().dns_names;
    if !names.iter().any(|name| is_istiods(name, namespace)) {
        let listed = if names.is_empty() { "no DNS name".to_owned() } else { plain(&names.join(", "), 200) };
        return Err(unproven("answers with a certificate that is not istiod's")
            .fact(format!("it is for  {listed}"))
            .fact(format!("wanted     istiod.{namespace}.svc"))
            .hint("let istiod.addresses name istiod's port 15012, with nothing before it that ends TLS"));
    }
    let above: Vec<Certificate> = rest.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let signs = |it: &&Certificate| it.subject() == served.issuer() && served.is_signed_by(it.spki());
    let Some(signer) = above.iter().find(signs) else {
        let what = "serves a certificate without the one that signed it";
        return Err(unproven(what)
            .fact(format!("signed by  {}", served.issuer()))
            .fact("so it is under an istiod with a CA of its own, or with an empty cert-chain.pem"));
    };
    if !signer.is_ca() {
        return Err(unproven("serves a certificate that was signed by one that is not a CA")
            .fact(format!("signed by  {}", signer.subject())));
    }
    Ok(ServedChain { signer_spki: signer.spki().to_vec(), since: served.validity().not_before() })
}

/// `istiod.istio-system.svc`, or with a revision `istiod-canary.istio-system.svc`.
fn is_istiods(name: &str, namespace: &str) -> bool {
    let revision = name.strip_prefix("istiod").and_then(|rest| rest.strip_suffix(&format!(".{namespace}.svc")));
    revision.is_some_and(|it| it.is_empty() || (it.starts_with('-') && !it.contains('.')))
}

/// A serving certificate and what signs it, as istiod makes them.
#[cfg(test)]
pub(crate) mod made {
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType};

    use super::*;

    /// A certificate with these DNS names and URIs under a made-up CA of this name.
    pub(crate) struct Made {
        pub(crate) ca: Vec<u8>,
        pub(crate) leaf: Vec<u8>,
        pub(crate) key: KeyPair,
    }

    pub(crate) fn make(ca_name: &str, is_ca: bool, dns_names: &[&str], uris: &[&str], from: OffsetDateTime) -> Made {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, ca_name);
        let constraints = rcgen::BasicConstraints::Unconstrained;
        parameters.is_ca = if is_ca { rcgen::IsCa::Ca(constraints) } else { rcgen::IsCa::NoCa };
        let ca_key = KeyPair::generate().unwrap();
        let ca = parameters.self_signed(&ca_key).unwrap().der().to_vec();
        let issuer = Issuer::new(parameters, ca_key);
        let mut parameters = CertificateParams::default();
        parameters.not_before = from;
        let dns = dns_names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        parameters.subject_alt_names = dns.chain(uris).collect();
        let key = KeyPair::generate().unwrap();
        Made { ca, leaf: parameters.signed_by(&key, &issuer).unwrap().der().to_vec(), key }
    }
}

#[cfg(test)]
mod tests {
    use super::made::{Made, make};
    use super::*;
    use time::macros::datetime;

    const FROM: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
    const SPACE: &str = "istio-system";

    fn istiod(ca: &str) -> Made {
        make(ca, true, &["istiod-remote.istio-system.svc", "istiod.istio-system.svc"], &[], FROM)
    }

    fn refused(chain: &[&[u8]]) -> String {
        let problem = read(chain, "a:1", SPACE).unwrap_err();
        assert_eq!(problem.code(), Code::IstiodNotProven);
        problem.what().to_owned()
    }

    #[test]
    fn the_signer_is_whoever_signed_wherever_it_stands() {
        let (made, other) = (istiod("east g2"), istiod("west g1"));
        let spki = Certificate::from_der(&made.ca).unwrap().spki().to_vec();
        assert!(Certificate::from_der(&made.leaf).unwrap().spki().ends_with(made.key.public_key_raw()));
        let wanted = ServedChain { signer_spki: spki, since: FROM };
        assert_eq!(read(&[&made.leaf, &made.ca], "a:1", SPACE), Ok(wanted.clone()));
        assert_eq!(read(&[&made.leaf, b"junk", &other.ca, &made.ca], "a:1", SPACE), Ok(wanted));
    }

    #[test]
    fn a_chain_that_shows_no_signer_proves_nothing() {
        let (made, namesake) = (istiod("east g2"), istiod("east g2"));
        assert_eq!(refused(&[]), "a:1 serves no certificate");
        assert_eq!(refused(&[b"junk"]), "a:1 serves a certificate that cannot be read");
        let alone = "a:1 serves a certificate without the one that signed it";
        assert_eq!(refused(&[&made.leaf]), alone);
        assert_eq!(refused(&[&made.leaf, &namesake.ca]), alone, "the same name is not the same key");
        let many: Vec<&[u8]> = std::iter::repeat_n(made.leaf.as_slice(), MOST_CERTIFICATES + 1).collect();
        assert!(refused(&many).starts_with("a:1 serves 33 certificates"));
        assert_eq!(refused(&many[1..]), alone);
    }

    #[test]
    fn a_workload_cannot_pass_for_istiod() {
        let workload = make("east g2", true, &[], &["spiffe://cluster.local/ns/shop/sa/istiod"], FROM);
        assert_eq!(refused(&[&workload.leaf, &workload.ca]), "a:1 answers with a certificate that is not istiod's");
        // It can sign a certificate with istiod's name, but it is no CA.
        let forged = make("workload", false, &["istiod.istio-system.svc"], &[], FROM);
        let what = "a:1 serves a certificate that was signed by one that is not a CA";
        assert_eq!(refused(&[&forged.leaf, &forged.ca]), what);
    }

    #[test]
    fn istiods_names_are_those_of_its_namespace_and_may_have_a_revision() {
        for good in ["istiod.istio-system.svc", "istiod-canary.istio-system.svc", "istiod-1-30.istio-system.svc"] {
            assert!(is_istiods(good, SPACE), "{good}");
        }
        for bad in [
            "istiod.other.svc",
            "istiod.istio-system.svc.cluster.local",
            "notistiod.istio-system.svc",
            "istiodx.istio-system.svc",
            "istiod-a.b.istio-system.svc",
            "istiod",
            "",
        ] {
            assert!(!is_istiods(bad, SPACE), "{bad}");
        }
    }
}
