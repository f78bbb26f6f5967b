"""The HTTP service of one administration: routes over `ledger.ledger`, problems for everything that goes wrong.

It decides no rule of the ledger. It runs from the checkout or an image (`python -m api`) and is in no wheel, where a
top-level package of this name would harm its neighbours.
"""
