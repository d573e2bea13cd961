//! What no other test may be beside: the deployed recorder itself changes.

mod beside;
