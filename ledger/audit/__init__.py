"""The auditor's replay: the chain of custody rebuilt from blocks alone, and every rule judged again.

    blocks       what an audit reads of each block, and who gives it
    node         blocks from a node          export_file    blocks from a file, and into one
    checking     one block by itself: hash, receipts root, events, signatures
    registry     who may act, as of any time     log     tree heads and closures
    folding      custody, by the rules of `ledger.core.custody`
    journal      what was rebuilt, on disk: memory stays flat and an interrupted replay goes on
    replay       the whole, to a verdict and a digest of the final state
    result       what came of it, and the questions it answers

It trusts the seals that a trust file names, and nothing else: not the node, not the file, not the database.
"""
