"""How agents learn control, with the networks that PBT-NAS searches."""
