"""Bytes in, bytes or verdict out: what every party to the ledger must compute alike.

A change in this package may change digests that have been issued, signed and anchored already. Nothing here reads a
file, a clock, a socket or an environment; nothing here trusts what it is given.
"""
