//! What one call may cost. Part of the engine's configuration: replay needs the same numbers.

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
