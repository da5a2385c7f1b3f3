//! What was done, as JSON lines that are chained by their hashes. Intent stands before the act, the result after it.
//!
//! An output, never an input of a decision: what to do next is read from the targets. `check` compares it with them, for
//! a finding. The chain shows tampering, it
//! does not prevent it: whoever can rewrite the file can rewrite all of it. Keep the hash of its head elsewhere.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::hexadecimal::digits;
use crate::problem::{Code, Problem};

/// One thing that is about to be done, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What.
    pub act: Act,
    /// How it stands.
    pub outcome: Outcome,
    /// The cluster, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster: Option<String>,
    /// The generation of what was made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u32>,
    /// The certificate, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<Minted>,
    /// The code of what went wrong, or a remark.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// SHA-256 of the line before, 64 zeros in the first one.
    pub previous: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A root was minted.
    MintRoot,
    /// A next root was endorsed by the root before it.
    EndorseRoot,
    /// A root made elsewhere was taken in.
    ImportRoot,
    /// An issuing CA was minted.
    MintIssuing,
    /// An intermediate was minted.
    MintIntermediate,
    /// A set was published to a target.
    Publish,
    /// What a cluster signs with was taken over.
    Adopt,
    /// An istiod was restarted for a root change.
    RestartIstiod,
    /// The key of a cluster's intermediate was said to be in other hands.
    Taint,
    /// A root change was turned back, or forward again.
    TurnRootChange,
    /// The ledger's own tail was cut off by a crash, and mended.
    Recover,
}

impl Act {
    /// The word in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Act::MintRoot => "mint-root",
            Act::EndorseRoot => "endorse-root",
            Act::ImportRoot => "import-root",
            Act::MintIssuing => "mint-issuing",
            Act::MintIntermediate => "mint-intermediate",
            Act::Publish => "publish",
            Act::Adopt => "adopt",
            Act::RestartIstiod => "restart-istiod",
            Act::Taint => "taint",
            Act::TurnRootChange => "turn-root-change",
            Act::Recover => "recover",
        }
    }
}

/// How an act stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is about to be done. Without a later entry, nobody knows whether it was.
    Intent,
    /// It was done.
    Done,
    /// It was refused or failed; nothing changed.
    Failed,
}

impl Outcome {
    /// The word in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Intent => "intent",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
        }
    }
}

/// What the ledger says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Minted {
    /// Its serial number.
    pub serial: String,
    /// Its subject.
    pub subject: String,
    /// Its issuer's key identifier, hexadecimal.
    pub issuer_key: String,
    /// Its last second, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// SHA-256 of the certificate.
    pub sha256: String,
}

impl Minted {
    /// What the ledger says of this certificate.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        let authority = certificate.extensions().authority_key_identifier.as_deref().unwrap_or_default();
        Self {
            serial: certificate.serial_text(),
            subject: certificate.subject().to_string(),
            issuer_key: digits(authority),
            not_after: certificate.not_after(),
            sha256: certificate.fingerprint().to_string(),
        }
    }
}

/// What is written before the first line's hash is known.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The longest line, in bytes.
pub const LONGEST_LINE: usize = 64 * 1024;

/// The hash by which the next line names this one (without its newline).
#[must_use]
pub fn hash(line: &[u8]) -> String {
    Fingerprint::of(line).to_string()
}

/// A whole ledger, read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Its entries, oldest first.
    pub entries: Vec<Entry>,
    /// The hash of its last line: keep it elsewhere.
    pub head: String,
}

