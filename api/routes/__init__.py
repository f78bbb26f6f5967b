"""The routes of the service, one file a noun. None holds a rule: parse, call one method of `Ledger`, shape the answer."""
