"""Opening text files: compressed or not, in whatever encoding, as one stream of UTF-8 bytes."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from unmask.errors import DataError

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_SAMPLE = 1 << 18
_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class Meter:
    """Bytes this process has read from source files, before decompression: what a progress bar counts."""

    read = 0


class _Metered(io.FileIO):
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = super().readinto(buffer) or 0
        Meter.read += count
        return count

    def readall(self) -> bytes:
        data = super().readall()
        Meter.read += len(data)
        return data


class _Converted(io.RawIOBase, ABC):
    """The bytes of a stream as something else: what a block of them becomes is `_block`'s to say."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._left = source, b""

    @abstractmethod
    def _block(self) -> bytes | None:
        """The next bytes, which may be none yet; None at the end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._left and (block := self._block()) is not None:
            self._left = block
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


class _Zstandard(_Converted):
    """Zstandard frames one after another; a stream cut short is an error, not an end."""

    def __init__(self, source: BinaryIO) -> None:
        import zstandard

        super().__init__(source)
        self._new = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj
        self._frame, self._inside = self._new(), False

    def _block(self) -> bytes | None:
        data = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame, self._inside = self._new(), False
        data = data or self._source.read(1 << 16)
        if not data and self._inside:
            raise EOFError("compressed file ended before the end-of-stream marker was reached")
        if not data:
            return None
        self._inside = True
        return self._frame.decompress(data)


class _Recoded(_Converted):
    """The bytes of a stream in another encoding, as UTF-8."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        super().__init__(source)
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _block(self) -> bytes | None:
        data = self._source.read(1 << 16)
        made = self._decoder.decode(data, final=not data).encode("utf-8", "surrogatepass")
        return made if data or made else None


def compression(path: str | Path) -> str:
    """The compression suffix of a path, or ""."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


def open_plain(path: str | Path) -> BinaryIO:
    """The file's bytes, decompressed by its suffix."""
    raw = io.BufferedReader(_Metered(path, "r"), 1 << 18)
    openers: dict[str, Callable[[BinaryIO], BinaryIO]] = {
        "": lambda file: file,
        ".gz": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[return-value]
        ".bz2": lambda file: bz2.BZ2File(file),  # type: ignore[return-value]
        ".xz": lambda file: lzma.LZMAFile(file),  # type: ignore[return-value]  # noqa: SIM115
        ".zst": lambda file: io.BufferedReader(_Zstandard(file), 1 << 18),  # type: ignore[return-value]
    }
    return openers[compression(path)](raw)  # type: ignore[arg-type]


@contextmanager
def named_errors(path: str) -> Iterator[None]:
    """Turn what a damaged or wrongly encoded file raises while it is read into one line that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {error.encoding} all through (byte {error.object[error.start]:#04x}: {error.reason}); "
            "name its encoding, e.g. corpus.encoding=cp1252"
        ) from None
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno is None:  # what gzip and bz2 raise for contents; the operating system always gives a number
            raise _damaged(path, error) from None
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("zstandard", "zstd", "pyarrow"):  # not imported for this
            raise _damaged(path, error) from None
        raise


def _damaged(path: str, error: Exception) -> DataError:
    return DataError(f"{path} is damaged or cut short ({' '.join(str(error).split())}); get or make it again")


def open_utf8(path: str | Path, encoding: str, start: int = 0) -> BinaryIO:
    """The text of a file as UTF-8 bytes without a byte order mark, from byte `start` of the decompressed file on."""
    stream = open_plain(path)
    if encoding != "utf-8":
        return io.BufferedReader(_Recoded(stream, encoding), 1 << 18)  # type: ignore[return-value]
    if start:
        stream.seek(start)
    elif stream.peek(3)[:3] == codecs.BOM_UTF8:  # type: ignore[attr-defined]
        stream.read(3)
    return stream


@lru_cache(maxsize=64)
def encoding_of(path: str, wanted: str = "auto") -> str:
    """The encoding of a text file, from samples of it; DataError when it is no text at all.

    "utf-8" when every sample is UTF-8; else what a byte order mark or charset-normalizer says.
    """
    samples = _samples(path)
    marked = next((name for mark, name in _BOMS if samples[0].startswith(mark)), None)
    if marked:
        return marked
    if wanted != "auto":
        return codecs.lookup(wanted).name
    if any(_binary(sample) for sample in samples):
        raise DataError(f"{path} is a binary file, not text: leave it out, or convert it to .txt or .jsonl first")
    if all(_is_utf8(sample, partial=len(samples) > 1 or len(sample) == _SAMPLE) for sample in samples):
        return "utf-8"
    return _detected(path, b"".join(samples))


def _samples(path: str) -> list[bytes]:
    """The beginning of a file, and, where it is long and can be sought, a few places inside; not metered."""
    metered = Meter.read
    with open_plain(path) as stream:
        samples = [stream.read(_SAMPLE)]
        size = Path(path).stat().st_size
        if not compression(path) and size > 4 * _SAMPLE:
            for quarter in (1, 2, 3):
                stream.seek(size * quarter // 4)
                samples.append(stream.read(_SAMPLE // 4))
    Meter.read = metered
    return samples


def _binary(sample: bytes) -> bool:
    if sample.startswith((b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"\x28\xb5\x2f\xfd")):
        return True
    return b"\x00" in sample or len(_CONTROLS.findall(sample)) > len(sample) // 10


def _is_utf8(sample: bytes, partial: bool) -> bool:
    """Whether a sample is UTF-8; of a partial one the first and last three bytes may belong to cut characters."""
    start = next((i for i, byte in enumerate(sample[:4]) if byte & 0xC0 != 0x80), 0) if partial else 0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample[start:], final=not partial)
    except UnicodeDecodeError:
        return False
    return True


def _detected(path: str, sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 17]).best()
    if best is None:
        raise DataError(f"{path}: its encoding cannot be told; name it, e.g. corpus.encoding=cp1252")
    return codecs.lookup(best.encoding).name


def lines(path: str, encoding: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The lines of a file, or of its bytes [start, stop), as UTF-8 without their line ends.

    A range begins and ends at the start of a line.
    """
    left = None if stop is None else stop - start
    with open_utf8(path, encoding, start) as stream:
        for line in stream:
            yield line.rstrip(b"\r\n")
            if left is not None:
                left -= len(line)
                if left <= 0:
                    return


def text_lines(path: str) -> Iterator[str]:
    """The lines of one text file, compressed or not, in whatever encoding, without their line ends.

    DataError, one line, for a file that is missing, damaged, or no text.
    """
    with named_errors(path):
        for number, line in enumerate(lines(path, encoding_of(path)), start=1):
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                raise DataError(f"{path}:{number} is not UTF-8 as the rest of it; save the file as UTF-8") from None
