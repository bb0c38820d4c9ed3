"""Parquet files: the texts of one column, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

from training.data.formats import choose_column, separated
from training.data.sources import SourceFile

MAGIC = b"PAR1"
PARQUET = "Parquet"
BATCH_ROWS = 1024


def is_parquet(file: SourceFile) -> bool:
    """Whether a file begins as Parquet does."""
    return file.head(len(MAGIC)) == MAGIC


def parquet_texts(file: SourceFile, text_column: str | None) -> Iterator[str]:
    """The texts of a column, by `text_column` or by the usual names, with line ends as those of JSON lines.

    Memory holds a batch of rows and a page of the column. Raises `ValueError` for a file that is damaged or has no such
    column of texts, and where the package pyarrow is not installed.
    """
    yield from separated(_texts(file, text_column))


def _texts(file: SourceFile, text_column: str | None) -> Iterator[str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ValueError(
            f"{file.shown} is a Parquet file and the package pyarrow is not installed; expected the data extra: run "
            "`pip install -c constraints.txt -e '.[data]'`."
        ) from None
    try:
        with file.open() as raw, parquet.ParquetFile(raw, buffer_size=2**20, pre_buffer=False) as table:
            types = dict(zip(table.schema_arrow.names, table.schema_arrow.types, strict=True))
            texts = [name for name, kind in types.items() if pyarrow.types.is_string(kind) or _is_large(kind)]
            column = choose_column(texts, file.name, text_column)
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=[column], use_threads=False):
                yield from (text for text in batch.column(0).to_pylist() if text and text.strip())
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200].rstrip(".")
        raise ValueError(
            f"{file.shown} is a damaged Parquet file ({reason}); expected a whole one: fetch it again."
        ) from None


def _is_large(kind: object) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind))
