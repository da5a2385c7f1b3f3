//! What was published and what was loaded while a fleet walked, and whether every pair could verify all the time.
//!
//! A set is in use from its publication, since an istiod may start at any moment, until everybody has something else for
//! as long as a workload certificate lives. While two sets are in use, of one cluster or of two, a workload certificate
//! under the one must verify by the roots of the other, to a server and to a client.

use std::collections::{BTreeMap, BTreeSet};

use meshca::mesh::secret_files::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT, SecretFiles};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::{CertificateDer, UnixTime};
use time::{Duration, OffsetDateTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// How long a workload certificate lives.
pub(crate) const TTL: Duration = Duration::hours(24);

/// A set, and since when it was there: published, or loaded.
#[derive(Clone)]
pub(crate) struct Dated {
    pub(crate) at: OffsetDateTime,
    pub(crate) files: SecretFiles,
}

/// What became of one control plane.
#[derive(Clone)]
pub(crate) struct Course {
    pub(crate) name: String,
    pub(crate) versions: Vec<Dated>,
    /// None, where nothing is known of an istiod: then what is published counts as loaded.
    pub(crate) loads: Vec<Dated>,
}

/// A set, and as long as it was in use. `None`: it still is.
struct Use<'a> {
    by: &'a str,
    number: usize,
    from: OffsetDateTime,
    until: Option<OffsetDateTime>,
    files: &'a SecretFiles,
}

/// What was judged.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) versions: usize,
    pub(crate) pairs: usize,
    /// Who could not verify whom, in words.
    pub(crate) bad: Vec<String>,
}

impl Judged {
    /// Whether enough was judged for a whole walk of so many sets. Each is published at first and then in Trust, in Sign and
    /// in Remove, and any version meets itself, the one before or after it, and one of another set: once at the least.
    pub(crate) const fn is_a_whole_walk(&self, sets: usize) -> bool {
        self.versions >= 4 * sets && self.pairs >= 3 * self.versions
    }
}

/// Judges every set against every other that was in use at the same time, itself included.
pub(crate) fn judge(courses: &[Course]) -> Judged {
    let uses: Vec<Use<'_>> = courses.iter().flat_map(uses).collect();
    let mut judged = Judged { versions: courses.iter().map(|it| it.versions.len()).sum(), ..Judged::default() };
    let (mut leafs, mut known) = (BTreeMap::new(), BTreeSet::new());
    for one in &uses {
        for other in &uses {
            let from = one.from.max(other.from);
            let ends = |it: &Use<'_>| it.until.is_some_and(|until| until <= from);
            if ends(one) || ends(other) {
                continue;
            }
            judged.pairs += 1;
            let key = |name| [one.files.get(CA_CERT), other.files.get(name)].map(|it| it.unwrap_or_default().to_vec());
            if known.contains(&key(ROOT_CERT)) {
                continue;
            }
            let leaf = leafs.entry(key(CA_CERT)[0].clone()).or_insert_with(|| leaf(one.files, one.from));
            match leaf.as_ref().map_err(Clone::clone).and_then(|leaf| verifies(leaf, one.files, other.files, from)) {
                Ok(()) => _ = known.insert(key(ROOT_CERT)),
                Err(why) => judged.bad.push(format!(
                    "at {from} a workload under version {} of {} is refused by one that trusts version {} of {}: {why}",
                    one.number, one.by, other.number, other.by
                )),
            }
        }
    }
    judged
}

fn uses(course: &Course) -> Vec<Use<'_>> {
    let published = course.versions.iter().enumerate().map(|(number, version)| {
        let next = course.versions.get(number + 1).map(|next| next.at);
        let replaced = |(at, load): (usize, &Dated)| {
            (load.files == version.files).then(|| course.loads.get(at + 1).map(|next| next.at))
        };
        // As long as anybody has it loaded, it is in use; a load that was never followed by another goes on.
        let loaded: Vec<Option<OffsetDateTime>> = course.loads.iter().enumerate().filter_map(replaced).collect();
        let until = std::iter::once(next).chain(loaded).collect::<Option<Vec<_>>>();
        let until = until.and_then(|ends| ends.into_iter().max()).map(|end| end + TTL);
        Use { by: &course.name, number, from: version.at, until, files: &version.files }
    });
    published.collect()
}

/// A workload certificate of this set, good for years: how long it is used is said elsewhere.
fn leaf(files: &SecretFiles, from: OffsetDateTime) -> Result<CertificateDer<'static>, String> {
    let text = |name| String::from_utf8_lossy(files.get(name).unwrap_or_default()).into_owned();
    let signer = pem::parse(text(CA_CERT)).map_err(|error| format!("{CA_CERT}: {error}"))?.into_contents();
    let key = KeyPair::from_pem(&text(CA_KEY)).map_err(|error| format!("{CA_KEY}: {error}"))?;
    let issuer = Issuer::from_ca_cert_der(&signer.into(), key).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::default();
    params.subject_alt_names =
        vec![SanType::URI("spiffe://cluster.local/ns/default/sa/default".to_owned().try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    (params.not_before, params.not_after) = (from - Duration::minutes(2), from + Duration::days(3650));
    let own = KeyPair::generate().unwrap();
    Ok(params.signed_by(&own, &issuer).map_err(|error| error.to_string())?.der().clone())
}

fn verifies(leaf: &CertificateDer<'_>, of: &SecretFiles, by: &SecretFiles, at: OffsetDateTime) -> Result<(), String> {
    let blocks = |text: Option<&[u8]>| -> Result<Vec<CertificateDer<'static>>, String> {
        let blocks = pem::parse_many(text.unwrap_or_default()).map_err(|error| error.to_string())?;
        Ok(blocks.into_iter().map(|block| block.into_contents().into()).collect())
    };
    let (chain, roots) = (blocks(of.get(CERT_CHAIN))?, blocks(by.get(ROOT_CERT))?);
    let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>();
    let anchors = anchors.map_err(|error| error.to_string())?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.unix_timestamp().unsigned_abs()));
    let end = EndEntityCert::try_from(leaf).map_err(|error| error.to_string())?;
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        let path = end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain, at, usage, None, None);
        path.map_err(|error| error.to_string())?;
    }
    Ok(())
}
