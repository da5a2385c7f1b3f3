//! The rules of the mesh file above its clusters: names, kinds of keys, and lifetimes that nest.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use time::Duration;

use crate::mesh::fleet::{Mesh, Records, RootWish, Rotation, TierWish, Workload};
use crate::mesh::mesh_file::{VERSION, unsupported_version};
use crate::mesh::mesh_schema::{IssuingMode, KeyWord, Length, WrittenMesh, WrittenRoot, WrittenRotation};
use crate::mesh::snippet::{Place, Placed, Source};
use crate::mesh::span;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::key_kind::KeyKind;
use crate::problem::{Code, Finding, Problem, Severity};

/// The mesh that is written, if it keeps every rule.
pub(crate) fn judge(
    written: &WrittenMesh,
    path: &Path,
    source: &Source<'_>,
) -> Result<(Mesh, Vec<Finding>), Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut judge = Judge { source, folder, problems: Vec::new(), findings: Vec::new() };
    let mesh = judge.mesh(written);
    let Judge { mut problems, findings, .. } = judge;
    match mesh {
        Some(mesh) if problems.is_empty() => Ok((mesh, findings)),
        _ => {
            problems.sort_by_key(|(place, _)| *place);
            Err(problems.into_iter().map(|(_, problem)| problem).collect())
        }
    }
}

/// Collects what is wrong while a mesh is made. A part that cannot be made is `None`, and a problem says why.
pub(crate) struct Judge<'a> {
    source: &'a Source<'a>,
    folder: &'a Path,
    problems: Vec<(Option<Place>, Problem)>,
    findings: Vec<Finding>,
}

/// A length of time with its key and as it is written, for messages that name both values.
struct Timed {
    key: &'static str,
    written: String,
    length: Duration,
    place: Option<Place>,
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.written)
    }
}

/// One tier, read.
struct Tier {
    key: Option<KeyKind>,
    lifetime: Option<Timed>,
    renew_before: Option<Timed>,
}

impl Tier {
    fn wish(&self) -> Option<TierWish> {
        Some(TierWish {
            key: self.key?,
            lifetime: self.lifetime.as_ref()?.length,
            renew_before: self.renew_before.as_ref()?.length,
        })
    }
}

