"""Proofs."""
def audit(s,c): pass
def refuse(s,c): pass
