//! The rules of the mesh file above its clusters: names, kinds of keys, and which lifetimes have to nest.

use std::path::Path;

use crate::mesh::fleet::{
    ClusterName, Mesh, Records, RootWish, Rotation, TierWish, Workload, is_label_value, is_trust_domain,
};
use crate::mesh::judge::Judge;
use crate::mesh::lifetime_rules::{Delays, Open, Tier, Timed, Zero};
use crate::mesh::mesh_schema::{IssuingMode, WrittenMesh, WrittenRoot, WrittenRotation};
use crate::mesh::snippet::{Place, Placed, Source};
use crate::pki::fingerprint::Fingerprint;
use crate::problem::{Code, Finding, Problem};

/// The mesh that is written, if it keeps every rule.
pub(crate) fn judge(
    written: &WrittenMesh,
    path: &Path,
    source: &Source<'_>,
) -> Result<(Mesh, Vec<Finding>), Vec<Problem>> {
    let mut judge = Judge::new(source, path);
    let mesh = judge.mesh(written);
    match (mesh, judge.verdict()) {
        (Some(mesh), Ok(findings)) => Ok((mesh, findings)),
        (_, verdict) => Err(verdict.err().unwrap_or_default()),
    }
}

/// The problem of a file whose version is not ours.
pub(crate) fn unsupported_version(version: u64, place: Option<Place>, source: &Source<'_>) -> Problem {
    let what = format!("version {version} of the mesh file is not supported, only version {VERSION}");
    source
        .problem(Code::VersionUnsupported, place, &what, "")
        .hint(format!("write `version: {VERSION}`, or use the meshca that this file is for"))
}

