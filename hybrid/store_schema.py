"""The tables of the chunk store, and conditions on their records."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    doc_id TEXT NOT NULL,
    title TEXT NOT NULL,
    text BLOB NOT NULL,
    metadata TEXT NOT NULL,
    format TEXT NOT NULL,
    hash TEXT NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS living ON documents (doc_id) WHERE died IS NULL;
CREATE INDEX IF NOT EXISTS names ON documents (doc_id);
CREATE TABLE IF NOT EXISTS chunks (
    row INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (key),
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    first_byte INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS places ON chunks (document, ordinal);
"""
"""What a store has, a new one as well as one from before."""

FOR_WRITERS = """
CREATE INDEX IF NOT EXISTS births ON documents (born);
CREATE INDEX IF NOT EXISTS deaths ON documents (died) WHERE died IS NOT NULL;
CREATE TABLE IF NOT EXISTS given (row INTEGER NOT NULL);
"""
"""What the first change adds: a reader writes nothing.

`given` has the last row that was given to a chunk, where chunks were purged."""

DEAD = """(SELECT key FROM documents WHERE died IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM json_each(:kept) k WHERE born <= k.value AND died > k.value))"""
"""Documents that none of the generations in ``:kept`` sees."""

SEEN = "d.born <= :generation AND (d.died IS NULL OR d.died > :generation)"
"""Whether a document `d` is seen at ``:generation``."""
