"""From YAML to entries that know their lines. Every problem of a file is collected, not only the first."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

NULL, TEXT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"


class ManifestError(Exception):
    """The file can't be applied; nothing was changed. The message has one line for each problem."""


class Report:
    """The problems of one file, each with its line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._problems: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, line: int, message: str) -> None:
        """Note a problem; the same one on the same line counts once."""
        if (line, message) not in self._problems:
            self._problems.append((line, message))

    def raise_if_any(self) -> None:
        """Raise ManifestError with all problems, in the order of their lines."""
        if not self._problems:
            return
        lines = [f"{self._file}:{line}: {text}" for line, text in sorted(self._problems)]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ManifestError("\n".join([*lines, f"{count}: nothing was changed."]))


Reader = Callable[[yaml.Node, str, Report], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A key that an entry may have. `read` notes problems in the report; without any, its value counts.

    What is wrong inside a `nested` list is the problem of its entries: the entry that holds them stays sound.
    """

    read: Reader
    required: bool = False
    nested: bool = False


@dataclass(slots=True)
class Entry:
    """One mapping of the file: the values that could be read, and the line of each key."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    sound: bool = True  # nothing is wrong with it, as far as reading can tell

    def line_of(self, key: str) -> int:
        """Return the line of a key's value, or the entry's own."""
        return self.lines.get(key, self.line)


def compose(path: Path) -> yaml.Node:
    """Parse a file without making any objects of it. Raises ManifestError with one line."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as problem:
        raise ManifestError(f"{path} cannot be read: {problem.strerror}.") from problem
    except (UnicodeDecodeError, yaml.reader.ReaderError) as problem:
        raise ManifestError(f"{path} is not YAML: it is not UTF-8 text.") from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise ManifestError(
            f"{path}:{line}: this is not YAML: {problem.problem or problem.context}."
        ) from problem
    except (yaml.YAMLError, RecursionError) as problem:
        raise ManifestError(f"{path} is not YAML that can be read: it is nested too deeply.") from problem
    if node is None:
        raise ManifestError(f"{path} is empty: it must begin with organizations:")
    return node


def read_entry(node: yaml.Node, noun: str, fields: Mapping[str, Field], report: Report) -> Entry:
    """Read a mapping: unknown, repeated and missing keys are problems."""
    entry = Entry(line_of(node))
    if not isinstance(node, yaml.MappingNode):
        report.add(entry.line, f"{noun} must be a mapping with the keys {', '.join(fields)}.")
        entry.sound = False
        return entry
    for pair in node.value:
        _read_pair(pair, noun, fields, entry, report)
    for key, wanted in fields.items():
        if wanted.required and key not in entry.lines:
            report.add(entry.line, f"{noun} needs the key {key}.")
            entry.sound = False
    return entry


def entries(noun: str, fields: Mapping[str, Field], *, identity: str) -> Reader:
    """Return a reader for a list of entries that are told apart by the key `identity`."""

    def read(node: yaml.Node, key: str, report: Report) -> tuple[Entry, ...]:
        if not isinstance(node, yaml.SequenceNode):
            report.add(line_of(node), f"{key} must be a list.")
            return ()
        found = tuple(read_entry(item, noun, fields, report) for item in node.value)
        _refuse_repetition(found, noun, identity, report)
        return found

    return read


def line_of(node: yaml.Node) -> int:
    """Return the line that a node starts on, counted from 1."""
    return int(node.start_mark.line) + 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a sentence that helps whoever wrote `word` where one of `known` was meant."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1) or [name for name in known if name.startswith(word)]
    return f"did you mean {close[0]}?" if word and close else f"known are {', '.join(known)}."


def _read_pair(
    pair: tuple[yaml.Node, yaml.Node],
    noun: str,
    fields: Mapping[str, Field],
    entry: Entry,
    report: Report,
) -> None:
    key_node, value_node = pair
    key, line = _key(key_node), line_of(key_node)
    if key not in fields:
        report.add(line, f"{noun} has no key {key}: {nearest(key, fields)}")
        entry.sound = False
        return
    if key in entry.lines:
        report.add(line, f"{key} is given twice, first on line {entry.lines[key]}.")
        entry.sound = False
        return
    entry.lines[key] = line
    problems = len(report)
    value = fields[key].read(value_node, key, report)
    if fields[key].nested or len(report) == problems:
        entry.values[key] = value
    else:
        entry.sound = False


def _key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "of this kind"


def _refuse_repetition(found: Iterable[Entry], noun: str, identity: str, report: Report) -> None:
    first: dict[str, int] = {}
    for entry in found:
        name = entry.values.get(identity)
        if name is None:
            continue
        if name in first:
            report.add(
                entry.line, f"{noun} with the {identity} {name} is there already, on line {first[name]}."
            )
            entry.sound = False
        first.setdefault(name, entry.line)
