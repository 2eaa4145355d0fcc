import pytest

from archloom.agents.options import ApexOptions
from archloom.errors import InputError


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
