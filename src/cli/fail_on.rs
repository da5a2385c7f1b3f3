//! Which findings a check fails on.

use clap::ValueEnum;

use crate::problem::{Code, Finding, Severity};

/// Which findings a check fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Every finding.
    Warning,
    /// Critical findings.
    Critical,
    /// Certificates that have ended.
    Expired,
    /// No finding.
    Never,
}

impl FailOn {
    /// Whether a finding counts.
    #[must_use]
    pub fn counts(self, finding: &Finding) -> bool {
        match self {
            FailOn::Warning => true,
            FailOn::Critical => finding.severity == Severity::Critical,
            FailOn::Expired => finding.problem.code() == Code::CertificateExpired,
            FailOn::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    #[test]
    fn each_word_counts_what_is_at_least_that_bad() {
        let finding = |severity, code| Finding { severity, place: String::new(), problem: Problem::new(code, "x") };
        let warning = finding(Severity::Warning, Code::CertificateExpiresSoon);
        let critical = finding(Severity::Critical, Code::KeyLeaked);
        let expired = finding(Severity::Critical, Code::CertificateExpired);
        let counted = |on: FailOn| [&warning, &critical, &expired].map(|finding| on.counts(finding));
        assert_eq!(counted(FailOn::Warning), [true, true, true]);
        assert_eq!(counted(FailOn::Critical), [false, true, true]);
        assert_eq!(counted(FailOn::Expired), [false, false, true]);
        assert_eq!(counted(FailOn::Never), [false, false, false]);
    }
}