impl Ledger {
    /// Reads a ledger and verifies every link.
    ///
    /// # Errors
    /// `ledger-cut`, when the last line has no newline (a crash while it was written); `ledger-broken`, when a line
    /// is not an entry or does not name the line before it.
    pub fn parse(text: &[u8], path: &str) -> Result<Self, Problem> {
        let broken = |line: usize, why: String| {
            Problem::new(Code::LedgerBroken, format!("{path} is broken at line {line}: {why}"))
                .hint(format!("compare it with a copy or its history:  sed -n {line}p {path}"))
        };
        let mut entries = Vec::new();
        let mut head = BEGINNING.to_owned();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let Some(line) = line.strip_suffix(b"\n") else {
                return Err(Problem::new(
                    Code::LedgerCut,
                    format!("{path} ends in the middle of line {number}, as a crash leaves it"),
                )
                .hint("the next command that writes mends it and says so"));
            };
            if line.len() > LONGEST_LINE {
                return Err(broken(number, format!("it has {} bytes", line.len())));
            }
            let entry: Entry =
                serde_json::from_slice(line).map_err(|_| broken(number, "it is not an entry".to_owned()))?;
            if entry.previous != head {
                return Err(broken(number, "it does not name the line before it".to_owned())
                    .fact(format!("named   {}", entry.previous.chars().take(64).collect::<String>()))
                    .fact(format!("before  {head}")));
            }
            head = hash(line);
            entries.push(entry);
        }
        Ok(Self { entries, head })
    }

    /// Whether this very certificate stands in it as an intermediate that was minted or published, or was about to be:
    /// after a crash an intent is all that there is.
    #[must_use]
    pub fn knows(&self, intermediate: &Certificate) -> bool {
        let fingerprint = intermediate.fingerprint().to_string();
        self.entries.iter().any(|entry| {
            matches!(entry.act, Act::MintIntermediate | Act::Publish | Act::Adopt)
                && entry.certificate.as_ref().is_some_and(|minted| minted.sha256 == fingerprint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn lines(count: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let mut previous = BEGINNING.to_owned();
        for generation in 1..=count {
            let entry = Entry {
                at: datetime!(2026-11-23 10:00 UTC),
                act: Act::Publish,
                outcome: Outcome::Done,
                cluster: Some("east".to_owned()),
                generation: u32::try_from(generation).ok(),
                certificate: None,
                detail: None,
                previous,
            };
            let line = serde_json::to_vec(&entry).unwrap();
            previous = hash(&line);
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        text
    }

    #[test]
    fn an_intermediate_is_known_by_its_hash_however_its_act_ended_and_under_no_other_act() {
        let story = crate::mesh::fleet_story::Story::new();
        let end = datetime!(2027-02-01 10:00 UTC);
        let [one, other] = [1, 2].map(|generation| story.intermediate("east", generation, end).certificate);
        let ledger = |act: Act, outcome: Outcome| {
            let entry = Entry {
                at: datetime!(2026-11-23 10:00 UTC),
                act,
                outcome,
                cluster: None,
                generation: None,
                certificate: Some(Minted::of(&one)),
                detail: None,
                previous: BEGINNING.to_owned(),
            };
            Ledger { entries: vec![entry], head: BEGINNING.to_owned() }
        };
        for outcome in [Outcome::Intent, Outcome::Done, Outcome::Failed] {
            for act in [Act::MintIntermediate, Act::Publish] {
                assert!(ledger(act, outcome).knows(&one));
                assert!(!ledger(act, outcome).knows(&other));
            }
            for act in [Act::MintRoot, Act::EndorseRoot, Act::ImportRoot, Act::MintIssuing, Act::Recover] {
                assert!(!ledger(act, outcome).knows(&one));
            }
        }
    }

    #[test]
    fn a_whole_ledger_verifies_and_names_its_head() {
        let text = lines(5);
        let ledger = Ledger::parse(&text, "ledger.jsonl").unwrap();
        assert_eq!(ledger.entries.len(), 5);
        let last = text.split(|byte| *byte == b'\n').nth(4).unwrap();
        assert_eq!(ledger.head, hash(last));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let text = lines(3);
        // The last line is named by no other, so a flip in it shows only where it stops being an entry.
        let named = text.len() - text.split(|byte| *byte == b'\n').nth(2).unwrap().len() - 1;
        for position in 0..named {
            let mut flipped = text.clone();
            flipped[position] ^= 1;
            assert!(Ledger::parse(&flipped, "ledger.jsonl").is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_cut_tail_has_a_code_of_its_own() {
        let text = lines(2);
        let cut = &text[..text.len() - 1];
        assert_eq!(Ledger::parse(cut, "ledger.jsonl").unwrap_err().code(), Code::LedgerCut);
    }

    #[test]
    fn a_missing_line_in_the_middle_is_noticed() {
        let text = lines(3);
        let mut kept: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        kept.remove(1);
        assert_eq!(Ledger::parse(&kept.concat(), "ledger.jsonl").unwrap_err().code(), Code::LedgerBroken);
    }
}
