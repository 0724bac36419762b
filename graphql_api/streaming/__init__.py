"""Subscriptions: what they tell, made once for all who ask the same, and the transports that carry it."""
