"""The smoke versions of what is in `benchmarks/`: they run, and print what they promise.

How fast anything is depends on the machine and on what else it does, so no speed is asserted here; a ratio of two in
one run, measured in turns, may be, with a wide margin.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archloom.types import Arch

FUZZED = ("runs", "problems", "spaces", "tables", "arrays", "images", "lines", "agents")
ROOT = Path(__file__).parent.parent


def smoke(module: str, data_dir: Path, cwd: Path, *words: str) -> Any:
    """What a benchmark prints in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *words, "--smoke", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ARCHLOOM_DATA": str(data_dir)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_quality(study: Any) -> None:
    rows = study("nb201", "--workers", "1")
    assert [row["strategy"] for row in rows] == ["random", "cadam"]
    assert all(80 < row["mean"] < 95 and row["found"] <= row["seeds"] for row in rows)


def test_speed(data_dir: Path, tmp_path: Path) -> None:
    found = smoke("speed", data_dir, tmp_path)
    assert all(found[name] > 0 for name in ("single_commit_ms", "open_table_s", "help_s"))
    assert "durable_overhead_ms_per_trial" in found, (
        "a difference of two times, which may be anything on a busy machine"
    )
    assert found["open_table_extra_mb"] < 150
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


@pytest.mark.parametrize("kind", ["costs", "images"])
def test_speed_of_supernets(kind: str, study: Any) -> None:
    torch = pytest.importorskip("torch", reason="networks need the extra train")
    threads = torch.get_num_threads()
    rows = study("supernets.speed", kind)
    torch.set_num_threads(threads)
    if kind == "images":
        assert [row["layout"] for row in rows] == ["default", "channels_last"]
        assert all(row["evaluate"] > 0 and row["train"] > 0 for row in rows)
        return
    assert [row["family"] for row in rows] == ["darts", "pc_darts", "nb201", "nb101"]
    assert all(row["greatest_memory_ratio"] <= 1.1 for row in rows), "bytes, which do not depend on the machine"
    assert all(row["time_ratio"] < 3 for row in rows)


