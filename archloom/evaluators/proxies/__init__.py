"""Zero-cost proxies: scores of untrained networks that rank architectures, each an object in `PROXIES`.

More is better for all of them. What a network is shown, and with what weights, is `options.ProxyOptions`; what a proxy
sees of it is a `candidate.Candidate`. A score that cannot be given is an ArithmeticError with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from archloom.evaluators.proxies.candidate import Proxy
from archloom.evaluators.proxies.counts import Flops, Params
from archloom.evaluators.proxies.gradients import GradNorm, Snip
from archloom.evaluators.proxies.jacobian import JacobCov
from archloom.evaluators.proxies.naswot import Naswot
from archloom.evaluators.proxies.synflow import Synflow

PROXIES: Mapping[str, Proxy] = {
    "synflow": Synflow(),
    "naswot": Naswot(),
    "jacob_cov": JacobCov(),
    "grad_norm": GradNorm(),
    "snip": Snip(),
    "params": Params(),
    "flops": Flops(),
}

COSTS: Mapping[str, str] = {"params_m": "params", "flops_m": "flops"}
"""The proxies that are costs as well, by the name of the metric to be minimised."""
