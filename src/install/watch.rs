//! Well or not.
