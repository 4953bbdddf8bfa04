"""A package, so that Ray workers can import what test modules define."""
