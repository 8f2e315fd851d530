//! What one call may cost. A node notes them in its log, for to run a call again takes the same numbers (`system::limit`).

/// Bounds on the work of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fuel of one transaction, nested calls included.
    pub fuel: u64,
    /// Calls on the stack, the outermost included.
    pub call_depth: usize,
    /// Length of a chain of events that cause each other.
    pub event_depth: u32,
    /// Scans open at the same time.
    pub open_scans: usize,
    /// Lines that a transaction may log.
    pub log_lines: usize,
    /// Longest logged line, in bytes; the rest is cut.
    pub log_line_size: usize,
    /// Largest artefact, in bytes.
    pub artefact_size: usize,
    /// Schedules of one module that have not run yet.
    pub schedules: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 200_000_000,
            call_depth: 16,
            event_depth: 64,
            open_scans: 64,
            log_lines: 64,
            log_line_size: 8 << 10,
            artefact_size: 15 << 20,
            schedules: 16 << 20,
        }
    }
}

impl Limits {
    /// Each by its name.
    pub(crate) fn values(&self) -> [(&'static str, u64); 8] {
        [
            ("fuel", self.fuel),
            ("call_depth", self.call_depth as u64),
            ("event_depth", u64::from(self.event_depth)),
            ("open_scans", self.open_scans as u64),
            ("log_lines", self.log_lines as u64),
            ("log_line_size", self.log_line_size as u64),
            ("artefact_size", self.artefact_size as u64),
            ("schedules", self.schedules),
        ]
    }

    /// Sets the one of this name, as far as this machine can count; one that is not known here has no effect here.
    pub(crate) fn set(&mut self, name: &str, value: u64) {
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        match name {
            "fuel" => self.fuel = value,
            "call_depth" => self.call_depth = size,
            "event_depth" => self.event_depth = u32::try_from(value).unwrap_or(u32::MAX),
            "open_scans" => self.open_scans = size,
            "log_lines" => self.log_lines = size,
            "log_line_size" => self.log_line_size = size,
            "artefact_size" => self.artefact_size = size,
            "schedules" => self.schedules = value,
            _ => {}
        }
    }
}

/// Fuel charged by the host, beside what the module's own instructions burn.
pub mod charge {
    /// Each host call.
    pub const HOST_CALL: u64 = 50;
    /// Each 16 bytes that cross the boundary.
    pub const SIXTEEN_BYTES: u64 = 1;
    /// Each row that is changed because a row that it names is deleted.
    pub const FOLLOWED_ROW: u64 = 50;
    /// Each row that a scan looks at.
    pub const SCANNED_ROW: u64 = 10;
    /// Each condition on such a row.
    pub const CONDITION: u64 = 10;
}
