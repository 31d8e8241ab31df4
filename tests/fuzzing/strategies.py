"""How hostile inputs are made: from whole ones, by the changes that readers fall over.

A strategy that is made anew at each draw is also validated anew, which takes longer than most
readers. So composite ones get those that they draw from, or find them in the module.
"""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
from collections.abc import Sequence

import zstandard
from hypothesis import strategies as st

BLOCK = 512
ODD_CHARACTERS = (
    "\x00\x1b\x7f\x85\u00ad\u061c\u200b\u202e\u2028\u2066\ud800\udfff\ufeff\uffff\U000e0001"
)
TOKENS = (
    b"\x00", b"\xff", b"\x1b[2J", b"\r", b"\n", b"\"", b"\\", b"\\ud800", b"\\u0000", b"[" * 3000,
    b'{"a":' * 3000, b"9" * 5000, b"-" + b"9" * 400, b"1e999", b"NaN", b"-Infinity", b"null", b"{}",
    b"[]", b"../", b"/etc/passwd", b"sha256:", b"=", b" ", b"\xe2\x80\xae", b"\xed\xa0\x80",
    b"99999999999999999999",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**32, 2**53, 2**63, 2**64, 10**19, 10**400, 1e308, -0.0, 0.5)


def odd_text(max_size: int = 80) -> st.SearchStrategy[str]:
    """Text with characters that terminals, files and encodings handle in their own ways."""
    return st.text(st.one_of(st.characters(), st.sampled_from(ODD_CHARACTERS)), max_size=max_size)


def odd_json(keys: Sequence[str]) -> st.SearchStrategy[object]:
    """JSON values with known and unknown keys, and odd leaves."""
    leaves = st.one_of(
        st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(), odd_text(20)
    )
    names = st.one_of(st.sampled_from([*keys, ""]), odd_text(8))
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )


def changed_json(seed: object) -> st.SearchStrategy[str]:
    """The text of a whole document in which some values are others."""
    return _changed_json(seed, odd_json(sorted(_keys(seed))))


@st.composite
def _changed_json(draw: st.DrawFn, seed: object, others: st.SearchStrategy[object]) -> str:
    value = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(0, 3))):
        value = _with_another_part(draw, value, others)
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def _with_another_part(draw: st.DrawFn, value: object, others: st.SearchStrategy[object]) -> object:
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 4)) == 0:
        return draw(others)
    if isinstance(value, dict):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _with_another_part(draw, value[key], others)}
    at = draw(st.integers(0, len(value) - 1))
    return [*value[:at], _with_another_part(draw, value[at], others), *value[at + 1 :]]


@st.composite
def changed_bytes(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A whole input with bytes changed, removed, doubled or put in."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 4)):
            case 0:
                content[at : at + 1] = draw(st.binary(max_size=4))
            case 1:
                content[at:at] = draw(st.sampled_from(TOKENS))
            case 2:
                del content[at : at + draw(st.integers(1, 600))]
            case 3:
                content[at:at] = content[at : at + draw(st.integers(1, 600))]
            case _:
                del content[at:]
    return bytes(content)


def changed_text(seeds: Sequence[str]) -> st.SearchStrategy[str]:
    """As `changed_bytes`, as text as it is read from a file of any content."""
    encoded = [seed.encode("utf-8", "surrogatepass") for seed in seeds]
    return changed_bytes(encoded).map(lambda content: content.decode("utf-8", "replace"))


def lines_of(seeds: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """What arrives on a stream, in pieces: known lines, changed ones and odd text."""
    line = st.one_of(st.sampled_from(seeds), changed_text(seeds), odd_text(200))
    return _in_pieces(st.lists(line, max_size=12))


@st.composite
def _in_pieces(draw: st.DrawFn, lines: st.SearchStrategy[list[str]]) -> list[str]:
    text = "\n".join(draw(lines)) + draw(st.sampled_from(["", "\n", "\r"]))
    size = draw(st.integers(1, max(1, len(text))))
    return [text[at : at + size] for at in range(0, len(text), size)]


SIZES = (
    b"0", b"1", b"7", b"777", b"1000", b"-1", b"77777777777", b"777777777777", b"4000001", b"",
    b" 12 ", b"\x80" + b"\0" * 10 + b"\x05", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"0x10", b"1_0",
)  # fmt: skip
NAMES = (
    "usr/bin/oc", "./usr/bin/oc", "usr/share/rpm/rpmdb.sqlite", "usr/bin/.wh.oc",
    "usr/.wh..wh..opq",
    "../etc/passwd", "/etc/passwd", "x" * 99, "a/" * 49, "", ".", "usr/bin", "\udc80",
    "release-manifests/image-references",
)  # fmt: skip
KINDS = [bytes([kind]) for kind in b"0\x001234567xgLKSXDMNVZA"]


@st.composite
def tar_header(draw: st.DrawFn, kinds: Sequence[bytes] = KINDS) -> bytes:
    """One header, mostly with a right checksum, in which all fields may be odd."""
    entry = tarfile.TarInfo(draw(st.sampled_from(NAMES)))
    entry.type = draw(st.sampled_from(kinds))
    entry.linkname = draw(st.sampled_from(NAMES))
    entry.mode = draw(st.sampled_from([0o755, 0o644, 0o7777]))
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")[-BLOCK:])
    block[124:136] = draw(st.sampled_from(SIZES)).ljust(12, b"\0")
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, BLOCK - 20))
        found = draw(st.binary(max_size=20))
        block[at : at + len(found)] = found
    if draw(st.integers(0, 9)):
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + 3
    while len(str(size)) + len(key) + len(value) + 3 != size:
        size = len(str(size)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (size, key, value)


_KEYS = st.sampled_from([
    b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"hdrcharset", b"comment", b"",
    b"GNU.sparse.map", b"GNU.sparse.size", b"GNU.sparse.major", b"SCHILY.xattr.user.x",
])  # fmt: skip
_VALUES = st.one_of(st.sampled_from(TOKENS), st.binary(max_size=30), st.just(b"5"))


@st.composite
def pax_records(draw: st.DrawFn) -> bytes:
    """The content of an extended header."""
    records = [_record(draw(_KEYS), draw(_VALUES)) for _ in range(draw(st.integers(0, 4)))]
    content = b"".join(records)
    return content if draw(st.integers(0, 4)) else draw(changed_bytes([content]))


_CONTENTS = st.one_of(pax_records(), st.binary(max_size=700), st.sampled_from(TOKENS))
_EXTENDING = tar_header([b"x", b"g", b"L", b"K"])


@st.composite
def extended(draw: st.DrawFn) -> bytes:
    """An extended header with its content."""
    content = draw(_CONTENTS)
    block = bytearray(draw(_EXTENDING))
    block[124:136] = (b"%o" % len(content)).ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")


PACKERS = (bytes, gzip.compress, lambda data: lzma.compress(data, preset=0), zstandard.compress)
_PARTS = st.lists(
    st.one_of(tar_header(), tar_header([b"0"]), extended(), st.just(bytes(BLOCK))), max_size=8
)


@st.composite
def layer(draw: st.DrawFn) -> bytes:
    """A layer: odd members, compressed, and at times damaged after that."""
    whole = b"".join(draw(_PARTS)) + draw(st.sampled_from([b"", bytes(2 * BLOCK)]))
    packed = draw(st.sampled_from(PACKERS))(whole)
    return packed if draw(st.integers(0, 3)) else draw(changed_bytes([packed]))
