from __future__ import annotations

from archloom.spaces.control import ORIGINAL, Control

PAPER = Control()
CHAIN = ("layer1", "activation1", "layer2", "activation2", "layer3", "activation3", "activation0")


def test_genes_are_in_the_order_of_the_published_code() -> None:
    """Actor: layers, activations, features with the trunk's activation, norm; critic: layer by layer; encoder."""
    layers, activations = [f"layer{i}" for i in (1, 2, 3)], [f"activation{i}" for i in (0, 1, 2, 3)]
    assert list(PAPER.gene_names) == [
        *(f"actor.{choice}" for choice in (*layers, *activations, "features", "trunk", "norm")),
        *(f"q1.{choice}" for choice in CHAIN),
        *(f"q2.{choice}" for choice in CHAIN),
        *(f"critic.{choice}" for choice in ("features", "trunk", "norm_q1", "norm_q2")),
        *(f"encoder.{choice}" for choice in (*layers, *activations, "norm")),
    ]


def test_options_are_in_the_order_of_the_published_code() -> None:
    options = dict(zip(PAPER.gene_names, PAPER.values, strict=True))
    for name, values in options.items():
        part, _, choice = name.partition(".")
        if choice.startswith("layer") and part == "encoder":
            kernels = [f"{kind}_{size}" for kind in ("conv", "residual", "sep_conv") for size in (3, 5, 7)]
            assert values == ("id", *kernels)
        elif choice.startswith("layer"):
            assert values == ("id", "linear", "residual_05", "residual_2")
        elif choice.startswith("norm"):
            assert values == ("none", "spectral")
        elif choice == "features":
            assert values == (25, 50, 100, 150)
        else:
            assert values == ("id", "tanh", "relu", "swish"), name


def test_the_original_architecture() -> None:
    chain = "linear relu id id id id relu"
    assert PAPER.original == ORIGINAL
    assert PAPER.format(ORIGINAL) == (
        f"actor linear id id relu relu id id 50 tanh none | q1 {chain} | q2 {chain} | critic 50 tanh none none | "
        "encoder conv_3 conv_3 conv_3 relu relu relu relu none"
    )
    small = Control(observation=(5,), features=(8, 40))
    assert small.format(small.original).endswith(f"q2 {chain} | critic 40 tanh none none")


def test_what_each_gene_owns() -> None:
    owned = {name: PAPER.modules(gene) for gene, name in enumerate(PAPER.gene_names)}
    layers = {
        f"{part}.layer{i}": (f"{path}.{i}",)
        for part, path in {
            "actor": "actor.policy", "q1": "critic.q1", "q2": "critic.q2", "encoder": "encoder.convnet"
        }.items()
        for i in (1, 2, 3)
    }  # fmt: skip
    features = {
        "actor.features": ("actor.trunk", "actor.policy.0"),
        "critic.features": ("critic.trunk", "critic.q1.0", "critic.q2.0"),
    }
    assert {name: modules for name, modules in owned.items() if modules} == layers | features
