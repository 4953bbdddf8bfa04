"""Random flows and inputs against a plain-Python reference."""
