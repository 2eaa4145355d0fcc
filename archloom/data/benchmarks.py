"""The benchmarks that archloom knows: what each one is, where its official files are, and their digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archloom.data.convert.packages import NBGRAPH_GRAPHS


@dataclass(frozen=True)
class Source:
    """An official file, and what is known about its digests."""

    name: str  # what `--source` calls it
    kind: str  # the converter that reads it
    file_name: str
    url: str
    page: str  # for people: where the authors link to it
    size_bytes: int | None
    sha256: str | None
    md5: str | None
    digest_note: str  # the source of the digest


@dataclass(frozen=True)
class Benchmark:
    """A tabular benchmark.

    `provider` is "module:function", which makes the table from an installed `package`. `substitutes` are tables of the
    same architectures, used if the benchmark's own table is missing; each one says what it is.
    """

    name: str
    space: str
    title: str
    file_name: str
    licence: str
    size: str
    citation: str
    sources: tuple[Source, ...] = ()
    package: str | None = None
    provider: str | None = None
    provider_arguments: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()
    kind: str = "table"  # what its file is, and so what opens it: see `archloom.problems`
    by_hand: str | None = None  # how to get a file that archloom cannot fetch


# The address behind the "too large to scan for viruses" page.
_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"

_NATS_TSS = Source(
    name="nats-tss",
    kind="nats-tss",
    file_name="NATS-tss-v1_0-3ffb9-simple.tar",
    url=_DRIVE.format("17_saCsj_krKjlCBLOJEpNtzPXArMCqxU"),
    page="https://github.com/D-X-Y/NATS-Bench#preparation-and-download",
    size_bytes=1_145_989_120,
    sha256="580fd8f3425fed9f495640b0f12ccb7744f89dec7aff263bd75aed37ab0b8bb6",
    md5=None,
    digest_note="the authors publish no digest of this archive (3ffb9 in its name is of another file); "
    "this SHA-256 is the one that a public project pins for the same address",
)
_NASBENCH201 = Source(
    name="nasbench201",
    kind="nasbench201",
    file_name="NAS-Bench-201-v1_1-096897.pth",
    url=_DRIVE.format("16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_"),
    page="https://github.com/D-X-Y/NAS-Bench-201#preparation-and-download",
    size_bytes=5_003_180_601,
    sha256=None,
    md5="55e847143ce1f7c2d89b676f6b096897",
    digest_note="the authors publish the last six digits of the MD5 (096897, in the name); "
    "several public projects report all of it",
)
_NASBENCH_BUCKET = "https://storage.googleapis.com/nasbench/"
_NASBENCH_PAGE = "https://github.com/google-research/nasbench#download-the-dataset"
_NASBENCH_DIGEST = "as given in the authors' README, google-research/nasbench, Download the dataset"
_ONLY108 = Source(
    name="only108",
    kind="nasbench101",
    file_name="nasbench_only108.tfrecord",
    url=f"{_NASBENCH_BUCKET}nasbench_only108.tfrecord",
    page=_NASBENCH_PAGE,
    size_bytes=522_767_376,
    sha256="4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
    md5=None,
    digest_note=_NASBENCH_DIGEST,
)
_FULL = Source(
    name="full",
    kind="nasbench101",
    file_name="nasbench_full.tfrecord",
    url=f"{_NASBENCH_BUCKET}nasbench_full.tfrecord",
    page=_NASBENCH_PAGE,
    size_bytes=2_085_986_016,
    sha256="3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
    md5=None,
    digest_note=_NASBENCH_DIGEST,
)

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="nb201",
            space="nb201",
            title="NAS-Bench-201: all 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120",
            file_name="nb201.npz",
            licence="NAS-Bench-201 and NATS-Bench: MIT; the package analog-nasbench states none",
            size="1.1 GB to download, 1 MB as a table",
            citation="Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, "
            "ICLR 2020; Dong et al., NATS-Bench, TPAMI 2021",
            sources=(_NATS_TSS, _NASBENCH201),
            package="analog-nasbench",
            provider="archloom.data.convert.packages:analog_nb201",
        ),
        Benchmark(
            name="nb101",
            space="nb101",
            title="NAS-Bench-101: all 423,624 cells on CIFAR-10, three trainings each",
            file_name="nb101.npz",
            licence="Apache-2.0",
            size="523 MB to download, 18 MB as a table; with all four training budgets 2.1 GB and 22 MB",
            citation="Ying et al., NAS-Bench-101: Towards Reproducible Neural Architecture Search, ICML 2019",
            sources=(_ONLY108, _FULL),
            substitutes=("nb101_surrogate.npz",),
        ),
        Benchmark(
            name="mnasnet",
            space="mnasnet",
            title="Accel-NASBench: a sample of 5,125 MnasNet-like networks on ImageNet, with six accelerators",
            file_name="accel_imagenet.npz",
            licence="Apache-2.0",
            size="0.3 MB as a table",
            citation="Ahmad et al., Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS, 2024",
        ),
        Benchmark(
            name="nb301",
            space="darts",
            title="NAS-Bench-301: DARTS cells on CIFAR-10, predicted by a surrogate",
            file_name="nb301_surrogate.npz",
            licence="Apache-2.0",
            size="2.4 MB, the weights of a network",
            citation="Zela et al., Surrogate NAS Benchmarks: Going Beyond the Limited Search Spaces of Tabular NAS "
            "Benchmarks, ICLR 2022; Pfisterer et al., YAHPO Gym, AutoML 2022",
            kind="surrogate",
            by_hand="unpacking an official ensemble (https://figshare.com/articles/software/"
            "nasbench301_models_v1_0_zip/13061510) and --table nb_models/xgb_v1.0",
        ),
        *(
            Benchmark(
                name=f"nbgraph:{graph}",
                space="nbgraph",
                title=f"NAS-Bench-Graph: 26,206 graph networks on {graph}",
                file_name=f"nbgraph_{graph}.npz",
                licence="Apache-2.0",
                size="1 MB as a table; the package is 3 MB",
                citation="Qin et al., NAS-Bench-Graph: Benchmarking Graph Neural Architecture Search, NeurIPS 2022",
                package="nas-bench-graph",
                provider="archloom.data.convert.packages:nbgraph",
                provider_arguments=(graph,),
            )
            for graph in NBGRAPH_GRAPHS
        ),
    )
}
