"""What comes from outside becomes documents and records here; nothing of it decides what is legal.

An importer reads messages of the field and writes `cargo-manifest/1` documents and records that still lack the
consignment, the author's line (`previous`) and a signature: who sends them fills those in.
"""
