//! TOUCH: everything that can fail for reasons of its own.
