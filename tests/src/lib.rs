//! End-to-end stories against real parts; they are in `tests/`.
