//! The rules about lengths of time: lifetimes nest, and renewals come before the alert about missing ones.

use std::fmt;

use time::Duration;

use crate::mesh::fleet::TierWish;
use crate::mesh::judge::Judge;
use crate::mesh::mesh_schema::{KeyWord, Length};
use crate::mesh::snippet::{Place, Placed};
use crate::mesh::span;
use crate::mesh::windows::Windows;
use crate::pki::key_kind::KeyKind;
use crate::problem::Code;

/// A length of time with its key and as it is written, for messages that name both values.
pub(crate) struct Timed {
    key: &'static str,
    written: String,
    pub(crate) length: Duration,
    place: Option<Place>,
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.written)
    }
}

/// One tier, read.
pub(crate) struct Tier {
    key: Option<KeyKind>,
    lifetime: Option<Timed>,
    renew_before: Option<Timed>,
}

impl Tier {
    pub(crate) fn wish(&self) -> Option<TierWish> {
        Some(TierWish {
            key: self.key?,
            lifetime: self.lifetime.as_ref()?.length,
            renew_before: self.renew_before.as_ref()?.length,
        })
    }
}

/// The maintenance windows, read, with their place in the file.
pub(crate) struct Open {
    pub(crate) windows: Windows,
    pub(crate) place: Option<Place>,
}

/// What may put off a renewal, or bring it earlier, on the way from its day to the end of what it renews.
#[derive(Clone, Copy)]
pub(crate) struct Delays<'a> {
    windows: Option<&'a Open>,
    jitter: Option<&'a Timed>,
}

impl<'a> Delays<'a> {
    pub(crate) const fn of(windows: Option<&'a Open>, jitter: Option<&'a Timed>) -> Self {
        Self { windows, jitter }
    }

    /// Their sum and how it is written; `None`: one of them cannot be read.
    fn sum(self) -> Option<(Duration, String, Option<Place>)> {
        let (windows, jitter) = (self.windows?, self.jitter?);
        let gap = windows.windows.longest_gap();
        if windows.windows.is_empty() {
            return Some((jitter.length, format!("− {jitter}"), jitter.place));
        }
        let words = format!("− the longest gap between rotation.windows {} − {jitter}", span::format(gap));
        Some((gap + jitter.length, words, jitter.place.or(windows.place)))
    }
}

/// Whether a length may be zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
}

impl Judge<'_> {
    pub(crate) fn tier(
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
    pub(crate) fn nest(&mut self, code: Code, child: &Tier, lead: Option<&Timed>, parent: &Tier) {
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

    /// A workload certificate made just before its intermediate is renewed must end before that intermediate does, also
    /// where that renewal had to wait for a maintenance window.
    pub(crate) fn renewal_covers_workloads(
        &mut self,
        intermediate: &Tier,
        max_ttl: Option<&Timed>,
        margin: Option<&Timed>,
        delays: Delays<'_>,
    ) {
        let (Some(left), Some(ttl), Some(margin), Some((delay, delays, place))) =
            (&intermediate.renew_before, max_ttl, margin, delays.sum())
        else {
            return;
        };
        let needed = ttl.length + margin.length;
        if needed < left.length - delay {
            return;
        }
        let what = format!("{ttl} + {margin} is {}, not less than {left} {delays}", span::format(needed));
        let least = span::format(needed + delay);
        let hint = format!("set `{}` to more than {least}, or lower `{}`", left.key, ttl.key);
        let place = left.place.or(ttl.place).or(margin.place).or(place);
        self.refuse(Code::WorkloadOutlivesRenewal, place, &what, hint);
    }

    /// The alert rule in the field fires at 7 days left: by then a renewal must have been tried and have failed.
    pub(crate) fn renewal_precedes_alert(&mut self, intermediate: &Tier, delays: Delays<'_>, tick: Option<&Timed>) {
        let (Some(left), Some(life), Some((delay, delays, place)), Some(tick)) =
            (&intermediate.renew_before, &intermediate.lifetime, delays.sum(), tick)
        else {
            return;
        };
        let room = left.length - delay - tick.length;
        if room > ALERT {
            return;
        }
        let sum = format!("{left} {delays} − {tick} is {}, not more than 7d", span::format(room));
        let place = left.place.or(tick.place).or(place).or(life.place);
        if life.length <= TOO_SHORT_FOR_THE_ALERT {
            let what = format!("the 7-day alert cannot be used with {life}: {sum}");
            let hint = format!("alert on `meshca_certificate_expires_soon` instead, or lengthen `{}`", life.key);
            self.warn(Code::SevenDayAlertUnusable, place, &what, &hint);
            return;
        }
        let least = span::format(ALERT + delay + tick.length);
        let what = format!("the 7-day alert would fire while all is well: {sum}");
        let hint = format!("set `{}` to more than {least}, or schedule `meshca rotate` more often", left.key);
        self.refuse(Code::RenewalWithinAlert, place, &what, hint);
    }

    pub(crate) fn length(&mut self, key: &'static str, length: &Placed<Length>, zero: Zero) -> Option<Timed> {
        self.length_of(key, &length.value.0, length.place, zero)
    }

    /// The length of an optional key of a cluster.
    pub(crate) fn plain_length(&mut self, key: &'static str, length: &Placed<Length>) -> Option<Duration> {
        self.length(key, length, Zero::Allowed).map(|timed| timed.length)
    }

    pub(crate) fn length_of(
        &mut self,
        key: &'static str,
        text: &str,
        place: Option<Place>,
        zero: Zero,
    ) -> Option<Timed> {
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
}

/// When the alert rule in the field fires.
const ALERT: Duration = Duration::days(7);

/// With an intermediate this short, 7 days are too much of its life for the alert to mean anything.
const TOO_SHORT_FOR_THE_ALERT: Duration = Duration::days(21);
