"""Cut a file that is larger than memory into shards of symbols, each read by itself."""

from dataclasses import replace

from quantdesk.data.sources.file import File, symbol_column


def shards(source: File, n_symbols: int) -> list[File]:
    """Split a Parquet file into sources of some symbols each; nothing but their names is read yet.

    Map work over them with ``compute.map``: each process reads its own shard from the disk and
    hands back what is small. Features that look across instruments see those of the shard only.

    Parameters
    ----------
    source : File
        A Parquet file with one row a time and symbol. Sorted by symbol it is read fastest: whole
        row groups of other symbols are skipped.
    n_symbols : int
        Symbols in a shard; the last one may hold fewer.

    Raises
    ------
    DataError
        If it is no such file.

    Examples
    --------
    >>> from pathlib import Path
    >>> [len(shard.only) for shard in shards(File(Path("minutes.parquet")), 50)]  # doctest: +SKIP
    [50, 50, 31]
    """
    import polars as pl

    column = symbol_column(source.path, source.mapping)
    names = pl.scan_parquet(source.path).select(pl.col(column).unique().sort()).collect(engine="streaming")[column].to_list()
    return [replace(source, only=tuple(names[first : first + n_symbols])) for first in range(0, len(names), n_symbols)]
