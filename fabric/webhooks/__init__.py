"""Events sent to addresses: what is registered, what waits, which process delivers it and how."""
