//! On a node that runs.
