"""Mining machines and their nameplates, from data/miner-models.csv.

Makers sell one model in several bins, and sources differ: rows of one name are kept side by
side, each with its source. A nameplate is good to 5-10 %.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

COLUMNS = ("make", "model", "th_s", "watts", "j_per_th", "cooling", "source")
COOLING = frozenset({"air", "hydro", "immersion"})
# What stands between the parts of a user agent or a rig's name for its hardware.
_PARTS = re.compile(r"[/|;,()\[\]_]+")
_BLANKS = re.compile(r"[\s-]+")
# Who tells a chip and no model, by what the text begins with. Boards of one chip differ in little.
# bitaxeorg/ESP-Miner components/stratum/stratum_api.c, shufps/ESP-Miner-NerdQAxePlus likewise.
_BY_CHIP = {
    ("bitaxe", "bm1366"): "Ultra (BM1366)",
    ("bitaxe", "bm1368"): "Supra (BM1368)",
    ("bitaxe", "bm1370"): "Gamma 601 (BM1370)",
    ("nerdqaxe++", "bm1370"): "NerdQAxe++ Rev7 (4xBM1370)",
}
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)  # Fraction() would take 1e999999999


class ModelError(Exception):
    """A model cannot be had."""


class ModelFileError(ModelError):
    """The file of models is wrong: ``errors`` has a text for each bad row."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


class UnknownModel(ModelError):
    """No model has such a name."""


class AmbiguousModel(ModelError):
    """Several models have: ``candidates``."""

    def __init__(self, name: str, candidates: Sequence["MinerModel"]) -> None:
        super().__init__(f"{name!r} may be {', '.join(map(str, candidates))}")
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class MinerModel:
    """A nameplate: figures as printed, exact."""

    make: str
    model: str
    hashrate_th_s: Fraction
    power_w: Fraction
    j_per_th: Fraction
    cooling: str
    source: str

    def __str__(self) -> str:
        return f"{self.model} ({float(self.hashrate_th_s):g} TH/s, {float(self.j_per_th):g} J/TH)"


class MinerModels:
    """The known models, in the order of the file."""

    def __init__(self, models: Iterable[MinerModel]) -> None:
        self._models = tuple(models)
        self._by_name: dict[str, list[MinerModel]] = {}
        for model in self._models:
            for name in _names(model):
                self._by_name.setdefault(name, []).append(model)
        for name, bins in list(self._by_name.items()):
            if len({model.model for model in bins}) > 1:
                del self._by_name[name]

    def __iter__(self) -> Iterator[MinerModel]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def find(self, name: str) -> MinerModel:
        """The one model that ``name`` means; case does not matter.

        A full name comes first (``Antminer S21``), then the end of one from a word on (``S21``
        is the Antminer S21, though the S21 Pro has it too), then any part (``Gamma``).

        Raises:
            UnknownModel: no model's name has it.
            AmbiguousModel: several have, and none better than the others.
        """
        wanted = name.strip().casefold()
        if not wanted:
            raise UnknownModel("a model's name is empty")
        names = [(model, f" {model.make} {model.model}".casefold()) for model in self._models]
        for found in (
            [model for model, _ in names if model.model.casefold() == wanted],
            [model for model, full in names if full.endswith(f" {wanted}")],
            [model for model, full in names if wanted in full],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousModel(name, found)
        raise UnknownModel(f"no model is named {name!r}")

    def named(self, name: str) -> tuple[MinerModel, ...]:
        """All bins of the one model of just this name; its family's may be left out. Else none.

        Case does not matter, nor do blanks and hyphens, which names of workers cannot have.

        >>> [str(model) for model in load_models().named("s19jpro+")]
        ['Antminer S19j Pro+ (122 TH/s, 27.5 J/TH)']
        """
        return tuple(self._by_name.get(_squeezed(name), ()))

    def told_by(self, text: str) -> tuple[MinerModel, ...]:
        """All bins of the model that a rig tells of itself in a user agent or hardware's name.

        A model's name has to be a whole part of it: ``Antminer S21 Pro Max/1.0`` is no S21 Pro,
        and ``whatsminer/v1.0`` may be any of its make. Nothing is made of such.

        >>> [str(model) for model in load_models().told_by("Antminer S19k Pro|LUXminer 2026.4.3")]
        ['Antminer S19k Pro (120 TH/s, 23 J/TH)']
        """
        parts = [_squeezed(part) for part in _PARTS.split(text)]
        for part in parts:
            if bins := self._by_name.get(part):
                return tuple(bins)
        chip = _BY_CHIP.get((parts[0], parts[1])) if len(parts) > 1 else None
        return self.named(chip) if chip else ()


def _names(model: MinerModel) -> set[str]:
    """What it may be called, squeezed: its name, with its make too, or without its family's.

    ``S23 Hyd 3U`` is a name, ``3U`` is none, nor is the ``101`` of a BMM.
    """
    names = {_squeezed(model.model), _squeezed(f"{model.make} {model.model}")}
    words = model.model.split()
    for start, word in enumerate(words):
        if word[0].isalpha() and any(character.isdigit() for character in word):
            names.add(_squeezed(" ".join(words[start:])))
            break
    return names


def _squeezed(name: str) -> str:
    return _BLANKS.sub("", name).rstrip(".").casefold()


def load_models(path: Path | None = None) -> MinerModels:
    """The models of a CSV file, by default the one that comes with the pool.

    Raises:
        ModelFileError: rows are wrong; it tells every one by its line.
        OSError: the file cannot be read.
    """
    source = path or files("poolserver.power.data") / "miner-models.csv"
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError([f"it is not UTF-8 text: {error}"]) from error
    return MinerModels(_parse(text.splitlines()))


def _parse(lines: Iterable[str]) -> list[MinerModel]:
    rows = csv.reader(lines, strict=True)
    models, errors = [], []
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise ModelFileError([f"line 1: the columns must be {','.join(COLUMNS)}"])
        for row in rows:
            try:
                models.append(_parse_row(row))
            except ValueError as error:
                errors.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:  # past a broken quote there is no telling the rows apart
        errors.append(f"line {rows.line_num}: {error}")
    if errors:
        raise ModelFileError(errors)
    return models


def _parse_row(row: Sequence[str]) -> MinerModel:
    if len(row) != len(COLUMNS):
        raise ValueError(f"it has {len(row)} fields, not {len(COLUMNS)}")
    make, model, th_s, watts, j_per_th, cooling, source = (field.strip() for field in row)
    for column, value in (("make", make), ("model", model), ("source", source)):
        if not value:
            raise ValueError(f"{column} is empty")
    if cooling not in COOLING:
        raise ValueError(f"cooling {cooling!r} is none of {', '.join(sorted(COOLING))}")
    return MinerModel(
        make,
        model,
        _positive("th_s", th_s),
        _positive("watts", watts),
        _positive("j_per_th", j_per_th),
        cooling,
        source,
    )


def _positive(column: str, text: str) -> Fraction:
    if not _DECIMAL.fullmatch(text) or not (value := Fraction(text)):
        raise ValueError(f"{column} {text!r} is no number above 0")
    return value
