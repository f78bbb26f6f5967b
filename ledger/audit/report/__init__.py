"""The auditor's report: what a replay found, as one HTML file that needs nothing else.

    disclosed    the documents an auditor holds, each checked against what was committed to
    content      what the report says: facts, in one tree that is the JSON answer too
    telling      acts, states and findings in words, and how grave each kind of finding is
    places       where places are, and outlines of the land
    pictures     charts and map as SVG
    page         the HTML around them

Memory stays flat however long the chain is: everything is counted, and what is drawn has a limit that the report names.
"""
