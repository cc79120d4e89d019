"""What the endpoint must know of a statement without running it: its kind, its output format, where its data begins.

What belongs here: a tokenizer for ClickHouse's SQL and the few questions asked of it.
What does not: judging what a user may do (access.py). ClickHouse itself parses every statement that runs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
    (?P<space>\s++ | --[^\n]*+ | \#[\ !][^\n]*+ | /\*.*?(?:\*/|\Z))
  | (?P<string>'(?:[^'\\]++|\\(?:.|\Z)|'')*+(?:'|\Z))
  | (?P<quoted>`(?:[^`\\]++|\\(?:.|\Z)|``)*+(?:`|\Z) | "(?:[^"\\]++|\\(?:.|\Z)|"")*+(?:"|\Z))
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
  | (?P<number>\d[\w.]*+)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
"""Linear in the statement: nothing is looked at twice, and what is opened and never closed (which the engine refuses) goes to the end."""
_HEREDOC = re.compile(rb"(?=(\$\w*+\$))")
_DATA_START = re.compile(rb"[ \t\f\v]*\r?\n?")
_NO_FORMAT_CLAUSE_AFTER = frozenset(
    {b"BY", b"SELECT", b"AS", b"ON", b"AND", b"OR", b"NOT", b"WHERE", b"IN", b"DISTINCT"}
)


@dataclass(frozen=True)
class Token:
    """A piece of SQL that is neither space nor comment; `kind` is string, quoted, word, number or mark."""

    kind: str
    text: bytes
    start: int
    end: int

    @property
    def keyword(self) -> bytes:
        """The word in upper case; empty for what is no bare word."""
        return self.text.upper() if self.kind == "word" else b""

    @property
    def identifier(self) -> str | None:
        """The name that a bare or quoted identifier stands for, escapes kept; None for other tokens."""
        if self.kind == "word":
            return self.text.decode()
        if self.kind == "quoted":
            return self.text[1:-1].decode(errors="replace")
        return None


@dataclass(frozen=True)
class DataInsert:
    """An INSERT that carries its rows: `sql[data_at:]` is data in `format`.

    `into` names the target, `settings` is the SETTINGS clause or empty; neither holds FORMAT or VALUES.
    """

    into: bytes
    settings: bytes
    format: str
    data_at: int


def tokens(sql: bytes) -> Iterator[Token]:
    at = 0
    heredocs: dict[bytes, list[int]] | None = None
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"no token at {at}: the last kind takes any byte")
        kind, end = match.lastgroup, match.end()
        if match.group() == b"$":
            heredocs = _heredoc_marks(sql) if heredocs is None else heredocs
            if closed := _heredoc_end(heredocs, sql, at):
                kind, end = "string", closed
        if kind != "space":
            yield Token(kind, sql[at:end], at, end)
        at = end


def _heredoc_marks(sql: bytes) -> dict[bytes, list[int]]:
    """Where each `$tag$` stands."""
    marks: dict[bytes, list[int]] = {}
    for match in _HEREDOC.finditer(sql):
        marks.setdefault(match[1], []).append(match.start())
    return marks


def _heredoc_end(marks: dict[bytes, list[int]], sql: bytes, at: int) -> int | None:
    """The end of the `$tag$…$tag$` that begins at `at`; None where none does, or it is never closed and the dollar is a sign like another."""
    opening = _HEREDOC.match(sql, at)
    if opening is None:
        return None
    places = marks[opening[1]]
    following = bisect_left(places, at + len(opening[1]))
    return places[following] + len(opening[1]) if following < len(places) else None


def first_keyword(sql: bytes) -> bytes:
    """The first bare word in upper case, past comments and opening brackets; empty where there is none."""
    for token in tokens(sql):
        if token.text != b"(":
            return token.keyword
    return b""


def is_blank(sql: bytes) -> bool:
    return all(token.text == b";" for token in tokens(sql))


def data_insert(sql: bytes) -> DataInsert | None:
    """The INSERT at the head of `sql` (which may be cut anywhere in its data), or None for any other statement."""
    found = tokens(sql)
    first = next(found, None)
    if first is None or first.keyword != b"INSERT":
        return None
    depth, settings_at, is_target, last = 0, None, True, first
    for token in found:
        is_name = is_target and (last.text == b"." or last.keyword in {b"INSERT", b"INTO", b"TABLE", b"FUNCTION"})
        if token.text in (b"(", b"{", b"["):
            depth += 1
            is_target = is_target and token.text == b"{"
        elif token.text in (b")", b"}", b"]"):
            depth -= 1
        elif depth == 0 and not (is_name and token.keyword not in {b"INTO", b"TABLE", b"FUNCTION"}):
            if token.keyword in {b"SELECT", b"WITH", b"FROM", b"WATCH"}:
                return None
            if token.keyword == b"SETTINGS":
                settings_at = token.start
            elif token.keyword == b"VALUES":
                return _data_insert(sql, token.start, settings_at, "Values", token.end)
            elif token.keyword == b"FORMAT":
                name = next(found, None)
                if name is None or name.kind != "word":
                    return None
                gap = _DATA_START.match(sql, name.end)
                data_at = gap.end() if gap else name.end
                return _data_insert(sql, token.start, settings_at, name.text.decode(), data_at)
        last = token
    return None


def _data_insert(sql: bytes, end: int, settings_at: int | None, format_name: str, data_at: int) -> DataInsert:
    split = end if settings_at is None else settings_at
    return DataInsert(sql[:split].rstrip(), sql[split:end].rstrip(), format_name, data_at)


def output_format(sql: bytes) -> str | None:
    """The format that the statement's own FORMAT clause asks for; None where it has none."""
    found = [token for token in tokens(sql) if token.text != b";"]
    for at in range(len(found) - 2, 0, -1):
        if found[at].keyword != b"FORMAT" or found[at + 1].kind != "word":
            continue
        before = found[at - 1]
        after = found[at + 2].keyword if at + 2 < len(found) else b"SETTINGS"
        is_clause = before.keyword not in _NO_FORMAT_CLAUSE_AFTER and (before.kind != "mark" or before.text in b")]}*")
        if is_clause and after in {b"SETTINGS", b"INTO"}:
            return found[at + 1].text.decode()
    return None


def without_format(sql: bytes) -> bytes:
    """The statement without a FORMAT clause at its very end; nothing but two bare words is ever taken away."""
    found = list(tokens(sql))
    is_format = len(found) > 2 and found[-2].keyword == b"FORMAT" and found[-1].kind == "word"
    if is_format and found[-1].keyword not in {b"ASC", b"DESC", b"END"}:
        return sql[: found[-2].start]
    return sql


def touches_server_files(sql: bytes) -> bool:
    """Whether the statement has INTO OUTFILE or FROM INFILE, which a server refuses and an in-process engine would obey."""
    last = b""
    for token in tokens(sql):
        if (last, token.keyword) in {(b"INTO", b"OUTFILE"), (b"FROM", b"INFILE")}:
            return True
        last = token.keyword
    return False


def reads_input(sql: bytes) -> bool:
    """Whether the statement calls input(), which stands for data behind it."""
    last = b""
    for token in tokens(sql):
        if token.text == b"(" and last == b"INPUT":
            return True
        last = token.keyword
    return False


def quote_identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_string(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
