"""Proofs that compiled reads answer what the contract says."""
