"""Running what was recorded."""
