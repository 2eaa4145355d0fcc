"""Studies of PBT-NAS."""
