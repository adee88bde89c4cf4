"""Numbers for identities, so that the state and its keys are integers.

An identity here is (tenant, kind, identity, provider). Numbers are given in order of first appearance, sorted
within a batch, and never given twice. State chunks hold consecutive ranges of them.
"""

import sys
from collections.abc import Iterable

import polars as pl

from processors.reputation.chunks import read_chunk, write_chunk

PREFIX = b"identities/"
"""What the keys of its chunks begin with."""

NAMES = ("tenant", "kind", "identity", "provider")
"""What makes an identity."""

_RANGE = 4_096
_EMPTY = pl.DataFrame(schema={"id": pl.Int64, **dict.fromkeys((*NAMES, "key"), pl.String)})


class Identities:
    """The identities that the fold holds counts of, each with its number."""

    def __init__(self) -> None:
        """None yet."""
        self._numbers: dict[str, int] = {}
        self._table = _EMPTY
        self._fresh: list[pl.DataFrame] = []
        self._dirty: set[int] = set()
        self.next = 0

    def __len__(self) -> int:
        """How many are held."""
        return len(self._numbers)

    def size(self) -> tuple[int, int]:
        """How many are held, and in about how many bytes."""
        self._settle()
        numbers = sys.getsizeof(self._numbers) + sum(sys.getsizeof(key) + 32 for key in self._numbers)
        return len(self), numbers + int(self._table.estimated_size())

    def number(self, rows: pl.DataFrame) -> pl.Series:
        """The number of each row's identity (columns NAMES), Int64; new identities get the next ones."""
        keys = _keys(rows)
        local = keys.cast(pl.Categorical(pl.Categories.random())).to_physical()
        firsts = local.arg_unique()
        distinct = rows.select(pl.col(NAMES).gather(firsts)).with_columns(
            key=keys.gather(firsts), local=local.gather(firsts)
        )
        distinct = distinct.sort("key")
        known = [self._numbers.get(key) for key in distinct.get_column("key").to_list()]
        ids = pl.Series("id", known, pl.Int64)
        if ids.null_count():
            ids = self._add(distinct.filter(ids.is_null()), distinct)
        places = distinct.get_column("local")
        highest = int(places.max() or 0)  # type: ignore[arg-type]
        by_place = pl.Series("id", [-1], pl.Int64).new_from_index(0, highest + 1)
        return by_place.scatter(places, ids).gather(local)

    def names(self, ids: pl.Series) -> pl.DataFrame:
        """The names (columns NAMES) of these numbers."""
        self._settle()
        return self._table.select(pl.col(NAMES).gather(self._table.get_column("id").search_sorted(ids)))

    def keep(self, live: pl.Series) -> None:
        """Forget all but these numbers."""
        self._settle()
        dead = self._table.filter(~pl.col("id").is_in(live.implode()))
        for key in dead.get_column("key"):
            del self._numbers[key]
        self._table = self._table.filter(pl.col("id").is_in(live.implode()))
        self._dirty.update((dead.get_column("id") // _RANGE).unique().to_list())

    def flush(self) -> dict[bytes, bytes | None]:
        """The ranges that changed since the last flush; None for those that are empty now."""
        self._settle()
        chunks: dict[bytes, bytes | None] = {}
        for number in sorted(self._dirty):
            held = self._table.filter(pl.col("id") // _RANGE == number).select("id", *NAMES)
            chunks[PREFIX + b"%08d" % number] = write_chunk(held) if held.height else None
        self._dirty.clear()
        return chunks

    def restore(self, chunks: Iterable[bytes], following: int) -> None:
        """Hold what is in these chunks; `following` is the number to give next."""
        parts = [table.with_columns(_keys(table)) for table in map(read_chunk, chunks)]
        self._table = pl.concat([_EMPTY, *parts]).sort("id")
        ids, keys = self._table.get_column("id"), self._table.get_column("key")
        self._numbers = dict(zip(keys.to_list(), ids.to_list(), strict=True))
        self.next = following

    def _add(self, new: pl.DataFrame, distinct: pl.DataFrame) -> pl.Series:
        fresh = new.select(
            pl.int_range(self.next, self.next + new.height, dtype=pl.Int64).alias("id"), *NAMES, "key"
        )
        self._numbers.update(
            zip(fresh.get_column("key").to_list(), fresh.get_column("id").to_list(), strict=True)
        )
        self._fresh.append(fresh)
        first, self.next = self.next, self.next + new.height
        self._dirty.update(range(first // _RANGE, (self.next - 1) // _RANGE + 1))
        return pl.Series("id", [self._numbers[key] for key in distinct.get_column("key").to_list()], pl.Int64)

    def _settle(self) -> None:
        if self._fresh:
            self._table = pl.concat([self._table, *self._fresh], rechunk=True)
            self._fresh = []


_LEADING = [pl.col(name) for name in ("kind", "tenant", "provider")]
_ODD = pl.any_horizontal(name.str.contains("\x1f", literal=True) for name in _LEADING) | (
    pl.col("kind") == ""
)


def _keys(rows: pl.DataFrame) -> pl.Series:
    """One string for each identity, and no two with the same.

    Names are separated by U+001F, the identity last. Names that hold one themselves are told apart by their
    lengths, after a leading separator that no other key has.
    """
    key = pl.concat_str([*_LEADING, pl.col("identity")], separator="\x1f")
    if rows.select(_ODD.any()).item():
        lengths = [name.str.len_bytes() for name in _LEADING]
        sized = pl.concat_str([pl.lit(""), *lengths, *_LEADING, pl.col("identity")], separator="\x1f")
        key = pl.when(_ODD).then(sized).otherwise(key)
    return rows.select(key.alias("key")).to_series()
