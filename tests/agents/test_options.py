import pytest

from archloom.agents.options import ApexOptions
from archloom.errors import InputError
from archloom.learners.agent_file import MOST_NEIGHBOURS


def test_what_could_never_work_is_refused():
    for given, words in (
        ({"learning_starts": 50_000}, "learning_starts=50000: expected at most buffer=25000"),
        ({"batch_size": 512, "buffer": 511, "learning_starts": 1}, "batch_size=512: expected at most buffer=511"),
        ({"epsilon_levels": 9, "walkers": 8}, "epsilon_levels=9: expected at most walkers=8"),
        ({"gamma": 1.1}, "gamma=1.1: expected a number from 0 to 1"),
    ):
        with pytest.raises(InputError, match=words):
            ApexOptions(**given)


def test_the_options_of_the_network_alone():
    options = ApexOptions(width=32, readout="paper", lr=0.5)
    assert (options.network.width, options.network.readout) == (32, "paper")
    assert (options.learning.lr, options.learning.double, options.learning.target_period) == (0.5, True, 2_000)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_neighbours", MOST_NEIGHBOURS + 1, "a whole number from 1 to 100,000"),  # an agent's file holds no more
        ("learn_ratio", 1e308, "a number from 0 to 1,000"),  # one step would be learnt from for ever
        ("lr", 1e300, "a "),  # 32 bits
        ("adam_eps", 1e-300, "a number from 1e-30"),  # 0 / 0
        ("priority_eps", 1e300, "a number from 1e-30"),
        ("walkers", 10**30, "a whole number from 1 to 1,000,000,000"),
        ("buffer", 10**30, "a whole number from 1 to 1,000,000,000"),
        ("n_step", 10**30, "a whole number from 1 to 1,000,000,000"),
        ("width", 10**30, "a whole number from 1 to 1,000,000"),
        ("layers", 10**5, "a whole number from 1 to 1,000"),
    ],
)
def test_slips_are_refused(name, value, expected):
    with pytest.raises(InputError, match=f"{name}=.*: expected {expected}"):
        ApexOptions(**{name: value})
