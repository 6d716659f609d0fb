"""The offline recall benchmark: how good every index of a collection is, and their fusion."""
