"""Several networks of each generator, trained alike (`archloom train --networks`): how good they are, and how far they
spread (NAGO, Table 4 and Figures 2 and 8)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archloom.analysis.layout import align, counted, wrap
from archloom.analysis.published import is_test_metric, references
from archloom.analysis.published_rows import Published
from archloom.analysis.stats import Summary, summarise
from archloom.analysis.study import Reports, Study
from archloom.errors import InputError
from archloom.runs.record import TrialRecord
from archloom.runs.report import RunReport
from archloom.strategies.population.note import NetworkNote
from archloom.utils.numbers import spread
from archloom.utils.text import one_line

SECONDS = "seconds"
"""The training time of a network, beside its metrics."""
_BETWEEN = ", "
"""What separates the genes of an architecture's string."""


@dataclass(frozen=True)
class Network:
    """One network of a generator: the seed of the run that trained it, and its metrics at the end of the training with
    its training time; empty if the training failed, or has not come so far (`missing` says which)."""

    seed: int
    arch: str
    metrics: Mapping[str, float]
    missing: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "arch": self.arch, "missing": self.missing, "metrics": dict(self.metrics)}


@dataclass(frozen=True)
class GeneratorNetworks:
    """The networks of one generator, which is what their strings have in common; `label` is that of the runs that
    trained them."""

    label: str
    arch: str
    networks: tuple[Network, ...]

    def values(self, metric: str) -> list[float]:
        """Of the networks that were trained to the end."""
        return [network.metrics[metric] for network in self.networks if metric in network.metrics]

    def summary(self, metric: str, ddof: int = 1) -> Summary | None:
        values = self.values(metric)
        return summarise(values, ddof) if values else None


@dataclass(frozen=True)
class Spread:
    """Generators with their networks, the best by the mean of `metric` first.

    `metric` is the first test metric that the runs report, else their objective. `metrics` are all that there are, the
    training time the last; `trained` says how long networks were trained.
    """

    metric: str
    metrics: tuple[str, ...]
    generators: tuple[GeneratorNetworks, ...]
    trained: str
    on: str

    @classmethod
    def of(cls, reports: Reports) -> Spread:
        """InputError if runs do not belong together, or did not train several networks of each generator."""
        study = Study.of(reports)
        length = max((run.history.fidelity(line) for _, run in study.runs for line in _ended(run)), default=0)
        found: dict[tuple[str, str], list[Network]] = {}
        for label, run in study.runs:
            for arch, networks in _of_run(run, length):
                found.setdefault((label, arch), []).extend(networks)
        if not found:
            raise InputError(
                "these runs did not train several networks of each architecture: archloom train ARCH --networks 8 does"
            )
        if not length:
            raise InputError("no network of these runs has been trained so far")
        known = [name for networks in found.values() for network in networks for name in network.metrics]
        metrics = tuple(sorted(dict.fromkeys(known), key=lambda name: name == SECONDS))
        tests = [name for name in metrics if is_test_metric(study.benchmark, name)]
        metric = next(iter(tests), study.metric)
        sign = study.objective.sign if metric == study.metric else 1.0
        every = [GeneratorNetworks(label, arch, tuple(networks)) for (label, arch), networks in found.items()]
        every.sort(key=lambda each: _merit(each, metric, sign))
        resource = study.first.history.resource
        return cls(metric, metrics, tuple(every), "" if resource is None else resource.amount(length), study.benchmark)

    @property
    def published(self) -> list[Published]:
        """What others reached on the same task, by any of the metrics."""
        return [each for name in self.metrics for each in references(self.on, name)]

    @property
    def missing(self) -> dict[str, int]:
        """How many networks have no metrics, by the reason."""
        reasons = [n.missing for each in self.generators for n in each.networks if n.missing is not None]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    def to_json(self, ddof: int = 1) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "trained": self.trained,
            "ddof": ddof,
            "generators": [
                {
                    "arch": each.arch,
                    "summaries": {
                        name: summary.to_json() for name in self.metrics if (summary := each.summary(name, ddof))
                    },
                    "networks": [network.to_json() for network in each.networks],
                }
                for each in self.generators
            ],
            "published": [each.to_json() for each in self.published],
        }