impl Judge<'_> {
    fn mesh(&mut self, written: &WrittenMesh) -> Option<Mesh> {
        self.version(written);
        let name = self.mesh_name(written);
        let trust_domain = self.trust_domain(&written.trust_domain.0);
        let material = self.path("material", &written.material.0);
        let records = match written.records.0.value.as_str() {
            "stdout" => Some(Records::Stdout),
            _ => self.path("records", &written.records.0).map(Records::Folder),
        };

        let (root, intermediate) = (&written.root, &written.intermediate);
        let root_tier =
            self.tier(["root.key", "root.lifetime", "root.renewBefore"], &root.key, &root.lifetime, &root.renew_before);
        let issuing_tier = self.issuing(written);
        let intermediate_tier = self.tier(
            ["intermediate.key", "intermediate.lifetime", "intermediate.renewBefore"],
            &intermediate.key,
            &intermediate.lifetime,
            &intermediate.renew_before,
        );
        let lead = self.length("lead", &written.lead.0, Zero::Allowed);
        let max_ttl = self.length("workload.maxTTL", &written.workload.max_ttl, Zero::Refused);
        let margin = self.length("workload.margin", &written.workload.margin, Zero::Allowed);
        let tick = self.length("rotation.tick", &written.rotation.tick, Zero::Refused);
        let jitter = self.length("rotation.jitter", &written.rotation.jitter, Zero::Allowed);
        let windows = self.windows(&written.rotation.windows);
        let delays = Delays::of(windows.as_ref(), jitter.as_ref());

        if let Some(issuing) = &issuing_tier {
            self.nest(Code::IntermediateOutlivesIssuing, &intermediate_tier, lead.as_ref(), issuing);
            self.nest(Code::IssuingOutlivesRoot, issuing, lead.as_ref(), &root_tier);
        } else {
            self.nest(Code::IntermediateOutlivesRoot, &intermediate_tier, lead.as_ref(), &root_tier);
        }
        self.renewal_covers_workloads(&intermediate_tier, max_ttl.as_ref(), margin.as_ref(), delays);
        self.renewal_precedes_alert(&intermediate_tier, delays, tick.as_ref());

        let root = name.as_deref().and_then(|name| self.root(root, name, &written.mesh, root_tier.wish()));
        let clusters = self.clusters(written).into();
        let leaked = self.leaked(&written.leaked);
        let rotation = self.rotation(&written.rotation, tick.as_ref(), jitter.as_ref(), windows);

        let issuing = match issuing_tier {
            Some(tier) => Some(tier.wish()?),
            None => None,
        };
        Some(Mesh {
            name: name?,
            trust_domain: trust_domain?,
            lab: written.lab,
            material: material?,
            records: records?,
            root: root?,
            issuing,
            intermediate: intermediate_tier.wish()?,
            lead: lead?.length,
            include_root: written.chain.include_root,
            workload: Workload { max_ttl: max_ttl?.length, margin: margin?.length },
            rotation: rotation?,
            leaked,
            clusters,
        })
    }

    fn version(&mut self, written: &WrittenMesh) {
        match &written.version {
            None => self.refuse(Code::MissingKey, None, "the key `version` is missing", "add `version: 1`"),
            Some(version) if version.value != VERSION => {
                self.note(version.place, unsupported_version(version.value, version.place, self.source()));
            }
            Some(_) => {}
        }
    }

    /// The name of the mesh, which Istio carries as a label value and alert rules see as a cluster.
    fn mesh_name(&mut self, written: &WrittenMesh) -> Option<String> {
        let Some(Placed { value: name, place }) = &written.mesh else {
            self.refuse(Code::MissingKey, None, "the key `mesh` is missing", "add `mesh: mesh1`");
            return None;
        };
        if is_label_value(name) && name != "unknown" {
            return Some(name.clone());
        }
        let what = format!("the mesh cannot be named `{name}`");
        self.refuse(
            Code::BadMeshName,
            *place,
            &what,
            "take at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends, and not `unknown`",
        );
        None
    }

    fn trust_domain(&mut self, domain: &Placed<String>) -> Option<String> {
        let text = &domain.value;
        if is_trust_domain(text) {
            return Some(text.clone());
        }
        let what = format!("trustDomain `{text}` is not a SPIFFE trust domain");
        let hint =
            "take lower-case letters, digits, `.`, `-` and `_`, without `spiffe://`: `trustDomain: cluster.local`";
        self.refuse(Code::BadTrustDomain, domain.place, &what, hint);
        None
    }

    fn root(
        &mut self,
        written: &WrittenRoot,
        mesh: &str,
        named: &Option<Placed<String>>,
        tier: Option<TierWish>,
    ) -> Option<RootWish> {
        let at_mesh = named.as_ref().and_then(|name| name.place);
        let or_mesh = |given: &Option<Placed<String>>, default: String| {
            given.clone().unwrap_or(Placed { value: default, place: at_mesh })
        };
        let organization = or_mesh(&written.subject.organization, mesh.to_owned());
        let common_name = or_mesh(&written.subject.common_name, format!("{mesh} root"));
        // X.520 bounds both at 64; the generation that is added to the name takes at most 8 (` g999999`).
        let organization = self.subject_part("root.subject.organization", &organization, 64);
        let common_name = self.subject_part("root.subject.commonName", &common_name, 56);
        let pins = written.trusted.iter();
        let trusted = pins.filter_map(|pin| self.fingerprint("root.trusted", Code::BadPin, pin)).collect();
        Some(RootWish { organization: organization?, common_name: common_name?, tier: tier?, trusted })
    }

    fn fingerprint(&mut self, key: &str, code: Code, written: &Placed<String>) -> Option<Fingerprint> {
        let read = Fingerprint::parse(&written.value);
        if read.is_none() {
            let what = format!("{key} `{}` is not the SHA-256 of a certificate", written.value);
            let hint = "write 64 hexadecimal digits: openssl x509 -in root-cert.pem -noout -fingerprint -sha256";
            self.refuse(code, written.place, &what, hint);
        }
        read
    }

    /// The keys that may be in other hands, each named once.
    fn leaked(&mut self, written: &[Placed<String>]) -> Vec<Fingerprint> {
        let mut leaked = Vec::new();
        if written.len() > MOST_LEAKED {
            let place = written.first().and_then(|first| first.place);
            let what = format!("leaked has {} entries, more than {MOST_LEAKED}", written.len());
            self.refuse(Code::BadValue, place, &what, "take out those whose roots no cluster trusts any more");
            return leaked;
        }
        for one in written {
            let Some(read) = self.fingerprint("leaked", Code::BadLeaked, one) else { continue };
            if leaked.contains(&read) {
                let what = format!("leaked names `{}` twice", one.value);
                self.refuse(Code::LeakedTwice, one.place, &what, "keep one of the two");
            } else {
                leaked.push(read);
            }
        }
        leaked
    }

    fn subject_part(&mut self, key: &str, part: &Placed<String>, longest: usize) -> Option<String> {
        let text = &part.value;
        let letters = text.chars().count();
        let wrong = if letters > longest {
            format!("has {letters} characters, more than {longest}")
        } else if text.trim().is_empty() {
            "is empty".to_owned()
        } else if text.trim() != text || text.contains(char::is_control) {
            "has blanks at an end or control characters".to_owned()
        } else {
            return Some(text.clone());
        };
        let what = format!("{key} `{text}` {wrong}");
        self.refuse(Code::BadValue, part.place, &what, format!("write 1 to {longest} characters for `{key}`"));
        None
    }

    fn issuing(&mut self, written: &WrittenMesh) -> Option<Tier> {
        let issuing = &written.issuing;
        if issuing.mode == IssuingMode::Online {
            let keys = ["issuing.key", "issuing.lifetime", "issuing.renewBefore"];
            return Some(self.tier(keys, &issuing.key, &issuing.lifetime, &issuing.renew_before));
        }
        let places = [
            ("key", issuing.key.place),
            ("lifetime", issuing.lifetime.place),
            ("renewBefore", issuing.renew_before.place),
        ];
        for (key, place) in places.into_iter().filter(|(_, place)| place.is_some()) {
            let what = format!("issuing.{key} is given, but issuing.mode is none");
            self.refuse(Code::KeyWithoutEffect, place, &what, format!("remove `{key}`, or write `mode: online`"));
        }
        None
    }

    fn rotation(
        &mut self,
        written: &WrittenRotation,
        tick: Option<&Timed>,
        jitter: Option<&Timed>,
        windows: Option<Open>,
    ) -> Option<Rotation> {
        let observe = self.width("rotation.observe", &written.observe);
        let write = self.width("rotation.write", &written.write);
        let deadline = self.length("rotation.deadline", &written.deadline, Zero::Refused);
        let remove_after = match written.remove_after.value.as_str() {
            "never" => Some(None),
            text => self
                .length_of("rotation.removeAfter", text, written.remove_after.place, Zero::Allowed)
                .map(|timed| Some(timed.length)),
        };
        Some(Rotation {
            paused: written.paused,
            tick: tick?.length,
            canary: written.canary.as_ref().and_then(|name| ClusterName::parse(&name.value)),
            observe: observe?,
            write: write?,
            deadline: deadline?.length,
            jitter: jitter?.length,
            windows: windows?.windows,
            remove_after: remove_after?,
        })
    }

    fn width(&mut self, key: &str, number: &Placed<u64>) -> Option<usize> {
        let width = usize::try_from(number.value).ok().filter(|width| (1..=WIDEST).contains(width));
        if width.is_none() {
            let what = format!("{key} {} is not from 1 to {WIDEST}", number.value);
            self.refuse(Code::BadValue, number.place, &what, format!("set `{key}` to 1 or more, at most {WIDEST}"));
        }
        width
    }
}

/// More keys than this in other hands are no list to walk by.
const MOST_LEAKED: usize = 64;

/// How many targets may be read or written at once.
const WIDEST: usize = 1024;

/// The only version of the format so far.
pub(crate) const VERSION: u64 = 1;
