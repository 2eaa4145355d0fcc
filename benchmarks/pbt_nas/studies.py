"""The studies: which rows are compared, on what, with how many seeds, and which tests are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.pbt_nas.searches import Halving, Imitations, Named, Setting, Study

DEFAULT = Setting("PBT-NAS", "pbt_nas")
NO_MIXING = Setting("no mixing: itself, shrink-perturbed", "pbt_nas", {"itself": True})
COPIED = Setting("copied exactly [1, 0]", "pbt_nas", {"shrink": 1.0, "perturb": 0.0})
REINITIALISED = Setting("reinitialised [0, 1]", "pbt_nas", {"shrink": 0.0, "perturb": 1.0})
SEARL = Setting("SEARL-like mutation", "searl")
RANDOM = Setting("random search", "random_population")
RANDOM_SHRUNK = Setting("random search, shrink-perturbed", "random_population", {"shrink_perturb": True})
BOHB = Halving("BOHB", "bohb")
EVERYTHING = (DEFAULT, NO_MIXING, COPIED, REINITIALISED, SEARL, RANDOM, RANDOM_SHRUNK)

MIXING = (DEFAULT, NO_MIXING, COPIED, REINITIALISED, SEARL)
"""Those whose better members have offspring."""

SIZES = (6, 12)
"""Members, besides 24. The published runs had 12, 24 and 36 (generators) and 6, 12 and 18 (agents)."""


def sized(setting: Setting, members: int) -> Setting:
    return Setting(f"{setting.name}, {members} members", setting.strategy, {**setting.options, "population": members})


def of_six(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """As the authors ran populations of 6: the best 2 have offspring, the worst 2 are replaced."""
    return tuple(
        replace(row, options={"parents": 0.4, **row.options}) if row in MIXING else row for row in settings
    )  # fmt: skip


def than_default(settings: Sequence[Setting]) -> Mapping[str, str]:
    """The tests that the default is better than each other row."""
    return {setting.name: DEFAULT.name for setting in settings if setting.name != DEFAULT.name}


def _scaling() -> tuple[tuple[Setting, ...], Mapping[str, str]]:
    """Populations of every size, beside as many random networks; each is tested against the next larger one."""
    ours, random = ([*(sized(row, members) for members in SIZES), row] for row in (DEFAULT, RANDOM))
    larger = {small.name: large.name for small, large in pairwise(ours)}
    return (*ours, *random), larger | {theirs.name: our.name for our, theirs in zip(ours, random, strict=True)}


_SCALED, _LARGER = _scaling()
_TABLE_6 = (DEFAULT, RANDOM, BOHB)
_GAN = Named(
    EVERYTHING[:-1], seeds=5, members=8, epochs=16, beaten_by=than_default(EVERYTHING[:-1]), on="gan:digits",
    task={"steps_per_epoch": "30", "generator_every": "1", "lr": "0.0005", "ema": "0.95", "samples": "1000",
          "extractor": "pixels"},
    space={"channels": "16", "discriminator_channels": "16", "latent": "60"},
)  # fmt: skip
_IMAGES = Named(
    EVERYTHING, seeds=10, members=12, epochs=10, beaten_by=than_default(EVERYTHING), on="images:fashion",
    task={"steps_per_epoch": "30", "lr": "0.005"}, space={"width": "4"}, parts=(4_000, 1_000, 1_000), size=8,
)  # fmt: skip
_AGENTS = of_six((*MIXING, RANDOM, BOHB))
_CONTROL = Named(
    _AGENTS, seeds=3, members=6, epochs=8, beaten_by=than_default(_AGENTS), on="control:cartpole_balance",
    task={"pixels": "false", "epoch_frames": "1000", "episodes": "1", "lr": "0.001", "batch_size": "64",
          "tau": "0.05", "std_steps": "10000", "seed_frames": "1000", "explore_steps": "500"},
    space={"hidden": "128"},
)  # fmt: skip
_PIXELS = replace(
    _CONTROL, seeds=3, epochs=12,
    task={"size": "42", "epoch_frames": "5000", "episodes": "3", "lr": "0.0003", "batch_size": "128",
          "std_steps": "10000"},
    space={"width": "16", "hidden": "256"},
)  # fmt: skip
_CHAIN = Imitations(EVERYTHING, seeds=20, members=24, epochs=20, beaten_by=than_default(EVERYTHING))

STUDIES: Mapping[str, Study] = {
    "chain": _CHAIN,
    "moving": replace(_CHAIN, drift=0.05),
    "bohb": replace(_CHAIN, settings=_TABLE_6, beaten_by=than_default(_TABLE_6)),
    "scaling": replace(_CHAIN, settings=_SCALED, beaten_by=_LARGER),
    "gan": _GAN,
    "gan-bohb": replace(_GAN, settings=_TABLE_6, seeds=3, beaten_by=than_default(_TABLE_6)),
    "planted": Named(
        EVERYTHING, seeds=30, members=12, epochs=20, beaten_by=than_default(EVERYTHING),
        on=str(Path(__file__).with_name("planted.py")),
    ),
    "images": _IMAGES,
    "images-bohb": replace(_IMAGES, settings=_TABLE_6, beaten_by=than_default(_TABLE_6)),
    "control": _CONTROL,
    "pixels": _PIXELS,
}  # fmt: skip


def smoke(name: str) -> Study:
    """The same study in seconds."""
    return _SMOKE[name]


_SMALL: Mapping[str, Any] = {"members": 4, "epochs": 2}
_SMOKE: Mapping[str, Study] = {
    "chain": replace(STUDIES["chain"], seeds=2, **_SMALL),
    "moving": replace(STUDIES["moving"], seeds=1, settings=(DEFAULT, COPIED), **_SMALL),
    "bohb": replace(STUDIES["bohb"], seeds=1, **_SMALL),
    "scaling": replace(STUDIES["scaling"], seeds=1, **_SMALL),
    "gan": replace(
        STUDIES["gan"], seeds=1, settings=(DEFAULT, SEARL), members=2, epochs=2,
        task={**STUDIES["gan"].task, "steps_per_epoch": "2", "samples": "50"},
    ),
    "gan-bohb": replace(
        STUDIES["gan"], seeds=1, settings=(BOHB,), beaten_by={}, members=2, epochs=3,
        task={**STUDIES["gan"].task, "steps_per_epoch": "2", "samples": "50"},
    ),
    "planted": replace(STUDIES["planted"], seeds=2, settings=(RANDOM, RANDOM_SHRUNK), members=4, epochs=4),
    "images-bohb": replace(
        STUDIES["images"], seeds=1, settings=(BOHB,), beaten_by={}, members=2, epochs=3, on="images:digits",
        parts=(200, 50, 50), task={"steps_per_epoch": "2"},
    ),
    **{
        name: replace(
            STUDIES[name], seeds=1, settings=_AGENTS[:1] + _AGENTS[-1:], members=3, epochs=2,
            task={**STUDIES[name].task, "episode_frames": "20", "epoch_frames": "40", "episodes": "1",
                  "batch_size": "8", "seed_frames": "20", "explore_steps": "5"},
            space={**STUDIES[name].space, "hidden": "8"},
        )
        for name in ("control", "pixels")
    },
    "images": replace(
        STUDIES["images"], seeds=1, settings=(DEFAULT, REINITIALISED), **_SMALL, on="images:digits",
        parts=(200, 50, 50), task={"steps_per_epoch": "2"},
    ),
}  # fmt: skip
