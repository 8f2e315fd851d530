//! Findings as they are gathered, so many of each kind.

use super::{Finding, MAX_FINDINGS_EACH, Severity};
use interstice_types::problem::Problem;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What was found so far.
#[derive(Default)]
pub(super) struct Said {
    findings: Vec<Finding>,
    /// How many of each code.
    counts: BTreeMap<Cow<'static, str>, usize>,
    has_error: bool,
}

impl Said {
    pub(super) fn error(&mut self, problem: Problem) {
        self.has_error = true;
        self.add(Severity::Error, problem);
    }

    pub(super) fn warning(&mut self, problem: Problem) {
        self.add(Severity::Warning, problem);
    }

    pub(super) fn note(&mut self, problem: Problem) {
        self.add(Severity::Note, problem);
    }

    /// Whether one of them is an error.
    pub(super) fn has_error(&self) -> bool {
        self.has_error
    }

    fn add(&mut self, severity: Severity, problem: Problem) {
        let count = self.counts.entry(problem.code.clone()).or_default();
        *count += 1;
        if *count <= MAX_FINDINGS_EACH {
            self.findings.push(Finding { severity, problem });
        }
    }

    /// All of them; where there are many of a kind, how many are left out.
    pub(super) fn findings(mut self) -> Vec<Finding> {
        for (code, count) in self.counts {
            let Some(more) = count.checked_sub(MAX_FINDINGS_EACH).filter(|more| *more > 0) else { continue };
            let last = self.findings.iter().rfind(|finding| finding.problem.code == code);
            let mut last = last.expect("invariant: what is counted is there").clone();
            last.problem.message = format!("{more} more like the one above");
            last.problem.place = None;
            self.findings.push(last);
        }
        self.findings
    }
}
