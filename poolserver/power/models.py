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
