"""`audit fsck`: everything the service keeps, derived again and held against what stands there.

    found    what is told of a difference, and how two ordered tables are held side by side
    anew     the chain's tables made anew from blocks that the replay judges
    offline  the same from an export, without a node
    chain    those tables, the blocks and their place
    told     the feed
    log      accepted manifests, their promises, the tree and its heads
    sending  accepted custody records, closings and the transactions that carry them
    objects  what is sealed, what makes it findable, and what was erased
    files    evidence files
    repair   puts right what derives from the chain
    run      all of it, in one snapshot

Nothing of the service's is believed but the identity of its database, which decides whether it is looked at at all. Only
who reads (sessions, spent challenges, loaders) and who is told (webhooks and their messages, but for what is sealed of
them) has nothing to be derived from, and is **not** checked.
"""
