"""The menu of readers: each turns a part of a source into documents, and what cannot be read into problems.

A reader is a class without state: `READERS.load("jsonl")().read(part) -> Iterator[Document | Problem]`. `textual` says
whether its files are text in some encoding.
"""

from __future__ import annotations

from unmask.menu import Menu

READERS = Menu(
    "reader",
    {
        "txt": "unmask.corpus.readers.txt:TextReader",
        "jsonl": "unmask.corpus.readers.jsonl:JsonLinesReader",
        "csv": "unmask.corpus.readers.csv:TableReader",
        "parquet": "unmask.corpus.readers.parquet:ParquetReader",
        "hub": "unmask.corpus.readers.hub:HubReader",
        "python_docs": "unmask.corpus.readers.python_docs:PythonDocsReader",
    },
)

SUFFIXES = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "txt",
    ".rst": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
"""Which reader takes a file of a folder, by the suffix below that of its compression."""
