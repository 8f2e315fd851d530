//! The bounds that a client and a node keep towards each other. Each is tested at n and at n + 1.

/// Bytes of one message of a client, WebSocket or HTTP.
pub const MAX_CLIENT_MESSAGE_SIZE: usize = 1 << 20;
/// Bytes of an artefact that is published.
pub const MAX_ARTEFACT_SIZE: usize = 15 << 20;
/// Calls and queries of one connection that have no answer yet.
pub const MAX_CALLS_IN_FLIGHT: usize = 4096;
/// Subscriptions of one connection.
pub const MAX_SUBSCRIPTIONS: usize = 1024;
/// Bytes that may wait for a slow connection before it is closed with [`CLOSE_TOO_SLOW`].
pub const MAX_OUTBOUND_SIZE: usize = 8 << 20;
/// Bytes of one part of initial rows, but for a single row that is larger.
pub const MAX_ROWS_PART_SIZE: usize = 256 << 10;
/// Rows that one page of rows, and transactions that one page of the log may have.
pub const MAX_PAGE_COUNT: usize = 10_000;
/// Bytes of a file that are given in one go to whoever makes a backup.
pub const MAX_PIECE_SIZE: usize = 1 << 20;

/// WebSocket close code: the client does not read as fast as it is told things. It may connect and subscribe again.
pub const CLOSE_TOO_SLOW: u16 = 4001;
/// WebSocket close code: the client presented a receipt of another history than the node has.
pub const CLOSE_HISTORY_DIVERGED: u16 = 4002;
/// WebSocket close code: the node stops, or has failed.
pub const CLOSE_GOING_AWAY: u16 = 1001;
