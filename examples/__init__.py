"""Examples: small programs that do something real with `routilux_dist`."""
