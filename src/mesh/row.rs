//! One line of a report: one certificate in one place, or the place where one should be.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::ClusterName;
use crate::mesh::limit::Limits;
use crate::mesh::loaded::Loaded;
use crate::mesh::outcome::Outcome;
use crate::mesh::standing::{Renewal, Standing, judge_by};
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::plain_text::plain;
use crate::pki::profile::Tier;
use crate::pki::validity::Validity;

/// The longest reason that is kept, in characters.
pub(in crate::mesh) const LONGEST_REASON: usize = 300;

/// One certificate in one place. It holds no PEM and no control character from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The cluster; `None`: the mesh as a whole, by what the material folder holds.
    pub cluster: Option<ClusterName>,
    /// What the certificate is there: intermediate, issuing CA or root.
    pub role: Tier,
    /// How it stands.
    pub standing: Standing,
    /// Its facts; `None`: it is unknown or missing.
    pub certificate: Option<Facts>,
    /// When its renewal is due; `None`: not known, or not meshca's to renew.
    pub renews_at: Option<OffsetDateTime>,
    /// Whether istiod signs with it, and how well that is known; only of intermediates.
    pub loaded: Option<Loaded>,
    /// Of a remote: the cluster whose intermediate this is.
    pub signed_by: Option<ClusterName>,
    /// What there is to say about it: why it is unknown or missing, or what is wrong with it.
    pub reason: Option<String>,
    /// Whether it is broken in a way that its window in time does not show, so that it must be renewed at once.
    pub broken: bool,
}

/// What is told about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// From when to when.
    pub validity: Validity,
    /// The serial number, lower-case hexadecimal digits.
    pub serial: String,
    /// SHA-256 of the whole certificate.
    pub fingerprint: Fingerprint,
    /// The common name of its subject, or the whole name where it has none.
    pub subject: String,
    /// The common name of its issuer, or the whole name where it has none.
    pub issuer: String,
    /// Its key in words: `ECDSA P-256`.
    pub key: String,
}

impl Facts {
    /// The facts of a certificate.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        Self {
            validity: certificate.validity(),
            serial: certificate.serial_text(),
            fingerprint: certificate.fingerprint(),
            subject: subject.common_name().map_or_else(|| subject.to_string(), str::to_owned),
            issuer: issuer.common_name().map_or_else(|| issuer.to_string(), str::to_owned),
            key: certificate.public_key().title(),
        }
    }
}

impl Row {
    /// A row without a certificate: unknown or missing.
    pub(in crate::mesh) fn blank(cluster: Option<&ClusterName>, role: Tier, standing: Standing, why: &str) -> Self {
        Self {
            cluster: cluster.cloned(),
            role,
            standing,
            certificate: None,
            renews_at: None,
            loaded: (role == Tier::Intermediate).then(|| Loaded::unknown(plain(why, LONGEST_REASON))),
            signed_by: None,
            reason: Some(plain(why, LONGEST_REASON)),
            broken: false,
        }
    }

    /// A row with a certificate, judged by its window and its renewal.
    pub(in crate::mesh) fn of(
        cluster: Option<&ClusterName>,
        role: Tier,
        certificate: &Certificate,
        renewal: Option<Renewal>,
        (limits, now): (Limits, OffsetDateTime),
    ) -> Self {
        Self {
            cluster: cluster.cloned(),
            role,
            standing: judge_by(limits, certificate.validity(), renewal, now),
            certificate: Some(Facts::of(certificate)),
            renews_at: renewal.map(|renewal| renewal.at),
            loaded: None,
            signed_by: None,
            reason: None,
            broken: false,
        }
    }

    /// Adds something that there is to say.
    pub(in crate::mesh) fn remark(mut self, remark: Option<String>) -> Self {
        let both = self.reason.into_iter().chain(remark).collect::<Vec<_>>().join("; ");
        self.reason = (!both.is_empty()).then(|| plain(&both, LONGEST_REASON));
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.standing.outcome().max(if self.broken { Outcome::Warning } else { Outcome::Fine })
    }

    /// The last second in which it is valid.
    #[must_use]
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        self.certificate.as_ref().map(|facts| facts.validity.not_after())
    }

    /// The SHA-256 of its certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.certificate.as_ref().map(|facts| facts.fingerprint)
    }

    /// How much is left; negative once it has ended.
    #[must_use]
    pub fn left(&self, now: OffsetDateTime) -> Option<Duration> {
        self.not_after().map(|end| end - now)
    }
}