/// Whether a length may be zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
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

        if let Some(issuing) = &issuing_tier {
            self.nest(Code::IntermediateOutlivesIssuing, &intermediate_tier, lead.as_ref(), issuing);
            self.nest(Code::IssuingOutlivesRoot, issuing, lead.as_ref(), &root_tier);
        } else {
            self.nest(Code::IntermediateOutlivesRoot, &intermediate_tier, lead.as_ref(), &root_tier);
        }
        self.renewal_covers_workloads(&intermediate_tier, max_ttl.as_ref(), margin.as_ref(), jitter.as_ref());
        self.renewal_precedes_alert(&intermediate_tier, jitter.as_ref(), tick.as_ref());

        let root = name.as_deref().and_then(|name| self.root(root, name, &written.mesh, root_tier.wish()));
        let clusters = self.clusters(written);
        let rotation = self.rotation(&written.rotation, tick.as_ref(), jitter.as_ref());

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
            clusters,
        })
    }

    fn version(&mut self, written: &WrittenMesh) {
        match &written.version {
            None => self.refuse(Code::MissingKey, None, "the key `version` is missing", "add `version: 1`"),
            Some(version) if version.value != VERSION => {
                self.problems.push((version.place, unsupported_version(version.value, version.place, self.source)));
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

    /// The characters of a SPIFFE trust domain (SPIFFE-ID §2.1) and the length that fits into a certificate.
    fn trust_domain(&mut self, domain: &Placed<String>) -> Option<String> {
        let text = &domain.value;
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if !text.is_empty() && text.len() <= 255 && text.chars().all(sound) {
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
        let mut trusted = Vec::new();
        for pin in &written.trusted {
            if let Some(pin) = Fingerprint::parse(&pin.value) {
                trusted.push(pin);
                continue;
            }
            let what = format!("root.trusted `{}` is not the SHA-256 of a certificate", pin.value);
            let hint = "write 64 hexadecimal digits: openssl x509 -in root-cert.pem -noout -fingerprint -sha256";
            self.refuse(Code::BadPin, pin.place, &what, hint);
        }
        Some(RootWish { organization: organization?, common_name: common_name?, tier: tier?, trusted })
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

    fn tier(
        &mut self,
        [key_name, lifetime_name, renew_before_name]: [&'static str; 3],
        key: &Placed<KeyWord>,
        lifetime: &Placed<Length>,
        renew_before: &Placed<Length>,
    ) -> Tier {
        let kind = KeyKind::ALL.iter().copied().find(|kind| kind.as_str() == key.value.0);
        if kind.is_none() {
            let what = format!("{key_name} {} is not a kind of key that meshca makes", key.value.0);
            self.refuse(Code::KeyKindRefused, key.place, &what, "write `key: ecdsa-p256`, or `key: ecdsa-p384`");
        }
        let lifetime = self.length(lifetime_name, lifetime, Zero::Refused);
        let renew_before = self.length(renew_before_name, renew_before, Zero::Refused);
        if let (Some(life), Some(left)) = (&lifetime, &renew_before)
            && left.length >= life.length
        {
            let what = format!("{left} is not less than {life}");
            let place = left.place.or(life.place);
            let hint = format!("set `{renew_before_name}` to less than {}, a third of it say", life.written);
            self.refuse(Code::RenewBeforeTooLong, place, &what, hint);
        }
        Tier { key: kind, lifetime, renew_before }
    }

    /// A child that is made at the last moment before its parent is renewed still ends within that parent, and the
    /// ceremony for the next parent can still be arranged.
    fn nest(&mut self, code: Code, child: &Tier, lead: Option<&Timed>, parent: &Tier) {
        let (Some(life), Some(lead), Some(left)) = (&child.lifetime, lead, &parent.renew_before) else { return };
        let needed = life.length + lead.length;
        if needed <= left.length {
            return;
        }
        let needed = span::format(needed);
        let what = format!("{life} + {lead} is {needed}, more than {left}");
        let hint = format!("set `{}` to {needed} or more, or shorten `{}`", left.key, life.key);
        self.refuse(code, left.place.or(life.place).or(lead.place), &what, hint);
    }

    /// A workload certificate made just before its intermediate is renewed must end before that intermediate does.
    ///
    /// The longest gap between maintenance windows would be taken off as well: there are no windows yet.
    fn renewal_covers_workloads(
        &mut self,
        intermediate: &Tier,
        max_ttl: Option<&Timed>,
        margin: Option<&Timed>,
        jitter: Option<&Timed>,
    ) {
        let (Some(left), Some(ttl), Some(margin), Some(jitter)) = (&intermediate.renew_before, max_ttl, margin, jitter)
        else {
            return;
        };
        let needed = ttl.length + margin.length;
        if needed < left.length - jitter.length {
            return;
        }
        let what = format!("{ttl} + {margin} is {}, not less than {left} − {jitter}", span::format(needed));
        let least = span::format(needed + jitter.length);
        let hint = format!("set `{}` to more than {least}, or lower `{}`", left.key, ttl.key);
        let place = left.place.or(ttl.place).or(margin.place).or(jitter.place);
        self.refuse(Code::WorkloadOutlivesRenewal, place, &what, hint);
    }

    /// The alert rule in the field fires at 7 days left: by then a renewal must have been tried and have failed.
    fn renewal_precedes_alert(&mut self, intermediate: &Tier, jitter: Option<&Timed>, tick: Option<&Timed>) {
        let (Some(left), Some(life), Some(jitter), Some(tick)) =
            (&intermediate.renew_before, &intermediate.lifetime, jitter, tick)
        else {
            return;
        };
        let room = left.length - jitter.length - tick.length;
        if room > ALERT {
            return;
        }
        let sum = format!("{left} − {jitter} − {tick} is {}, not more than 7d", span::format(room));
        let place = left.place.or(tick.place).or(jitter.place).or(life.place);
        if life.length <= TOO_SHORT_FOR_THE_ALERT {
            let what = format!("the 7-day alert cannot be used with {life}: {sum}");
            let problem = self
                .source
                .problem(Code::SevenDayAlertUnusable, place, &what, "")
                .hint(format!("alert on `meshca_certificate_expires_soon` instead, or lengthen `{}`", life.key));
            self.findings.push(Finding { severity: Severity::Warning, place: self.source.at(place), problem });
            return;
        }
        let least = span::format(ALERT + jitter.length + tick.length);
        let what = format!("the 7-day alert would fire while all is well: {sum}");
        let hint = format!("set `{}` to more than {least}, or schedule `meshca rotate` more often", left.key);
        self.refuse(Code::RenewalWithinAlert, place, &what, hint);
    }

    fn rotation(
        &mut self,
        written: &WrittenRotation,
        tick: Option<&Timed>,
        jitter: Option<&Timed>,
    ) -> Option<Rotation> {
        let observe = self.width("rotation.observe", &written.observe);
        let write = self.width("rotation.write", &written.write);
        let deadline = self.length("rotation.deadline", &written.deadline, Zero::Refused);
        if let Some(window) = written.windows.first() {
            let what = "`rotation.windows` is not built yet";
            self.refuse(Code::NotYet, window.place, what, "write `windows: []`");
        }
        let remove_after = match written.remove_after.value.as_str() {
            "never" => Some(None),
            text => self
                .length_of("rotation.removeAfter", text, written.remove_after.place, Zero::Allowed)
                .map(|timed| Some(timed.length)),
        };
        Some(Rotation {
            paused: written.paused,
            tick: tick?.length,
            canary: written.canary.as_ref().and_then(|name| crate::mesh::fleet::ClusterName::parse(&name.value)),
            observe: observe?,
            write: write?,
            deadline: deadline?.length,
            jitter: jitter?.length,
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

    fn length(&mut self, key: &'static str, length: &Placed<Length>, zero: Zero) -> Option<Timed> {
        self.length_of(key, &length.value.0, length.place, zero)
    }

    /// The length of an optional key of a cluster.
    pub(crate) fn plain_length(&mut self, key: &'static str, length: &Placed<Length>) -> Option<Duration> {
        self.length(key, length, Zero::Allowed).map(|timed| timed.length)
    }

    fn length_of(&mut self, key: &'static str, text: &str, place: Option<Place>, zero: Zero) -> Option<Timed> {
        match span::parse(text) {
            Ok(length) if length.is_zero() && zero == Zero::Refused => {
                let what = format!("{key} {text} is not longer than zero");
                self.refuse(Code::BadDuration, place, &what, format!("set `{key}` to `1s` or more"));
                None
            }
            Ok(length) => Some(Timed { key, written: text.to_owned(), length, place }),
            Err(wrong) => {
                self.refuse(Code::BadDuration, place, &format!("{key} `{text}` {wrong}"), wrong.advice());
                None
            }
        }
    }

    /// A path of the file, joined to the folder of the file, without `.` in it.
    pub(crate) fn path(&mut self, key: &str, path: &Placed<String>) -> Option<PathBuf> {
        let text = &path.value;
        let wrong = if text.is_empty() {
            "is empty"
        } else if text.contains(char::is_control) {
            "has control characters"
        } else if text.starts_with('~') {
            "begins with `~`, which only shells replace"
        } else {
            let joined = self.folder.join(text);
            let tidy: PathBuf = joined.components().filter(|part| *part != Component::CurDir).collect();
            return Some(if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy });
        };
        let what = format!("{key} `{text}` {wrong}");
        self.refuse(Code::BadValue, path.place, &what, format!("write a path for `{key}`, relative to the mesh file"));
        None
    }

    /// Notes a problem.
    pub(crate) fn refuse(&mut self, code: Code, place: Option<Place>, what: &str, hint: impl Into<String>) {
        self.problems.push((place, self.source.problem(code, place, what, "").hint(hint)));
    }

    /// Notes a problem between two places: the facts end with the other one.
    pub(crate) fn refuse_beside(
        &mut self,
        code: Code,
        place: Option<Place>,
        what: &str,
        (other, other_place): (&str, Option<Place>),
        hint: impl Into<String>,
    ) {
        let beside = format!("{other} at {}", self.source.at(other_place));
        self.problems.push((place, self.source.problem(code, place, what, "").fact(beside).hint(hint)));
    }
}

/// A label value of Kubernetes that is not empty: Istio carries mesh IDs and networks as such.
pub(crate) fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// When the alert rule in the field fires.
const ALERT: Duration = Duration::days(7);

/// With an intermediate this short, 7 days are too much of its life for the alert to mean anything.
const TOO_SHORT_FOR_THE_ALERT: Duration = Duration::days(21);

/// How many targets may be read or written at once.
const WIDEST: usize = 1024;
