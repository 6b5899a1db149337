//! What stands behind the block and file devices.
