"""NAS without training: how well an untrained network tells the images of a batch apart."""

from __future__ import annotations

import torch

from archloom.evaluators.proxies.candidate import Candidate


class Naswot:
    """Mellor et al. 2021 (ICML; version 2 and later of their paper), equation 2: log |det K| of the Hamming kernel.

    K[i, j] is the number of rectified units, of all layers that are run, that are active for both images i and j or for
    neither: all units less the Hamming distance of the two binary codes. ArithmeticError if K is singular, because the
    network cannot tell images apart (what comes out of a cell may be constant): the score would be minus infinity.
    """

    title = "log-determinant of the Hamming kernel of ReLU codes (Mellor et al. 2021)"
    needs_images = True

    def score(self, candidate: Candidate) -> float:
        kernel = candidate.agreement
        spectrum = torch.linalg.eigvalsh(kernel)  # ascending; the kernel is positive semidefinite
        rounding = float(spectrum[-1]) * len(kernel) * torch.finfo(kernel.dtype).eps
        if not float(spectrum[0]) > rounding:
            raise ArithmeticError("naswot's kernel is singular: the network cannot tell the images apart")
        return float(spectrum.log().sum())