def test_scale(data_dir: Path, tmp_path: Path) -> None:
    found = smoke("scale", data_dir, tmp_path)
    assert (found["runs"], found["rows"], found["trials"]) == (6, 100, 60)
    assert all(found[name] > 0 for name in ("best_of_many_mb", "best_of_long_s", "resume_of_long_s"))
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_spaces(
    study: Any, tmp_path: Path, cell_index: Any, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("nasbench_pytorch", reason="the reference of the hashes, in the extra dev")
    monkeypatch.setenv("ARCHLOOM_CACHE", str(shared_cache))
    found = study("spaces")
    assert found["md5_equal"] == 1.0
    assert found["different_keys"] == found["parameters_rows"] == 5_000
    assert found["parameters_wrong"] == 0
    assert found["keys_ratio"] > 30, "more than 300 with all cells"
    rates = ("keys_per_s", "nb101_env_steps_per_s", "darts_env_steps_per_s", "surrogate_architectures_per_s")
    assert all(found[name] > 0 for name in rates)
    assert 10 < found["local_search_queries"] < 200
    assert 10 < found["local_search_best_of_50_queries"] < 1_000
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_proxies(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="proxies need the extra train")
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("proxies", "digits", "--workers", "1", "--keep", str(tmp_path))
    assert [row["proxy"] for row in rows[:7]] == [
        "synflow", "naswot", "jacob_cov", "grad_norm", "snip", "params", "flops",
    ]  # fmt: skip
    assert {row["metric"] for row in rows} == {"cifar10_test_200", "cifar100_test_200"}
    assert all(row["cells"] == 12 and -1 <= row["low"] <= row["spearman"] <= row["high"] <= 1 for row in rows)
    assert all(row["best"] <= row["attainable"] for row in rows)
    assert rows[0]["published"] == 0.737
    kept = study("proxies", "digits", "--workers", "1", "--keep", str(tmp_path))
    assert [{**row, "seconds": 0.0} for row in rows] == kept


def test_overhead(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    found = study("overhead")
    assert found["trials"] == 4
    assert -1 < found["overhead_least"] <= found["overhead"] <= found["overhead_most"]
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_cluster")
def test_executors(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    found = study("executors", "--workers", "1")
    assert min(found[name] for name in ("serial_s", "ray_s", "ray_start_s", "process_s")) > 0
    assert found["ray_speedup"] == pytest.approx(found["serial_s"] / found["ray_s"])
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_settings_of_cadam(study: Any) -> None:
    rows = {row["setting"]: row for row in study("cadam", "--workers", "1")}
    assert rows["default"]["unique"] == 60, "every step is a new cell"
    assert all(row["half"][0] <= row["all"][0] for row in rows.values())
    assert all(0 <= row["found"][0] <= row["found"][1] <= row["seeds"] for row in rows.values())


def test_a_rate_is_the_best_of_windows_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy at first, when everything takes ten times as long."""
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("numba", reason="compiled spaces need the extra bench")
    from benchmarks import spaces

    now = [0.0]
    monkeypatch.setattr(spaces.time, "perf_counter", lambda: now[0])

    def work(takes: float) -> None:
        now[0] += takes * (10 if now[0] < 8.0 else 1)

    rates = spaces._rates({"own": (lambda: work(0.01), 3), "peer": (lambda: work(0.04), 3)}, 8.0)
    assert rates == pytest.approx({"own": 300.0, "peer": 75.0}, rel=0.1)


def test_kills(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    found = study("kills")
    assert found["drivers_killed"] >= 1 and found["kills"] == 2
    assert found["trials"] == 12 and found["trials_different"] == []
    assert found["states"] == found["files_equal"] >= 3 and found["experience"] == 0
    assert found["missing"] == found["left_over"] == []
    assert 0 < found["peak_bytes"] <= found["budget_bytes"] and found["samples_over_budget"] == 0
    assert found["samples"] > 0
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_fuzz(tmp_path: Path) -> None:
    for needed, extra in (("hypothesis", "dev"), ("torch", "train"), ("matplotlib", "plots")):
        pytest.importorskip(needed, reason=f"fuzzing needs the extra {extra}")
    found = smoke("fuzz", tmp_path, tmp_path, *(word for kind in FUZZED for word in ("--kind", kind)))
    assert {row["kind"]: row["failed"] for row in found["kinds"]} == dict.fromkeys(FUZZED, 0)
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_supernets_that_train_while_they_are_searched_and_killed(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    found = study("supernets.kills")
    assert found == {"kills": 1, "trials": 9, "trials_different": 0, "states_different": 0, "left_over": 0}
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_supernets_searched_by_ddas(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    words = ("--out", "ddas", "--seeds", "0")
    (first,) = study("supernets.ddas", *words, "--settings", "noiseless")
    assert (first["setting"], first["seeds"], first["above_random"]) == ("noiseless", 1, None)
    rows = study("supernets.ddas", *words, "--settings", "random,four_stage")
    assert [row["setting"] for row in rows] == ["random", "noiseless", "four_stage"], "what was there stays"
    assert all(0 <= row["last"] <= 100 and 0 < row["flops_volume"] < 100 and row["params_volume"] > 0 for row in rows)
    assert len({row["one_shot"] for row in rows}) == 1, "all begin with one supernet"
    assert len({row["first"] for row in rows}) == 1, "and explore alike"
    assert [row["above_random"] for row in rows] == [None, *(int(row["last"] > rows[0]["last"]) for row in rows[1:])]
    kept = sorted(path.name for path in (tmp_path / "ddas").iterdir())
    assert kept == ["four_stage", "noiseless", "random", "supernet-0.safetensors"]
    assert study("supernets.ddas", *words, "--report") == rows
    with pytest.raises(SystemExit, match="'greedy': expected some of random, noiseless"):
        study("supernets.ddas", *words, "--settings", "greedy")


def test_hypervolumes_of_a_mini_search() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from archloom.runs.record import TrialRecord
    from benchmarks.supernets.ddas import volume

    points = ((55.0, 1.0), (100.0, 3.0), (50.0, 3.0))
    lines = [
        TrialRecord(i, (), "", scores={"valid_accuracy": a}, report={"flops_m": f}) for i, (a, f) in enumerate(points)
    ]
    # Half of the accuracy beyond chance for a quarter of the most FLOPs, all of it for three quarters.
    assert volume(lines, "flops_m", 4.0, 10.0) == pytest.approx(100 * (0.25 + 0.5 * 0.5))


def test_frozen_supernets(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("supernets.frozen", "--out", "frozen", "--seeds", "0")
    assert [(row["setting"], row["queries"]) for row in rows] == [(s, q) for q in (6, 10) for s in ("random", "cadam")]
    random, cadam = rows[2:]
    assert random["difference"] is None
    assert cadam["difference"] == pytest.approx(cadam["mean_of_best"] - random["mean_of_best"], abs=0.01)
    assert all(row["mean"] <= row["mean_of_best"] <= row["best"] and row["spread"] > 0 < row["noise"] for row in rows)
    (tmp_path / "frozen" / "cadam" / "0" / "summary.json").unlink()
    assert [row["setting"] for row in study("supernets.frozen", "--out", "frozen", "--report")] == ["random"] * 2


def test_supernets_of_nb101(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    rows = {row["method"]: row for row in study("supernets.nb101", "--seeds", "0")}
    assert list(rows) == ["random", "ga_nas", *(f"{name} (published)" for name in ("DARTS", "NAO", "ENAS", "GA-NAS"))]
    assert rows["GA-NAS (published)"]["best_rank"] == 5_386
    ours = [rows["random"], rows["ga_nas"]]
    assert all(row["metric"] == "valid_108_surrogate" and row["ranks"] == [row["best_rank"]] for row in ours)
    assert all(50 < row["mean"] < 95 and 1 <= row["best_rank"] <= 423_624 for row in ours)
    assert -1 <= rows["random"]["spearman"] <= 1


def test_the_true_accuracies_of_cells(real_table: Any) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    pytest.importorskip("numba", reason="NAS-Bench-101 cells need the extra bench")
    from archloom.data.tables import load_table
    from archloom.runs.record import TrialRecord
    from benchmarks.supernets.nb101 import Truth

    table = load_table(real_table("nb101_surrogate.npz"))
    truth, values = Truth(table), table.metric("valid_108_surrogate")
    places = [0, 5_000, 423_623, int(values.argmax())]
    lines = [TrialRecord(i, tuple(table.genes[place].tolist()), "") for i, place in enumerate(places)]
    assert truth.of(lines).tolist() == values[places].tolist()
    assert truth.rank(float(values.max())) == 1
    assert truth.rank(float(values[5_000])) == 1 + int((values > values[5_000]).sum())


def test_ranks_in_supernets(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("supernets.ranks", "--seeds", "0")
    assert [row["norm"] for row in rows] == ["batch", "running", "recalibrate"]
    assert all(row["cells"] == 4 and -1 <= row["low"] <= row["spearman"] <= row["high"] <= 1 for row in rows)
    assert len({row["alone_mean"] for row in rows}) == 1
    assert rows[0]["shared_mean"] != rows[1]["shared_mean"]


def test_rank_correlations_are_those_of_scipy() -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    from scipy.stats import spearmanr

    from benchmarks.supernets.ranks import row, spearman

    rng = np.random.default_rng(0)
    one = rng.integers(0, 8, 20).astype(float)  # with ties
    other = one + rng.normal(0, 3, 20)
    assert spearman(one, other) == pytest.approx(float(spearmanr(one, other)[0]))
    found = row("batch", 0, one, other, 500)
    assert found.low < found.spearman < found.high and found.spearman == round(spearman(one, other), 3)
    assert row("batch", 0, np.zeros(4), other[:4], 50).spearman is None, "equal values have no ranks"


def test_the_share_of_ddas_agent(study: Any) -> None:
    pytest.importorskip("sklearn", reason="the images, in the extra images")
    (row,) = study("supernets.share", "--seeds", "0")
    assert row["steps"] == 4 and row["agent_ms"] > 0 < row["training_ms"]
    share = 100 * row["agent_ms"] / (row["agent_ms"] + row["training_ms"])
    assert row["share_percent"] == pytest.approx(share, abs=0.1)
    assert row["reached"] is (row["share_percent"] < 5)


def test_supernets_on_a_gpu(study: Any) -> None:
    pytest.importorskip("torch", reason="training needs the extra train")
    (row,) = study("supernets.gpu")
    assert row["device"] == "cpu" and row["train"] > 0 < row["evaluate"] and row["train_peak_percent"] is None


def test_seeds_of_two_strategies_pair_nothing() -> None:
    from benchmarks.recorded import p_better_unpaired

    assert p_better_unpaired([3.0, 2.0], [1.0, 0.0]) == pytest.approx(1 / 6)
    assert p_better_unpaired([3.0, 2.0], [math.nan, 0.0]) == pytest.approx(1 / 6), "nothing found is worse than all"


@pytest.mark.parametrize(("name", "better"), [("inception", 490), ("bottleneck", 18)])
def test_cells_to_improve_satisfy_their_bounds_and_are_not_the_best(name: str, better: int, nb201_table: Any) -> None:
    from archloom.constraints import Constraint
    from archloom.spaces.nb201 import Nb201
    from benchmarks.ga_nas import STUDIES

    study = STUDIES[name]
    bound = Constraint.parse(study.constraints[0])
    genes = np.array(Nb201().parse(str(study.settings[0].options["start"])).genes)
    (row,) = np.flatnonzero((nb201_table.genes == genes).all(axis=1)).tolist()
    params, accuracy = (nb201_table.metric(metric) for metric in (bound.metric, study.objective))
    assert 0 <= bound.bound - params[row] < 1e-3
    assert int(((params <= bound.bound) & (accuracy > accuracy[row])).sum()) == better


def test_ga_nas(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="ga_nas needs the extra train")
    record = tmp_path / "done.jsonl"
    rows = study("ga_nas", "cifar100", "--workers", "1", "--record", str(record))
    assert [(row["setting"], row["queries"]) for row in rows] == [
        (setting, queries) for queries in (60, 80) for setting in ("GA-NAS", "random")
    ]
    assert all(row["seeds"] == row["feasible"] == 2 and 60 < row["mean"] < 74 for row in rows)
    assert len(record.read_text().splitlines()) == 4
    assert study("ga_nas", "cifar100", "--workers", "1", "--record", str(record)) == rows, "nothing is searched again"
    with pytest.raises(SystemExit, match="is of another study"):
        study("ga_nas", "cifar10", "--record", str(record))


def test_multi_fidelity(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    rows = study("multi_fidelity", "nb301", "--workers", "1")
    assert [(row["strategy"], row["full_trainings"], row["seeds"]) for row in rows] == [
        (strategy, full, 2) for full in (6, 10) for strategy in ("asha", "hyperband", "random")
    ]
    asha, hyperband, random = rows[3:]
    assert min(asha["mean"], hyperband["mean"]) > random["mean"], "0.2 more and better, over 20 seeds"
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_bohb(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="bohb is compared with its TPE")
    record = tmp_path / "done.jsonl"
    rows = study("bohb", "nb201", "--workers", "1", "--record", str(record))
    assert [row["setting"] for row in rows] == ["bohb", "bohb again", "random", "hyperband", "asha", "optuna"]
    assert all(row["seeds"] == 2 and 60 < row["worst"] <= row["mean"] < 73.5 for row in rows)
    started, full = ({row["setting"]: row[name] for row in rows} for name in ("started", "full"))
    assert started["random"] == full["random"] == 20 and started["bohb"] == 33, "the epochs of 20 full trainings"
    assert full["bohb again"] < full["bohb"] < started["asha"] and full["optuna"] < started["optuna"]
    assert len(record.read_text().splitlines()) == 12


def test_graph_bo_where_the_optimum_is_known(study: Any, tmp_path: Path) -> None:
    record = tmp_path / "done.jsonl"
    words = ("--workers", "1", "--strategy", "local_search", "--record", str(record))
    rows = study("graph_bo.__main__", "nb201", *words)
    assert [(row["case"], row["setting"], row["seeds"]) for row in rows] == [
        (data, "local_search", 2) for data in ("cifar10", "cifar100")
    ]
    assert all(0 <= row["solved"] <= 2 and row["worst"] <= 13 for row in rows)
    assert len(record.read_text().splitlines()) == 4
    assert study("graph_bo.__main__", "nb201", *words) == rows, "nothing is searched again"
    with pytest.raises(SystemExit, match="is of another study"):
        study("graph_bo.__main__", "accel", *words)


def test_what_counts_as_reached(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.graph_bo.searches import Found
    from benchmarks.graph_bo.studies import CIFAR100, OURS
    from benchmarks.graph_bo.tables import Bar, BestAt, ToOptimum

    monkeypatch.setenv("ARCHLOOM_DATA", str(data_dir))
    curves = [[(1, 60.0), (10, 73.49333)], [(1, 70.0), (30, 73.49333)], [(1, 50.0), (20, 73.4)]]
    found = [Found("cifar100: graph_bo", seed, curve, 40, 0.5) for seed, curve in enumerate(curves)]
    (row,) = ToOptimum({"cifar100": Bar(120)}).rows([CIFAR100], [OURS], found)
    assert (row.mean, row.worst, row.solved, row.reached) == (
        pytest.approx((10 + 30 + 301) / 3, abs=1e-4),
        301,
        2,
        False,
    )
    (row,) = ToOptimum({"cifar100": Bar(20, each=30)}).rows([CIFAR100], [OURS], found[:2])
    assert (row.mean, row.error, row.tail, row.solved, row.reached) == (20, 10, 30, 2, True)
    bars = {("cifar100", 25): Bar(72.2), ("cifar100", 1): Bar(60.0)}
    first, later = BestAt((1, 25), bars).rows([CIFAR100], [OURS], found)
    assert (first.mean, first.worst, first.reached) == (60.0, 50.0, True)
    assert (later.mean, later.worst, later.reached) == (72.2978, 70.0, True)


def test_strategies_are_compared_by_seed_and_over_all_tables(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.graph_bo.searches import Found
    from benchmarks.graph_bo.studies import CIFAR100, LOCAL_SEARCH, OURS
    from benchmarks.graph_bo.tables import Against

    monkeypatch.setenv("ARCHLOOM_DATA", str(data_dir))
    values = {"graph_bo": (73.49333, 73.0, 72.0), "local_search": (72.0, 73.0, 71.0)}
    found = [
        Found(f"cifar100: {name}", seed, [(3, value)], 10, 0.1)
        for name, each in values.items()
        for seed, value in enumerate(each)
    ]
    one, over_all = Against((5,), pooled=True).rows([CIFAR100], [OURS, LOCAL_SEARCH], found)
    assert (one.wins, one.ties, one.pairs, one.p, one.ahead) == (2, 1, 3, 0.25, True)
    assert (over_all.wins, over_all.ties, over_all.p, over_all.ahead) == (2, 1, 0.25, True)
    assert 0 < over_all.ours < over_all.theirs < 1, "a regret"


@pytest.mark.parametrize("name", ["two_objectives", "nb101_pool", "nbgraph", "time", "training"])
def test_studies_of_graph_bo(study: Any, name: str) -> None:
    if name in ("nb101_pool", "time"):
        pytest.importorskip("numba", reason="compiled spaces need the extra bench")
    if name == "nbgraph":
        pytest.importorskip("nas_bench_graph", reason="the tables, in the extra bench")
    if name == "training":
        pytest.importorskip("sklearn", reason="the images, in the extra images")
    rows = study("graph_bo.__main__", name, "--workers", "1", "--seeds", "1")
    measured = [row.get("mean", row.get("ms", row.get("ours"))) for row in rows]
    assert all(value > 0 for value in measured)
    assert len(rows) == {"nb101_pool": 1, "training": 1, "nbgraph": 3}.get(name, 2)


def test_a_pool_is_a_space() -> None:
    pytest.importorskip("numba", reason="compiled spaces need the extra bench")
    from archloom.spaces.nb101.cells import by_size
    from archloom.spaces.nb101.codes import unpack
    from archloom.testing import check_space
    from benchmarks.graph_bo.pool import Pool

    cells = unpack(np.unique(by_size(np.random.default_rng(0), 3_000)))
    pool = Pool(cells[::2])
    assert pool.size == len(cells[::2])
    inside, outside = (Arch(tuple(cell)) for cell in cells[-2:].tolist())
    held, other = sorted((inside, outside), key=lambda arch: len(pool.violations(arch)))
    assert pool.violations(held) == {} and pool.violations(other) == {"cells that were not measured": 1.0}
    assert all(pool.violations(near) == {} for near in pool.neighbours(other))
    check_space(partial(Pool, cells[::2]))


def test_how_busy_workers_are(study: Any) -> None:
    pytest.importorskip("numba", reason="DARTS cells need the extra bench")
    shares = {(row["on"], row["workers"], row["told"]): row["busy"] for row in study("multi_fidelity", "busy")}
    assert len(shares) == 8
    for on in ("nb301", "nb201"):
        for workers in (4, 16):
            assert shares[on, workers, "as completed"] > 1.5 * shares[on, workers, "in order"]
        assert shares[on, 4, "as completed"] > 0.95


def test_what_the_base_installation_is_for_runs_in_an_empty_folder(data_dir: Path, tmp_path: Path) -> None:
    assert [row["failures"] for row in smoke("extras", data_dir, tmp_path)] == [[]]


@pytest.fixture
def apex(study: Any, cell_index: Any, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a study of the Ape-X agent prints, with its pictures in the folder `pictures`."""
    pytest.importorskip("gymnasium", reason="environments need the extra envs")
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    monkeypatch.setenv("ARCHLOOM_CACHE", str(shared_cache))
    return lambda *words: study("apex.__main__", *words, "--out", "pictures")


def drawn(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "pictures").iterdir())


def test_apex_shaping(apex: Any, tmp_path: Path) -> None:
    rows = apex("shaping")
    assert [(row["on"], row["alpha"]) for row in rows if row["own"]] == [("nb101", 6), ("nb301", 32)]
    for on in ("nb101", "nb301"):
        width = {row["alpha"]: row["middle_90_percent"] for row in rows if row["on"] == on}
        own = next(row["alpha"] for row in rows if row["on"] == on and row["own"])
        assert width[own] > 3 * width[0], "shaping spreads accuracies that are close"
    assert drawn(tmp_path) == ["shaping-functions.png", "shaping-nb101.png", "shaping-nb301.png"]


def test_apex_sizes(apex: Any, tmp_path: Path) -> None:
    vertices = {row["sampler"].split()[0]: row for row in apex("sizes") if row["of"] == "vertices"}
    assert all(0.11 < vertices["ours"][f"{n}"] < 0.22 for n in range(2, 8)), "uniform on 2..7"
    assert vertices["uniform"]["7"] > 0.75 and vertices["BANANAS"]["7"] < 0.05
    assert drawn(tmp_path) == ["sizes.png"]


def test_apex_neighbours(apex: Any, tmp_path: Path) -> None:
    surrogate, measured, published = apex("neighbours")
    assert (surrogate["cells"], surrogate["neighbours"]) == (423_624, 25.71)
    assert surrogate["kendall"] == pytest.approx(-0.1505, abs=1e-4) and published["kendall"] == -0.157
    assert surrogate["pearson"] == pytest.approx(-0.1006, abs=1e-4) and measured["cells"] == 30_001
    assert len(drawn(tmp_path)) == 2


def test_apex_replay(study: Any) -> None:
    pytest.importorskip("numba", reason="the sum tree needs the extra envs")
    (found,) = study("apex.__main__", "replay")
    assert (found["capacity"], found["batch"]) == (1_000, 32)
    assert all(found[f"{name}_ms"] > 0 for name in ("insert", "sample", "update"))
    assert found["reached"] is (found["insert_and_sample_ms"] < found["to_reach"])


@pytest.fixture
def untrained(tmp_path: Path) -> list[str]:
    """The words that name two agents for NAS-Bench-101 whose weights are random."""
    pytest.importorskip("torch", reason="agents need the extra train")
    from archloom.learners.agent_file import AgentCard, save_agent
    from archloom.learners.q_network import NetworkOptions, QNetwork

    sizes = NetworkOptions(width=8, layers=1, heads=2, feedforward=8, head_width=8)
    words = []
    for seed in (0, 1):
        card = AgentCard(
            space="nb101", encoding="nb101", bits=56, max_neighbours=50, network=asdict(sizes), options={}, on="nb101",
            metric="valid_108_surrogate", data_name="x", data_sha256="ab" * 32, steps=0, seed=seed, version="0.1.0",
        )  # fmt: skip
        path = tmp_path / f"agent-{seed}.safetensors"
        save_agent(path, QNetwork(56, 51, sizes, np.random.default_rng(seed)), card)
        words += ["--agent", str(path)]
    return words


def test_apex_episodes(apex: Any, study: Any, untrained: list[str], tmp_path: Path) -> None:
    words = ("--record", str(tmp_path / "done.npz"), *untrained)
    rows = {row["policy"]: row for row in apex("nb101", *words)}
    assert list(rows) == ["apex-1", "apex-2", "apex", "local_search", "random_walk", "random"]
    assert (rows["apex"]["episodes"], rows["random"]["episodes"]) == (160, 80)
    assert rows["local_search"]["worse"] == 0 < rows["local_search"]["median"]
    assert drawn(tmp_path) == [f"{kind}-nb101.png" for kind in ("ends", "improvement", "initial", "queries")]
    baselines = study("apex.__main__", "nb101", *words[:2])
    assert baselines == list(rows.values())[3:], "read from the record"
    with pytest.raises(SystemExit, match="is of another benchmark"):
        study("apex.__main__", "nb101", *words[:2], "--starts", "50")


def test_apex_trainings(apex: Any) -> None:
    rows = {row["policy"]: row for row in apex("train_nb201", "--trainings", "trainings", "--workers", "1")}
    assert list(rows) == ["apex-1", "apex-2", "all agents", "local_search", "random_walk", "random"]
    ends = [rows[name]["end"] for name in ("apex-1", "apex-2")]
    assert rows["all agents"]["end"] == pytest.approx(sum(ends) / 2, abs=1e-3)


def test_apex_transfer(apex: Any) -> None:
    rows = apex("transfer", "--trainings", "trainings", "--workers", "1")
    assert [row["steps there"] for row in rows] == [0, 25, 25, 256]
    assert all(10 <= row["mean end"] <= 91.61 for row in rows)


def test_apex_speed(apex: Any) -> None:
    rows = apex("speed")
    assert [row["on"] for row in rows] == ["nb101", "nb201", "nb301"]
    assert all(row["steps/s"] > 0 for row in rows)


def test_apex_tables(apex: Any) -> None:
    rows = apex("table1", "--starts", "60")
    ours = [(row["policy"], row["queries"]) for row in rows if row["mean"] is not None]
    assert ours == [("local_search", 50), ("local_search", 100), ("local_search", 150), ("local_search", 300),
                    ("random_walk", 50), ("random_walk", 100), ("random", 50), ("random", 100)]  # fmt: skip
    assert all(row["low"] <= row["mean"] <= row["high"] for row in rows if row["mean"] is not None)
    assert rows[0]["published_mean"] == 93.61
    assert {row["policy"] for row in rows if row["mean"] is None} >= {"NASWOT", "GraphPNAS", "SemiNAS", "NAO"}


def test_apex_sizes_of_ends(apex: Any) -> None:
    search, walks, alike = apex("walk_sizes", "--starts", "300")
    assert search["vertices"] == pytest.approx(4.5, abs=0.3) and walks["vertices"] > search["vertices"] + 0.5
    assert alike["vertices"] == pytest.approx(walks["vertices"], abs=0.2)
    assert search["mean"] < alike["mean"], "1.5 more, with 50,000 episodes"


def test_apex_normality(apex: Any) -> None:
    rows = apex("normality", "--starts", "30")
    assert [row["policy"] for row in rows] == ["local_search", "random_walk", "random"]
    assert all(0 < row["p_t"] <= 1 and 0 <= row["p_normal"] <= 1 and row["tested"] == 60 for row in rows)


def test_apex_environments(apex: Any, tmp_path: Path) -> None:
    rows = apex("environments")
    assert [row.pop("walkers") for row in rows] == [8]
    assert all(len(row) == 6 and all(rate > 0 for rate in row.values()) for row in rows)
    assert drawn(tmp_path) == ["environments.png"]


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_cluster")
def test_apex_distributed(study: Any) -> None:
    rows = study("apex.__main__", "distributed")
    assert [row["layout"] for row in rows] == ["one process", "Ray, 1 of each", "gathering alone"]
    assert [row["updates"] > 0 for row in rows] == [True, True, False]
    assert all(500 <= row["steps"] < 500 + 16 and row["steps_per_s"] > 0 < row["per_cpu_s"] for row in rows)


def test_apex_ablation(apex: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="agents need the extra train")
    words = ("gamma", "--trainings", "ablations", "--workers", "1", "--seeds", "1")
    rows = apex(*words)
    assert [(row["setting"], row["trainings"]) for row in rows] == [(f"gamma = {g}", 1) for g in (0.9, 0.95, 0.99)]
    assert all(row["steps"] >= 256 and 80 < row["last"] < 95 for row in rows)
    assert drawn(tmp_path) == ["gamma.png"]
    trained = sorted(path.name for path in (tmp_path / "ablations").iterdir())
    assert trained == ["default", "gamma=0.95", "gamma=0.99"], "the default is trained once for all ablations"


def test_apex_fits_a_t_distribution_as_scipy_does() -> None:
    from scipy import stats

    from benchmarks.apex.t_distribution import QUICK_T

    for freedom, seed in ((1.5, 0), (5.0, 1)):
        values = 3 + 2 * np.random.default_rng(seed).standard_t(freedom, 500)
        ours, scipys = QUICK_T.fit(values), stats.t.fit(values)
        assert ours == pytest.approx(scipys, rel=0.02)
        assert stats.t.nnlf(ours, values) < stats.t.nnlf(scipys, values) + 1e-4, "no less likely"
    found = stats.goodness_of_fit(QUICK_T, np.linspace(0, 1, 200), n_mc_samples=50, rng=np.random.default_rng(0))
    assert found.pvalue == pytest.approx(1 / 51), "uniform values follow no t-distribution"


def test_apex_learning(study: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plotting needs the extra plots")
    from archloom.agents.training_log import NAMES, TrainingLog, TrainingRow

    for setting, gain in (("gamma=0.9", 2.0), ("gamma=0.99", 0.0)):
        for seed in range(2):
            folder = tmp_path / "gamma" / setting / f"{seed}"
            folder.mkdir(parents=True)
            with TrainingLog(folder) as log:
                for steps in (1_000, 2_000, 3_000):
                    known = {"steps": steps, "updates": steps, "seconds": 1.0, "episodes": 1}
                    log.add(TrainingRow(**{name: known.get(name, 90.0 + gain * steps / 1_000) for name in NAMES}))
    rows = study("apex.__main__", "learning", "--trainings", str(tmp_path / "gamma"), "--out", "pictures")
    shared = {"trainings": 2, "steps": 3_000}
    assert rows == [
        {"setting": "gamma=0.9", **shared, "first": 92.0, "last": 94.0, "best": 94.0},
        {"setting": "gamma=0.99", **shared, "first": 90.0, "last": 90.0, "best": 90.0},
    ]
    assert drawn(tmp_path) == ["gamma.png"]
    with pytest.raises(SystemExit, match="expected --trainings FOLDER"):
        study("apex.__main__", "learning")