def has_networks(reports: Sequence[RunReport]) -> bool:
    """Whether one of these runs trained several networks of each generator, at least one of them without failing."""
    return any(
        NetworkNote.find(line.note) is not None and any(each.ok for each in run.history.lines)
        for run in reports
        for line in run.history.lines[:1]
    )


def _merit(each: GeneratorNetworks, metric: str, sign: float) -> float:
    """A generator's place, the best first; one without values is the last."""
    summary = each.summary(metric)
    return math.inf if summary is None else -sign * summary.mean


def _ended(run: RunReport) -> list[TrialRecord]:
    return [line for line in run.history.lines if line.ok and NetworkNote.find(line.note) is not None]


def _of_run(run: RunReport, length: int) -> Iterator[tuple[str, list[Network]]]:
    """Each generator of a run with its networks, which are complete after `length` units of the resource."""
    chunks: dict[int, dict[int, list[TrialRecord]]] = {}
    for line in run.history.lines:
        if (note := NetworkNote.find(line.note)) is not None:
            chunks.setdefault(note.generator, {}).setdefault(note.network, []).append(line)
    for members in chunks.values():
        networks = [_network(run, lines, length) for _, lines in sorted(members.items())]
        yield common([network.arch for network in networks]), networks


def _network(run: RunReport, lines: Sequence[TrialRecord], length: int) -> Network:
    last = max(lines, key=run.history.fidelity)
    if run.history.fidelity(last) < length:
        return Network(run.request.seed, last.arch, {}, "not trained to the end")
    if not last.ok:
        return Network(run.request.seed, last.arch, {}, "failed")
    seconds = sum(map(run.history.seconds, lines))
    return Network(run.request.seed, last.arch, {**last.scores, **last.report, SECONDS: seconds})


def common(archs: Sequence[str]) -> str:
    """What the strings of some architectures have in common: their genes but for those that differ."""
    genes = [arch.split(_BETWEEN) for arch in archs]
    return _BETWEEN.join(first for first, *others in zip(*genes, strict=False) if set(others) <= {first})


# -- as text ------------------------------------------------------------------------------------------------------


def format_networks(found: Spread, ddof: int = 1) -> str:
    """A table of the generators, the best first, and what is published of the same task."""
    heads = ["generator", "networks", *found.metrics]
    rows = [
        [str(number), _complete(each), *(_cell(each.summary(name, ddof)) for name in found.metrics)]
        for number, each in enumerate(found.generators, start=1)
    ]
    after = f" after {found.trained}" if found.trained else ""
    divisor = "" if ddof else " (ddof 0)"
    parts = [
        f"networks of {counted(len(found.generators), 'generator')} on {one_line(found.on)}{after}",
        f"mean ± std over networks{divisor}; {SECONDS}: of training a network",
        *align([heads, *rows]),
        "",
        *(f"{number}  {one_line(each.arch)}" for number, each in enumerate(found.generators, start=1)),
    ]
    if found.published:
        parts += ["", *_published_lines(found)]
    parts += [wrap(f"note: {counted(count, 'network')}: {reason}.") for reason, count in found.missing.items()]
    return "\n".join(parts)


def _complete(each: GeneratorNetworks) -> str:
    whole = sum(network.missing is None for network in each.networks)
    return str(whole) if whole == len(each.networks) else f"{whole} of {len(each.networks)}"


def _cell(summary: Summary | None) -> str:
    return "-" if summary is None else spread(summary.mean, summary.std)


def _published_lines(found: Spread) -> list[str]:
    """A line for each published method in a table, with its number for each metric."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for each in found.published:
        rows.setdefault(each.method, {})[each.metric] = each.value
    names = [name for name in found.metrics if any(name in values for values in rows.values())]
    cells = [[label, *(values.get(name, "-") for name in names), source] for (label, source), values in rows.items()]
    heads = ["published", *names, "source"]
    caveats = dict.fromkeys(caveat for each in found.published for caveat in each.caveats)
    return [*align([heads, *cells], left=(len(heads) - 1,)), *(wrap(f"note: {caveat}") for caveat in caveats)]
