from __future__ import annotations

import importlib

import pytest

from archloom.data.benchmarks import BENCHMARKS, Benchmark
from archloom.data.convert import official as convert


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=lambda benchmark: benchmark.name)
def test_every_entry_is_whole(benchmark: Benchmark) -> None:
    assert BENCHMARKS[benchmark.name] is benchmark
    assert benchmark.file_name.endswith(".npz")
    assert all((benchmark.title, benchmark.licence, benchmark.size, benchmark.citation))
    assert (benchmark.package is None) == (benchmark.provider is None)
    if benchmark.provider is not None:
        module, function = benchmark.provider.split(":")
        assert callable(getattr(importlib.import_module(module), function))
    kinds = {converter.kind for converter in convert.CONVERTERS}
    for source in benchmark.sources:
        assert source.kind in kinds
        assert source.url.startswith("https://")
        assert source.page.startswith("https://")
        assert (source.sha256 is None or len(source.sha256) == 64) and (source.md5 is None or len(source.md5) == 32)
        assert source.sha256 or source.md5
        assert source.digest_note
    assert len({source.name for source in benchmark.sources}) == len(benchmark.sources)
    assert len({source.file_name for source in benchmark.sources}) == len(benchmark.sources)


def test_every_file_belongs_to_one_benchmark() -> None:
    files = [name for benchmark in BENCHMARKS.values() for name in (benchmark.file_name, *benchmark.substitutes)]
    assert len(set(files)) == len(files)


def test_the_md5_in_the_name_is_the_one_we_check() -> None:
    source = next(source for source in BENCHMARKS["nb201"].sources if source.kind == "nasbench201")
    assert source.md5 is not None
    assert source.file_name.removesuffix(".pth").endswith(source.md5[-6:])
