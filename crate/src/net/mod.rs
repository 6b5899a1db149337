//! What stands behind the network device.
