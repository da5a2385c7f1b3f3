//! ORDER: one file per command: read, decide, act, record, return.
